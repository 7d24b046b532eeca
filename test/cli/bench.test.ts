/** `seqlog bench`: it tells every row, leaves nothing behind, and refuses what would give figures of nothing. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { runInProcess } from "./run-in-process.ts";
import { mainPath, seqlog, SeqlogProcess, seqlogJson, temporaryDirectory } from "./seqlog-process.ts";

/** Inside the project, which is on a disk where the system's temporary directory may be memory. */
function directoryOnDisk(): string {
  const cache = fileURLToPath(new URL("../../.cache", import.meta.url));
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, "bench-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Short, so that it says nothing of the disk, but all of the command. */
const short = ["--seconds", "0.1"];

const keys = [
  "rawFsync",
  "rawDsync",
  "appendSync",
  "append",
  "rawFew",
  "fewCallers",
  "rawMany",
  "manyCallers",
  "rawBatch",
  "appendBatch",
  "rawRead",
  "readBatches",
];

test("prints every row, and what limits each, and leaves nothing behind", async () => {
  const directory = directoryOnDisk();
  const { code, text, stderr } = await seqlog(["bench", directory, ...short]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const figure = String.raw`[\d,]+(?:\.\d+)?`;
  const labels = [
    ["raw write \\+ fsync", 5],
    ["raw [^,]+, filled file", 5],
    ["appendSync", 5],
    ["await append", 5],
    ["raw write \\+ fsync of 64", 3],
    ["64 callers of await append", 3],
    ["raw write \\+ fsync of 4,096", 3],
    ["4,096 callers of await append", 3],
    ["raw write \\+ fsync of 1,024", 3],
    ["appendBatch of 1,024", 3],
    ["raw read, 1 MiB at a time", 2],
    ["readBatches, every CRC checked", 2],
  ] as const;
  for (const [label, figures] of labels) {
    expect(text).toMatch(new RegExp(`^  ${label}(?: +${figure}){${figures}}$`, "m"));
  }
  for (const subject of ["appendSync", "await append", "64 callers", "4,096 callers", "appendBatch", "reading"]) {
    expect(text).toMatch(new RegExp(`^  ${subject} +(?:the (?:disk|processor|memory)|neither)`, "m"));
  }
  expect(text).not.toContain("\x1b");
  expect(text).not.toMatch(/NaN|Infinity|undefined/);
  expect(readdirSync(directory)).toEqual([]);
});

test("--json tells the same, also for records of another size", async () => {
  const directory = directoryOnDisk();
  const shown = (await seqlogJson(["bench", directory, ...short, "--size", "65536"])) as {
    rows: { key: string; recordsPerSecond: number; bytesPerSecond: number; p50Us?: number; p99Us?: number }[];
    limits: { key: string; limit: string; text: string }[];
  };
  expect(shown).toMatchObject({ directory, size: 65536, seconds: 0.1, rounds: 5 });
  expect(shown.rows.map(({ key }) => key)).toEqual(keys);
  for (const { recordsPerSecond, bytesPerSecond } of shown.rows) {
    expect(recordsPerSecond).toBeGreaterThan(0);
    expect(bytesPerSecond).toBeCloseTo(recordsPerSecond * (65536 + 32), 3);
  }
  const withLatency = shown.rows.filter(({ p50Us }) => p50Us !== undefined);
  expect(withLatency.map(({ key }) => key)).toEqual(keys.slice(0, 4));
  for (const { p50Us = 0, p99Us = 0 } of withLatency) {
    expect(p50Us).toBeGreaterThan(0);
    expect(p99Us).toBeGreaterThanOrEqual(p50Us);
  }
  expect(shown.limits.map(({ key }) => key)).toEqual([
    "appendSync",
    "append",
    "fewCallers",
    "manyCallers",
    "appendBatch",
    "readBatches",
  ]);
  expect(readdirSync(directory)).toEqual([]);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends it, and nothing is left", async (signal, code) => {
  const directory = directoryOnDisk();
  const bench = new SeqlogProcess(["bench", directory, "--seconds", "300"]);
  // A round's own directory: it measures.
  while (!measures(directory)) {
    if (bench.child.exitCode !== null) throw new Error(`ended before: ${bench.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(readdirSync(directory)).toEqual([expect.stringMatching(`^\\.seqlog-bench-${bench.child.pid}-`)]);
  bench.child.kill(signal);
  expect(await bench.finished).toMatchObject({
    code,
    text: "",
    stderr: `seqlog: interrupted; nothing is left in ${directory}\n`,
  });
  expect(readdirSync(directory)).toEqual([]);
});

/** As on a full disk: no file may grow beyond this. The file that is filled first does not fit. */
const smallFiles = ["--fsize=20000000", process.execPath, mainPath];

test.runIf(process.platform === "linux")("an error ends it, and nothing is left", () => {
  const directory = directoryOnDisk();
  const { status, stdout, stderr } = spawnSync("prlimit", [...smallFiles, "bench", directory], { encoding: "utf8" });
  expect({ status, stdout }).toEqual({ status: 4, stdout: "" });
  expect(stderr).toMatch(/^seqlog: [^\n]*\.seqlog-bench-[^\n]* is full\.[^\n]*\n$/);
  expect(readdirSync(directory)).toEqual([]);
});

function measures(directory: string): boolean {
  const [scratch] = readdirSync(directory);
  return scratch !== undefined && readdirSync(join(directory, scratch)).some((name) => name.startsWith("round-"));
}

describe("refused, before anything is made", () => {
  test.each([
    ["--size", "0"],
    ["--size", "65537"],
    ["--size", "1.5"],
    ["--size", "many"],
    ["--seconds", "0"],
    ["--seconds", "0.05"],
    ["--seconds", "301"],
    ["--seconds", "soon"],
  ])("%s %s", async (option, value) => {
    const directory = temporaryDirectory();
    const { code, text, stderr } = await runInProcess(["bench", directory, option, value]);
    expect({ code, text }).toEqual({ code: 2, text: "" });
    expect(stderr).toMatch(/^seqlog: [^\n]*It must be a [^\n]* from [\d.]+ to \d+\.\n$/);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("a file, and a link to one", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "file");
    writeFileSync(file, "");
    symlinkSync(file, join(directory, "link"));
    const found = await runInProcess(["bench", file, ...short]);
    expect(found).toMatchObject({ code: 2, text: "" });
    expect(found.stderr).toContain(`${file} is not a directory`);
    const behindLink = await runInProcess(["bench", join(directory, "link"), ...short]);
    expect(behindLink).toMatchObject({ code: 2, text: "" });
    expect(behindLink.stderr).toContain("is not a directory");
    expect(readdirSync(directory).toSorted()).toEqual(["file", "link"]);
  });

  test("an empty name", async () => {
    expect(await runInProcess(["bench", "", ...short])).toMatchObject({
      code: 2,
      stderr: "seqlog: DIR is empty; it must be a directory on the disk to measure\n",
    });
  });

  test("a directory that is not there is not made", async () => {
    const missing = join(temporaryDirectory(), "missing");
    const { code, stderr } = await runInProcess(["bench", missing, ...short]);
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: `seqlog: ${missing}: there is no such directory; name one that lies on the disk to measure\n`,
    });
    expect(existsSync(missing)).toBe(false);
  });

  const isTmpfs = process.platform === "linux" && existsSync("/dev/shm") && statfsSync("/dev/shm").type === 0x01021994;
  test.runIf(isTmpfs)("memory", async () => {
    const directory = mkdtempSync("/dev/shm/seqlog-cli-");
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const { code, text, stderr } = await runInProcess(["bench", directory, ...short]);
    expect({ code, text }).toEqual({ code: 2, text: "" });
    expect(stderr).toMatch(/is on tmpfs \(mounted at [^\n]*\), which is memory: [^\n]*Name a directory on a disk\n$/);
    expect(readdirSync(directory)).toEqual([]);
  });
});
