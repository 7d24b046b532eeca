/**
 * `npm run bench`: seqlog beside other embedded stores, on this disk. Each row runs in a process
 * of its own, its contenders interleaved in rounds; medians, ratios and spread are printed, and
 * whether a row reaches its target. That is a report, never a failure.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { inChild } from "./lib/in-child.mjs";
import { readOptions, usage } from "./lib/options.mjs";
import { fileSystemOf } from "./lib/place.mjs";
import { describeMachine, installPeers, takeBuild } from "./lib/prepare.mjs";
import { storeRun } from "./lib/results.mjs";
import { asText } from "./lib/table.mjs";

const options = parse();
const own = fileURLToPath(new URL(".data", import.meta.url));

function parse() {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

if (options.isHelp) {
  console.log(usage);
  process.exit(0);
}
installPeers();
const { allRows } = await import("./rows/all-rows.mjs");
const names = allRows.map(({ name }) => name);
const unknown = options.rows.filter((name) => !names.includes(name));
if (options.isList || unknown.length > 0) {
  if (unknown.length > 0) console.error(`no row ${unknown.join(", ")}; there are:`);
  for (const { name, title } of allRows) console.log(`${name.padEnd(20)} ${title}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

mkdirSync(own, { recursive: true });
const parent = resolve(options.dir ?? own);
mkdirSync(parent, { recursive: true });
const fileSystem = placeOf(parent);
const dir = mkdtempSync(join(parent, "run-"));
const build = mkdtempSync(join(own, "build-"));
const leave = () => {
  rmSync(dir, { recursive: true, force: true });
  rmSync(build, { recursive: true, force: true });
};
process.on("exit", leave);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

function placeOf(directory) {
  try {
    return fileSystemOf(directory);
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}

process.env.SEQLOG_BENCH_DIST = takeBuild(build);
const machine = describeMachine(fileSystem);
console.log(
  `seqlog ${machine.seqlog} (${machine.commit}), Node.js ${machine.node}, ${machine.platform}, ${machine.cpu}`,
);
console.log(
  `${parent}: ${fileSystem.type} on ${fileSystem.source}, mounted at ${fileSystem.mount} (${fileSystem.options})`,
);
if (options.isQuick) console.log("--quick: short rounds; these figures say that it works, not how fast it is");

const results = [];
for (const row of allRows) {
  if (options.rows.length > 0 && !options.rows.includes(row.name)) continue;
  for (const size of sizesOf(row)) {
    try {
      const result = await runRow(row, size);
      results.push(result);
      console.log(asText(result));
    } catch (error) {
      // What broke one row keeps nobody from the figures of the others; it is no target missed, but a fault.
      console.error(`\n${row.name}, ${size} B: FAILED: ${error.message}`);
      process.exitCode = 1;
    }
  }
}
if (!options.isQuick && results.length > 0) {
  const run = { date: new Date().toISOString(), machine, rounds: options.rounds, seconds: options.seconds, results };
  console.log(`\nwritten: bench/results/${storeRun(run, names)}, docs/performance.md, docs/performance.svg`);
}

/** Quick runs show the headline size only, unless sizes were asked for. */
function sizesOf(row) {
  if (options.sizes.length > 0) return row.sizes.filter((size) => options.sizes.includes(size));
  return options.isQuick ? row.sizes.slice(0, 1) : row.sizes;
}

async function runRow(row, size) {
  const own = mkdtempSync(join(dir, `${row.name}-`));
  const { rounds, seconds, isQuick } = options;
  const show = (step) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${row.name}, ${size} B: ${step}`);
  };
  try {
    const input = { name: row.name, size, dir: own, rounds, seconds, isQuick };
    const { result } = await inChild("children/row.mjs", input, show);
    const { name, title } = row;
    // Targets are of the headline size; other sizes are shown without.
    const targets = size === row.sizes[0] || row.name === "disk" ? result.targets : [];
    return { row: { name, title }, size, ...result, targets };
  } finally {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K");
    rmSync(own, { recursive: true, force: true });
  }
}
