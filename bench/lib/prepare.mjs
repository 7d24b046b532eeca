/** What a run needs before it measures: the peers, a build of its own, and what machine this is. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bench = fileURLToPath(new URL("..", import.meta.url));
const isWindows = process.platform === "win32";

const isInstalled = (name) => existsSync(join(bench, "node_modules", name));

/** Installs the peers when they are not there. One that cannot be installed is left out by its row, loudly. */
export function installPeers() {
  if (isInstalled("better-sqlite3") && isInstalled("@durable-streams/server")) return;
  console.log("installing the peers (once; a binding without a prebuilt binary is compiled)");
  try {
    execFileSync("npm", ["ci"], { cwd: bench, stdio: "inherit", shell: isWindows });
  } catch (error) {
    console.error(`npm ci in bench/ failed: ${error.message}. Rows run without the peers that are missing`);
  }
}

/**
 * Builds the library, unless it was told not to, and copies it, so that a build in the meantime
 * changes no figure.
 *
 * @returns the path of the copy's index.js
 */
export function takeBuild(into) {
  if (process.env.SEQLOG_BENCH_NO_BUILD === undefined) {
    execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" });
  }
  // Inside bench/, so that its imports find the library's dependencies on their way up.
  cpSync(join(root, "dist"), into, { recursive: true });
  return join(into, "index.js");
}

export function describeMachine(fileSystem) {
  const [cpu] = cpus();
  return {
    node: process.version,
    platform: `${platform()} ${release()} ${arch()}`,
    cpu: `${cpus().length} × ${cpu?.model.trim() ?? "unknown"}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    fileSystem,
    commit: commit(),
    seqlog: JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version,
  };
}

/** With a plus where the tree has changes that are not in it. */
function commit() {
  const git = (...args) =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  try {
    const isChanged = git("status", "--porcelain", "--", "src").trim() !== "";
    return `${git("rev-parse", "--short", "HEAD").trim()}${isChanged ? "+" : ""}`;
  } catch {
    return "unknown";
  }
}
