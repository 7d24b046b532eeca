/**
 * `npm run test:nodes`: the tests on every Node that the package supports. The Nodes come as npm
 * packages into .cache/; `npm run test:nodes -- 22 26` runs only those.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const wanted = process.argv.slice(2);
const versions = wanted.length > 0 ? wanted : ["20", "22", "24", "26"];
const nodePackage = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
const results = [];

const built = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" });
if (built.status !== 0) process.exit(built.status ?? 1);

for (const version of versions) {
  const prefix = join(root, ".cache", "nodes", version);
  const node = join(prefix, "node_modules", nodePackage, "bin", "node");
  if (!existsSync(node)) {
    const args = ["install", "--ignore-scripts", "--no-save", "--prefix", prefix, `${nodePackage}@${version}`];
    const installed = spawnSync("npm", args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
    if (installed.status !== 0) process.exit(installed.status ?? 1);
  }
  const name = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
  console.log(`\n=== Node ${name}`);
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const run = spawnSync(node, ["node_modules/vitest/vitest.mjs", "run"], { cwd: root, stdio: "inherit", env });
  results.push({ name, isGood: run.status === 0 });
}

console.log("");
for (const { name, isGood } of results) console.log(`${name}: ${isGood ? "passed" : "FAILED"}`);
if (results.some(({ isGood }) => !isGood)) process.exit(1);
