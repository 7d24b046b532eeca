/** Every row of "Bad input" in docs/errors.md: what is said, and what becomes of the files. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FileLog, SeqlogError, verify } from "../../src/index.ts";
import { nodeMachine } from "../../src/storage/node-machine.ts";
import { withFaults } from "../../src/testing/fault-injecting-storage.ts";
import { failWith, shortWrite } from "../../src/testing/fault-plan.ts";
import type { Fault } from "../../src/testing/fault-plan.ts";
import { collect, linesOf, textsOf } from "../crash/read-data.ts";
import { newPath, scratchDirectory } from "../crash/scratch-directory.ts";
import { bytesOf, overwrite } from "./directory-bytes.ts";
import { codesIn, messagePattern, tableUnder } from "./error-tables.ts";

const rows = new Map(tableUnder("Bad input").map((row) => [row["input"] ?? "", row]));
const tested = new Set<string>();

/** The row of an input; each row is asked for by a test. */
function rowOf(input: string): Record<string, string> {
  const row = rows.get(input);
  if (row === undefined) throw new Error(`docs/errors.md has no row for ${input}`);
  tested.add(input);
  return row;
}

/** Holds an error against its row. */
function saysWhatTheDocsSay(input: string, error: { code?: unknown; message?: unknown }): void {
  const row = rowOf(input);
  expect([error.code]).toEqual(codesIn(row["code"] ?? ""));
  expect(error.message).toMatch(messagePattern(row["message"] ?? ""));
}

const bytesEach = 128;
const first = "00000000000000000000";
const second = "00000000000000000010";
const active = "00000000000000000020";

/** A closed log: ten records in each of two sealed segments, five in the last. */
async function buildLog(): Promise<{ path: string; lines: string[] }> {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
  for (let i = 0; i < 25; i++) log.appendSync(String(i).padEnd(96, "."));
  const lines = await linesOf(log);
  await log.close();
  return { path: log.location, lines };
}

async function errorOf(call: () => Promise<unknown>): Promise<SeqlogError> {
  const error: unknown = await call().then(
    () => new Error("it went through"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof SeqlogError)) throw error;
  return error;
}

async function openForWriting(path: string): Promise<void> {
  const log = await FileLog.open(path, { create: false });
  await log.close();
}

async function openForReading(path: string): Promise<void> {
  const log = await FileLog.open(path, { readOnly: true });
  await log.close();
}

async function readAll(path: string): Promise<void> {
  const log = await FileLog.open(path, { readOnly: true });
  try {
    await collect(log.read());
  } finally {
    await log.close();
  }
}

interface Case {
  readonly input: string;
  readonly spoil: (path: string) => void;
  readonly meets: readonly ((path: string) => Promise<unknown>)[];
}

function inPlaceOf(stem: string, put: (at: string, other: string) => void) {
  return (path: string): void => {
    const at = join(path, `${stem}.log`);
    const other = join(path, "..", "moved.log");
    renameSync(at, other);
    put(at, other);
  };
}

function signedManifest(path: string, text: string): void {
  writeFileSync(join(path, "MANIFEST"), `${text}\n${crc32(text).toString(16).padStart(8, "0")}\n`);
}

const opening = [openForWriting, openForReading];

const cases: readonly Case[] = [
  ...[first, active].flatMap((stem): Case[] => [
    {
      input: "a FIFO in place of a segment",
      spoil: inPlaceOf(stem, (at) => void execFileSync("mkfifo", [at])),
      meets: stem === active ? opening : [openForWriting, readAll],
    },
    {
      input: "a symbolic link in place of a segment",
      spoil: inPlaceOf(stem, (at, other) => symlinkSync(other, at)),
      meets: stem === active ? opening : [openForWriting, readAll],
    },
    {
      input: "a directory in place of a segment",
      spoil: inPlaceOf(stem, (at) => mkdirSync(at)),
      meets: stem === active ? opening : [openForWriting, readAll],
    },
  ]),
  {
    input: "a length field of 4 GiB",
    spoil: (path) => overwrite(join(path, `${second}.log`), 3 * bytesEach, Buffer.from([255, 255, 255, 255])),
    meets: [readAll],
  },
  {
    input: "two segments that overlap",
    spoil: (path) => {
      for (const kind of ["log", "idx"]) {
        copyFileSync(join(path, `${active}.${kind}`), join(path, `00000000000000000015.${kind}`));
      }
    },
    meets: [openForWriting],
  },
  {
    input: "two segments that leave a gap",
    spoil: (path) => rmSync(join(path, `${second}.log`)),
    meets: [openForWriting],
  },
  {
    input: "a closed log whose last segment was cut",
    spoil: (path) => truncateSync(join(path, `${active}.log`), 4 * bytesEach),
    meets: [openForWriting],
  },
  {
    input: "a corrupt MANIFEST",
    spoil: (path) => overwrite(join(path, "MANIFEST"), 40, Buffer.from("?")),
    meets: opening,
  },
  {
    input: "segments without a MANIFEST",
    spoil: (path) => rmSync(join(path, "MANIFEST")),
    meets: [openForWriting],
  },
  {
    input: "a MANIFEST of a newer format version",
    spoil: (path) => signedManifest(path, '{"format":2,"what":"the future holds"}'),
    meets: opening,
  },
];

test.each(cases)(
  "$input: the error is the one in the docs, and no byte is changed",
  async ({ input, spoil, meets }) => {
    const { path, lines } = await buildLog();
    const copy = newPath("copy");
    cpSync(path, copy, { recursive: true });
    spoil(path);
    const before = bytesOf(path);
    for (const meet of meets) {
      const error = await errorOf(() => meet(path));
      saysWhatTheDocsSay(input, error);
      const at = "file" in error.facts ? error.facts.file : (error.facts as { path: string }).path;
      expect(dirname(at)).toBe(path);
      expect(bytesOf(path)).toEqual(before);
    }
    expect(rowOf(input)["the files afterwards"]).toBe("unchanged");
    // With the fault taken back every record is there.
    rmSync(path, { recursive: true });
    cpSync(copy, path, { recursive: true });
    const log = await FileLog.open(path);
    expect(await linesOf(log)).toEqual(lines);
    await log.close();
  },
);

test("a length field of 4 GiB takes no memory, and the records before it are read", async () => {
  const { path, lines } = await buildLog();
  overwrite(join(path, `${second}.log`), 3 * bytesEach, Buffer.from([255, 255, 255, 255]));
  const before = process.memoryUsage.rss();
  const log = await FileLog.open(path, { readOnly: true });
  expect(await linesOf(log, { to: 13 })).toEqual(lines.slice(0, 13));
  expect(await errorOf(() => log.get(13))).toMatchObject({ facts: { seq: 13, offset: 3 * bytesEach } });
  expect((await log.get(14))?.seq).toBe(14);
  await log.close();
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
});

test("a record index of random bytes: the log opens, the index is made anew as it was, nothing else changes", async () => {
  const row = rowOf("a record index of random bytes");
  expect(row["code"]).toBe("none: it opens");
  expect(row["the files afterwards"]).toBe("the record index is made anew, the same as before; all else is unchanged");
  const bytes = fc.uint8Array({ minLength: 50, maxLength: 500 });
  for (const [run, stem] of [first, second, active].entries()) {
    const { path, lines } = await buildLog();
    const before = bytesOf(path);
    writeFileSync(join(path, `${stem}.idx`), fc.sample(bytes, { seed: run, numRuns: 1 })[0] as Uint8Array);
    const spoilt = bytesOf(path);
    const reader = await FileLog.open(path, { readOnly: true });
    expect(await linesOf(reader)).toEqual(lines);
    await reader.close();
    expect(bytesOf(path)).toEqual(spoilt);
    const log = await FileLog.open(path);
    expect(log.recovery).toMatchObject({ records: 25, tornBytes: 0, indexRebuilt: true });
    expect(await linesOf(log)).toEqual(lines);
    await log.close();
    expect(bytesOf(path)).toEqual(before);
  }
});

describe("a directory without rights", () => {
  const library = new URL("../../dist/index.js", import.meta.url).href;
  const nobody = 65534;
  const program = `
    const { FileLog } = await import(${JSON.stringify(library)});
    const [path, options] = process.argv.slice(1);
    if (process.getuid() === 0) {
      process.setgroups([]);
      process.setgid(${nobody});
      process.setuid(${nobody});
    }
    try {
      const log = await FileLog.open(path, JSON.parse(options));
      let count = 0;
      for await (const record of log.read()) count++;
      await log.close();
      process.stdout.write(JSON.stringify({ count }));
    } catch ({ code, message, facts }) {
      process.stdout.write(JSON.stringify({ code, message, facts }));
    }`;

  /** Opens the log in a process that is not root: root may do everything. */
  function openAsNobody(path: string, options: object): Record<string, unknown> {
    const args = ["--input-type=module", "-e", program, path, JSON.stringify(options)];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: "/" });
    expect(stderr).toBe("");
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** A log that the other user may reach. */
  async function reachableLog(): Promise<string> {
    const { path } = await buildLog();
    chmodSync(dirname(path), 0o755);
    return path;
  }

  test("that may not be written: the error is the one in the docs, no byte is changed, reading works", async () => {
    const input = "a directory that may not be written";
    const path = await reachableLog();
    chmodSync(path, 0o555);
    chmodSync(join(path, "LOCK"), 0o444);
    const before = bytesOf(path);
    const error = openAsNobody(path, {});
    saysWhatTheDocsSay(input, error);
    expect(error["facts"]).toEqual({ path: join(path, "LOCK"), syscall: "open", errno: "EACCES" });
    expect(openAsNobody(path, { readOnly: true })).toEqual({ count: 25 });
    expect(bytesOf(path)).toEqual(before);
    expect(rowOf(input)["the files afterwards"]).toBe("unchanged; `readOnly` works");
    chmodSync(path, 0o755);
    chmodSync(join(path, "LOCK"), 0o644);
    await openForWriting(path);
  });

  test("that may not be read: the error is the one in the docs, and no byte is changed", async () => {
    const input = "a directory that may not be read";
    const path = await reachableLog();
    const before = bytesOf(path);
    chmodSync(path, 0o000);
    const error = openAsNobody(path, { readOnly: true });
    saysWhatTheDocsSay(input, error);
    chmodSync(path, 0o755);
    expect(bytesOf(path)).toEqual(before);
    expect(rowOf(input)["the files afterwards"]).toBe("unchanged");
    await openForWriting(path);
  });
});

describe("a full disk", () => {
  const inputs = ["a full disk that takes nothing of a write", "a full disk that takes a part of a write"] as const;

  test.each<[string, Fault]>([
    [inputs[0], failWith("ENOSPC")],
    [inputs[0], failWith("ENOSPC", 700)],
    [inputs[1], shortWrite(700)],
  ])("%s: the append is undone as a whole, and the log goes on", async (input, fault) => {
    const { path, lines } = await buildLog();
    const { machine, storage } = withFaults(nodeMachine);
    const log = await FileLog.open(path, { machine });
    await log.append("acknowledged");
    const acknowledged = await linesOf(log);
    expect(acknowledged.slice(0, 25)).toEqual(lines);
    for (const append of [
      () => log.append("x".repeat(1000)),
      () => log.appendBatch(["y".repeat(500), "z".repeat(500)]),
      async () => log.appendSync("x".repeat(1000)),
    ]) {
      storage.faults.clear();
      // Zeros ahead are written too, and their failing is nobody's concern: they start behind the record.
      const end = 5 * bytesEach + 32 + "acknowledged".length;
      storage.faults.on({ kind: "write", path: ".log" }, ({ position }) => (position === end ? fault : undefined));
      saysWhatTheDocsSay(input, await errorOf(append));
      expect(await linesOf(log)).toEqual(acknowledged);
      const segment = readFileSync(join(path, `${active}.log`));
      expect(segment.subarray(end).every((byte) => byte === 0)).toBe(true);
    }
    expect(rowOf(input)["the files afterwards"]).toContain("all acknowledged records and nothing of this one");
    expect(await log.append("there is space again")).toMatchObject({ seq: 26 });
    await log.close();
    const again = await FileLog.open(path);
    expect(again.recovery).toMatchObject({ records: 27, tornBytes: 0, redone: 0 });
    expect((await linesOf(again)).slice(0, 26)).toEqual(acknowledged);
    await again.close();
  });

  /**
   * Gives the work a file system of 3 MiB. Where none may be mounted the rows above, through the
   * storage contract, have to do; on the build machine that is not enough.
   */
  async function withSmallDisk(work: (disk: string) => Promise<void>): Promise<void> {
    const disk = scratchDirectory();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]);
    if (mounted.status !== 0) {
      if (process.env["CI"] === "true") throw new Error(`no file system could be mounted: ${String(mounted.stderr)}`);
      return;
    }
    try {
      await work(disk);
    } finally {
      execFileSync("umount", ["--lazy", disk]);
    }
  }

  /** Appends until 20 appends were refused; returns what was acknowledged. */
  async function appendUntilFull(log: FileLog): Promise<string[]> {
    const acknowledged: string[] = [];
    const refused: SeqlogError[] = [];
    for (let i = 0; refused.length < 20; i++) {
      const data = `${i} `.padEnd(20_000 - (i % 7) * 2000, "x");
      await log.append(data).then(
        () => acknowledged.push(data),
        (error: SeqlogError) => refused.push(error),
      );
    }
    const patterns = inputs.map((input) => messagePattern(rowOf(input)["message"] ?? ""));
    for (const { code, message } of refused) {
      expect(code).toBe("SEQLOG_NO_SPACE");
      expect(patterns.some((pattern) => pattern.test(message)) ? "as in the docs" : message).toBe("as in the docs");
    }
    return acknowledged;
  }

  /** There may be no room for a MANIFEST that says that the log was closed; closed it is all the same. */
  async function closeOnFullDisk(log: FileLog): Promise<void> {
    await log.close().catch((error: unknown) => expect(error).toMatchObject({ code: "SEQLOG_NO_SPACE" }));
    await expect(log.append("x")).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
  }

  /** Takes all that is left. */
  function fill(disk: string): void {
    spawnSync("dd", ["if=/dev/zero", `of=${join(disk, "filler")}`, "bs=1k"], { stdio: "ignore" });
  }

  test("in earnest, on 3 MiB: whatever was acknowledged stays, and with space again appending goes on", async () => {
    await withSmallDisk(async (disk) => {
      const filler = join(disk, "filler");
      writeFileSync(filler, Buffer.alloc(1024 * 1024));
      const path = join(disk, "log");
      const log = await FileLog.open(path, { segmentBytes: 256 * 1024 });
      const acknowledged = await appendUntilFull(log);
      expect(acknowledged.length).toBeGreaterThan(50);
      expect(await textsOf(log)).toEqual(acknowledged);
      rmSync(filler);
      expect(await log.append("there is room again".repeat(1000))).toMatchObject({ seq: acknowledged.length });
      await log.close();
      expect((await verify(path)).ok).toBe(true);
      const again = await FileLog.open(path);
      expect(again.recovery).toMatchObject({ records: acknowledged.length + 1, tornBytes: 0, redone: 0 });
      expect((await textsOf(again)).slice(0, -1)).toEqual(acknowledged);
      await again.close();
    });
  });

  test("full to the last byte: reading works, opening for writing works or changes nothing", async () => {
    await withSmallDisk(async (disk) => {
      const path = join(disk, "log");
      const reserve = join(disk, "reserve");
      writeFileSync(reserve, Buffer.alloc(256 * 1024));
      const log = await FileLog.open(path, { segmentBytes: 256 * 1024 });
      const acknowledged = await appendUntilFull(log);
      expect(acknowledged.length).toBeGreaterThan(100);
      fill(disk);
      await closeOnFullDisk(log);
      const reader = await FileLog.open(path, { readOnly: true });
      expect(await textsOf(reader)).toEqual(acknowledged);
      await reader.close();
      const before = bytesOf(path);
      const opened: FileLog | Error = await FileLog.open(path).catch((error: Error) => error);
      if (opened instanceof Error) {
        expect(opened).toMatchObject({ code: "SEQLOG_NO_SPACE" });
        expect(bytesOf(path)).toEqual(before);
      } else {
        await closeOnFullDisk(opened);
      }
      await expect(FileLog.open(join(disk, "another"))).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
      rmSync(reserve);
      const again = await FileLog.open(path);
      expect(again.recovery).toMatchObject({ records: acknowledged.length, tornBytes: 0 });
      expect(await again.append("next")).toMatchObject({ seq: acknowledged.length });
      await again.close();
    });
  });

  test("full to the last byte: trimming makes room", async () => {
    await withSmallDisk(async (disk) => {
      const log = await FileLog.open(join(disk, "log"), { segmentBytes: 256 * 1024 });
      const acknowledged = await appendUntilFull(log);
      fill(disk);
      const { removed } = await log.trim({ before: "end" });
      expect(removed).toBeGreaterThan(50);
      expect(await textsOf(log)).toEqual(acknowledged.slice(removed));
      expect(await log.append("there is room again".repeat(1000))).toMatchObject({ seq: acknowledged.length });
      await log.close();
    });
  });
});

test("every row of the docs was tested", () => {
  expect([...tested].sort()).toEqual([...rows.keys()].sort());
});
