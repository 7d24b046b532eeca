import {
  appendFileSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { linesOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath, scratchDirectory } from "../../test/crash/scratch-directory.ts";
import { bytesOf, flipBit, overwrite } from "../../test/errors/directory-bytes.ts";
import { ioError } from "../storage/io-error.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";
import { type SalvageOptions, type SalvageReport, salvage } from "./salvage.ts";
import { verify } from "./verify.ts";

const bytesEach = 128;
const count = 25;
const names = ["00000000000000000000", "00000000000000000010", "00000000000000000020"] as const;
const [first, second, active] = names;

interface Fixture {
  readonly path: string;
  /** Every record as a line, by seq. */
  readonly lines: readonly string[];
}

/** 25 records of 128 bytes in three segments. */
async function build(end: "closed" | "crashed" = "closed"): Promise<Fixture> {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
  for (let i = 0; i < count; i++) log.appendSync(String(i).padEnd(96, "."));
  const lines = await linesOf(log);
  const crashed = crashCopy(log.location);
  await log.close();
  return { path: end === "closed" ? log.location : crashed, lines };
}

/** Every name below, with its bytes and the time of its last change. */
function treeOf(directory: string): Record<string, string> {
  const times = readdirSync(directory).map((name) => [name, String(lstatSync(join(directory, name)).mtimeMs)]);
  const all = { ...bytesOf(directory), LOCK: "" };
  for (const [name = "", time] of times) all[name as keyof typeof all] += ` changed at ${time}`;
  return { ...all, ".": `changed at ${statSync(directory).mtimeMs}` };
}

interface Salvaged extends SalvageReport {
  readonly out: string;
  readonly lines: string[];
}

/** Salvages, and checks what holds every time: the input is as before, and the output is a log in order. */
async function salvaged(location: string, options: Partial<SalvageOptions> = {}): Promise<Salvaged> {
  const input = lstatSync(location).isFile() ? dirname(location) : location;
  const before = treeOf(input);
  const out = newPath("out");
  const report = await salvage(location, { out, ...options });
  expect(treeOf(input)).toEqual(before);
  expect(report.ok).toBe(report.missing.length === 0);
  expect(await verify(out)).toMatchObject({ ok: true, records: report.records, tornBytes: 0 });
  const log = await FileLog.open(out);
  const lines = await linesOf(log);
  expect(await log.append("next")).toMatchObject({ seq: report.nextSeq });
  await log.close();
  return { ...report, out, lines };
}

/** The lines without their seqs. */
function dataOf(lines: readonly string[]): string[] {
  return lines.map((line) => line.slice(line.indexOf(" ")));
}

function without(lines: readonly string[], ...seqs: readonly number[]): string[] {
  return dataOf(lines.filter((_, seq) => !seqs.includes(seq)));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** The lines of `salvage.ndjson`. */
function accountOf({ report }: SalvageReport): Record<string, unknown>[] {
  return readFileSync(report, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A machine whose disk cannot read some bytes of some files. */
function unreadable(isBad: (path: string, position: number, end: number) => boolean): Machine {
  const { storage } = nodeMachine;
  const failing: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      const read = file.read.bind(file);
      file.read = (target, position) =>
        isBad(path, position, position + target.length)
          ? Promise.reject(ioError("EIO", "read", path))
          : read(target, position);
      return file;
    },
  };
  return { ...nodeMachine, storage: failing };
}

describe("a log in order", () => {
  test.each(["closed", "crashed"] as const)("(%s) comes out as it is: nothing is missing", async (end) => {
    const { path, lines } = await build(end);
    const report = await salvaged(path);
    expect(report).toMatchObject({
      ok: true,
      records: count,
      resynchronised: 0,
      firstSeq: 0,
      nextSeq: count,
      seqsKept: true,
      missing: [],
      missingBytes: 0,
      tornBytes: 0,
      notes: [],
    });
    expect(report.lines).toEqual(lines);
    expect(accountOf(report)).toEqual(
      names.map((name, i) => ({
        kind: "records",
        seq: 10 * i,
        count: i === 2 ? 5 : 10,
        file: join(path, `${name}.log`),
        offset: 0,
        end: (i === 2 ? 5 : 10) * bytesEach,
        originalFrom: 10 * i,
        originalTo: 10 * i,
        resynchronised: false,
      })),
    );
  });

  test("that was trimmed keeps its seqs, its codec and its secret, and gets another log id", async () => {
    const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
    for (let i = 0; i < count; i++) log.appendSync(String(i).padEnd(96, "."));
    await log.trim({ before: 10 });
    const lines = await linesOf(log);
    await log.close();
    const { out, ...report } = await salvaged(log.location);
    expect(report).toMatchObject({ ok: true, firstSeq: 10, nextSeq: count, seqsKept: true });
    expect(report.lines).toEqual(lines);
    const manifest = (directory: string): { logId: string; secret: string } =>
      JSON.parse(readFileSync(join(directory, "MANIFEST"), "utf8").split("\n")[0] as string) as never;
    expect(manifest(out).secret).toBe(manifest(log.location).secret);
    expect(manifest(out).logId).not.toBe(manifest(log.location).logId);
  });

  test("that is empty comes out empty", async () => {
    const log = await FileLog.open(newPath());
    await log.close();
    expect(await salvaged(log.location)).toMatchObject({ ok: true, records: 0, missing: [], lines: [] });
  });

  test("looking up by time works where ids hold times, and is refused where they go back", async () => {
    const { path } = await build();
    const { out } = await salvaged(path);
    const log = await FileLog.open(out, { readOnly: true });
    expect(await log.seqAt(new Date(0))).toBe(0);
    await log.close();

    const v4 = await FileLog.open(newPath(), { ids: "v4" });
    v4.appendSync("x");
    await v4.close();
    const other = await FileLog.open((await salvaged(v4.location)).out, { readOnly: true });
    expect(other.supports.findById).toBe(false);
    await other.close();
  });
});

describe("damage in a segment", () => {
  test.each<[string, (file: string) => void, number[]]>([
    ["a flipped bit in data", (file) => flipBit(file, 3 * bytesEach + 50), [3]],
    ["a flipped bit in a length", (file) => flipBit(file, 3 * bytesEach), [3]],
    ["a flipped bit in an own offset", (file) => flipBit(file, 3 * bytesEach + 5), [3]],
    ["a flipped bit in a UUID", (file) => flipBit(file, 3 * bytesEach + 30), [3]],
    ["a length of 4 GiB", (file) => overwrite(file, 3 * bytesEach, Buffer.alloc(4, 0xff)), [3]],
    ["a run of zeros", (file) => overwrite(file, 3 * bytesEach + 40, Buffer.alloc(3 * bytesEach)), [3, 4, 5, 6]],
    ["the first record", (file) => flipBit(file, 50), [0]],
    ["the last record", (file) => flipBit(file, 9 * bytesEach + 50), [9]],
    ["several places", (file) => (flipBit(file, 2 * bytesEach + 50), flipBit(file, 7 * bytesEach + 50)), [2, 7]],
  ])("%s: all other records are recovered, and exactly what is missing is told", async (_name, spoil, lost) => {
    const { path, lines } = await build();
    const file = join(path, `${second}.log`);
    spoil(file);
    const report = await salvaged(path);
    expect(dataOf(report.lines)).toEqual(without(lines, ...lost.map((i) => 10 + i)));
    expect(report).toMatchObject({ ok: false, resynchronised: 0, missingBytes: lost.length * bytesEach });
    const missing = report.missing.flatMap(({ firstSeq = 0, lastSeq = 0, isExact, offset, end, ...at }) => {
      expect({ isExact, file: at.file }).toEqual({ isExact: true, file });
      expect([offset, end]).toEqual([(firstSeq - 10) * bytesEach, (lastSeq - 9) * bytesEach]);
      return range(firstSeq - 10, lastSeq - 10);
    });
    expect(missing).toEqual(lost);
  });

  test("seqs stay up to the first hole and close up behind it, and the account has those of before", async () => {
    const { path, lines } = await build();
    flipBit(join(path, `${second}.log`), 2 * bytesEach + 50);
    const report = await salvaged(path);
    expect(report.seqsKept).toBe(false);
    expect(report.lines.slice(0, 12)).toEqual(lines.slice(0, 12));
    expect(report.lines[12]).toBe(lines[13]?.replace(/^13/, "12"));
    expect(accountOf(report)).toContainEqual({
      kind: "records",
      seq: 12,
      count: 7,
      file: join(path, `${second}.log`),
      offset: 3 * bytesEach,
      end: 10 * bytesEach,
      originalFrom: 13,
      originalTo: 13,
      resynchronised: false,
    });
  });

  test("damage at the front moves nothing: the new log begins later", async () => {
    const { path, lines } = await build();
    flipBit(join(path, `${first}.log`), 50);
    const report = await salvaged(path);
    expect(report).toMatchObject({ firstSeq: 1, nextSeq: count, seqsKept: true });
    expect(report.lines).toEqual(lines.slice(1));
  });

  test("without its record index what follows is resynchronised, and its seqs are bounded", async () => {
    const { path, lines } = await build();
    rmSync(join(path, `${second}.idx`));
    const file = join(path, `${second}.log`);
    overwrite(file, 3 * bytesEach + 40, Buffer.alloc(bytesEach));
    const report = await salvaged(path);
    expect(dataOf(report.lines)).toEqual(without(lines, 13, 14));
    expect(report).toMatchObject({
      resynchronised: 5,
      missing: [{ file, offset: 3 * bytesEach, end: 5 * bytesEach, firstSeq: 13, isExact: false }],
    });
    expect(report.missing[0]?.lastSeq).toBeGreaterThanOrEqual(14);
    const run = accountOf(report).find((line) => line["resynchronised"] === true);
    expect(run).toMatchObject({ seq: 13, count: 5, offset: 5 * bytesEach, originalFrom: 14 });
    expect(run?.["originalTo"]).toBeGreaterThanOrEqual(15);
  });

  test("a rotten entry of the record index beside a damaged record: the seqs between are told by its neighbours", async () => {
    const { path, lines } = await build();
    flipBit(join(path, `${second}.log`), 3 * bytesEach + 50);
    for (const i of [3, 4, 5]) flipBit(join(path, `${second}.idx`), i * 16);
    const report = await salvaged(path);
    expect(dataOf(report.lines)).toEqual(without(lines, 13));
    // 14 and 15 were found by their own offsets, 16 is where the record index says.
    expect(report.resynchronised).toBe(2);
    expect(report.missing).toEqual([
      {
        file: join(path, `${second}.log`),
        offset: 3 * bytesEach,
        end: 4 * bytesEach,
        firstSeq: 13,
        lastSeq: 13,
        isExact: false,
        reason: "the CRC-32 of the data does not match",
      },
    ]);
  });

  test("a cut file: what the record index proves behind its end is missing", async () => {
    for (const name of [second, active]) {
      const { path, lines } = await build();
      const file = join(path, `${name}.log`);
      truncateSync(file, 300);
      const report = await salvaged(path);
      const base = Number(name);
      const lost = range(base + 2, name === second ? 19 : 24);
      expect(dataOf(report.lines)).toEqual(without(lines, ...lost));
      expect(report.missing).toEqual([
        expect.objectContaining({ file, offset: 256, firstSeq: lost[0], lastSeq: lost.at(-1), isExact: true }),
      ]);
    }
  });

  test("a cut file without record index: the next segment and MANIFEST still bound what is missing", async () => {
    for (const name of [second, active]) {
      const { path, lines } = await build();
      rmSync(join(path, `${name}.idx`));
      truncateSync(join(path, `${name}.log`), 256);
      const report = await salvaged(path);
      const lost = range(Number(name) + 2, name === second ? 19 : 24);
      expect(dataOf(report.lines)).toEqual(without(lines, ...lost));
      // A segment that never was is not named.
      const at = { file: join(path, `${name}.log`), offset: 256, end: 256, isExact: true };
      expect(report.missing).toEqual([expect.objectContaining({ ...at, firstSeq: lost[0], lastSeq: lost.at(-1) })]);
    }
  });

  test("blocks that the disk cannot read are passed over, and told", async () => {
    const log = await FileLog.open(newPath());
    for (let i = 0; i < 400; i++) log.appendSync(String(i).padEnd(96, "."));
    const lines = await linesOf(log);
    await log.close();
    const file = join(log.location, `${first}.log`);
    // Two pages; the records of 128 bytes lie in them without a rest.
    const machine = unreadable((path, from, to) => path === file && from < 16384 && to > 8192);
    const report = await salvaged(log.location, { machine });
    expect(dataOf(report.lines)).toEqual(without(lines, ...range(64, 127)));
    expect(report.missing).toEqual([
      expect.objectContaining({ file, offset: 8192, end: 16384, firstSeq: 64, lastSeq: 127, isExact: true }),
    ]);
    expect(report.missing[0]?.reason).toMatch(/could not read/);
  });

  test("zeros in place of what cannot be read are never taken for a record's zeros", async () => {
    const log = await FileLog.open(newPath());
    log.appendSync(Buffer.alloc(20_000));
    log.appendSync("behind");
    const lines = await linesOf(log);
    await log.close();
    const machine = unreadable((path, from, to) => path.endsWith(`${first}.log`) && from < 8192 && to > 4096);
    const report = await salvaged(log.location, { machine });
    expect(dataOf(report.lines)).toEqual(without(lines, 0));
    expect(report.missing).toEqual([expect.objectContaining({ offset: 0, end: 20_032, firstSeq: 0, lastSeq: 0 })]);
  });

  test("a segment that cannot be opened, or is none, is missing as a whole", async () => {
    const { path, lines } = await build();
    const file = join(path, `${second}.log`);
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "open", path: `${second}.log`, times: Infinity }, failWith("EACCES"));
    const refused = await salvaged(path, { machine });
    expect(dataOf(refused.lines)).toEqual(without(lines, ...range(10, 19)));
    expect(refused.missing).toEqual([
      expect.objectContaining({ file, offset: 0, end: 1280, firstSeq: 10, lastSeq: 19 }),
    ]);
    renameSync(file, `${path}-elsewhere`);
    symlinkSync(`${path}-elsewhere`, file);
    onTestFinished(() => rmSync(`${path}-elsewhere`));
    const link = await salvaged(path);
    expect(dataOf(link.lines)).toEqual(without(lines, ...range(10, 19)));
    expect(link.missing[0]?.reason).toMatch(/symbolic link/);
  });
});

describe("forged records", () => {
  /** The bytes of a record that says it is at `offset`. */
  function forge(offset: number, data: string): Buffer {
    const record = Buffer.alloc(32 + data.length);
    record.writeUInt32LE(data.length, 0);
    record.writeBigUInt64LE(BigInt(offset), 4);
    record.writeUInt32LE(crc32(data), 12);
    Buffer.from("f0f0f0f0f0f04f0f8f0f0f0f0f0f0f0f", "hex").copy(record, 16);
    record.write(data, 32);
    return record;
  }

  /** One record, one whose data is a forged record at the right place, and one more. */
  async function build(): Promise<{ path: string; file: string; outer: number; lines: string[] }> {
    const log = await FileLog.open(newPath());
    log.appendSync("before");
    const outer = 32 + 6;
    log.appendSync(Buffer.concat([forge(outer + 32, "forged"), Buffer.from("rest")]));
    log.appendSync("behind");
    const lines = await linesOf(log);
    await log.close();
    return { path: log.location, file: join(log.location, `${first}.log`), outer, lines };
  }

  test("in a whole record it is data, with and without a record index", async () => {
    const { path, lines, file } = await build();
    expect((await salvaged(path)).lines).toEqual(lines);
    rmSync(file.replace(".log", ".idx"));
    expect((await salvaged(path)).lines).toEqual(lines);
  });

  test("in a damaged record it is nothing, where the record index says where records are", async () => {
    const { path, file, outer, lines } = await build();
    flipBit(file, outer + 12);
    const report = await salvaged(path);
    expect(dataOf(report.lines)).toEqual(without(lines, 1));
    expect(report).toMatchObject({ resynchronised: 0, missing: [{ offset: outer, firstSeq: 1, lastSeq: 1 }] });
  });

  test("in a damaged record without a record index it is found, and marked", async () => {
    const { path, file, outer, lines } = await build();
    rmSync(file.replace(".log", ".idx"));
    flipBit(file, outer + 12);
    const report = await salvaged(path);
    expect(dataOf(report.lines)).toEqual([
      ...dataOf(lines.slice(0, 1)),
      ` f0f0f0f0-f0f0-4f0f-8f0f-0f0f0f0f0f0f ${Buffer.from("forged").toString("hex")}`,
      ...dataOf(lines.slice(2)),
    ]);
    const runs = accountOf(report).filter((line) => line["kind"] === "records");
    expect(runs.map((line) => [line["offset"], line["resynchronised"]])).toEqual([
      [0, false],
      [outer + 32, true],
      [outer + 32 + 38 + 4, true],
    ]);
    expect(report.missing.map(({ offset, end }) => [offset, end])).toEqual([
      [outer, outer + 32],
      [outer + 32 + 38, outer + 32 + 38 + 4],
    ]);
  });
});

describe("what is gone", () => {
  test("an empty log whose MANIFEST is damaged is a log, and nothing but MANIFEST is missing", async () => {
    const log = await FileLog.open(newPath());
    await log.close();
    flipBit(join(log.location, "MANIFEST"), 40);
    const report = await salvaged(log.location);
    expect(report).toMatchObject({ records: 0, missing: [{ file: join(log.location, "MANIFEST") }] });
  });

  test.each<[string, (manifest: string) => void]>([
    ["no MANIFEST", (manifest) => rmSync(manifest)],
    ["a MANIFEST with a flipped bit", (manifest) => flipBit(manifest, 40)],
    ["an empty MANIFEST", (manifest) => truncateSync(manifest, 0)],
    ["a directory in place of MANIFEST", (manifest) => (rmSync(manifest), mkdirSync(manifest))],
  ])("%s: every record is recovered, and record indexes are still believed", async (_name, spoil) => {
    const { path, lines } = await build();
    const manifest = join(path, "MANIFEST");
    spoil(manifest);
    const whole = await salvaged(path);
    expect(whole.lines).toEqual(lines);
    expect(whole).toMatchObject({ ok: false, seqsKept: true, missing: [{ file: manifest, offset: 0 }] });
    flipBit(join(path, `${second}.log`), 3 * bytesEach + 50);
    const report = await salvaged(path);
    expect(dataOf(report.lines)).toEqual(without(lines, 13));
    expect(report.resynchronised).toBe(0);
    expect(report.missing[1]).toMatchObject({ firstSeq: 13, lastSeq: 13, isExact: true });
  });

  test("a MANIFEST that cannot be read", async () => {
    const { path, lines } = await build();
    const report = await salvaged(path, { machine: unreadable((file) => file.endsWith("MANIFEST")) });
    expect(report.lines).toEqual(lines);
    expect(report.ok).toBe(false);
  });

  test.each<[string, number[]]>([
    [first, range(0, 9)],
    [second, range(10, 19)],
    [active, range(20, 24)],
  ])("segment %s: its seqs are missing", async (name, lost) => {
    for (const end of ["closed", "crashed"] as const) {
      const { path, lines } = await build(end);
      rmSync(join(path, `${name}.log`));
      const report = await salvaged(path);
      expect(dataOf(report.lines)).toEqual(without(lines, ...lost));
      expect(report.missing).toEqual([
        expect.objectContaining({
          file: join(path, `${name}.log`),
          offset: 0,
          end: 0,
          firstSeq: lost[0],
          lastSeq: lost.at(-1),
          isExact: true,
        }),
      ]);
    }
  });

  test.each<[string, (index: string) => void]>([
    ["missing", (index) => rmSync(index)],
    ["empty", (index) => truncateSync(index, 0)],
    ["random bytes", (index) => writeFileSync(index, Buffer.alloc(400, 0xa5))],
    ["that of another segment", (index) => copyFileSync(index.replace(second, first), index)],
    ["a directory", (index) => (rmSync(index), mkdirSync(index))],
  ])("a record index that is %s costs no record", async (_name, spoil) => {
    const { path, lines } = await build();
    spoil(join(path, `${second}.idx`));
    const report = await salvaged(path);
    expect(report).toMatchObject({ ok: true, seqsKept: true });
    expect(report.lines).toEqual(lines);
  });

  test("a record index that cannot be read costs no record", async () => {
    const { path, lines } = await build();
    const report = await salvaged(path, { machine: unreadable((file) => file.endsWith(`${second}.idx`)) });
    expect(report.lines).toEqual(lines);
  });
});

describe("names that are not those of segments", () => {
  test("a segment under another name is known by its record index", async () => {
    for (const hasManifest of [true, false]) {
      const { path, lines } = await build();
      renameSync(join(path, `${second}.log`), join(path, "old events"));
      if (!hasManifest) rmSync(join(path, "MANIFEST"));
      const report = await salvaged(path);
      expect(report.lines).toEqual(lines);
      expect(report).toMatchObject({ ok: hasManifest, seqsKept: true });
      expect(report.notes).toContainEqual({
        file: join(path, "old events"),
        reason: `its record index shows that it is the segment ${second}.log`,
      });
    }
  });

  test("without a record index its records are taken where their times belong", async () => {
    const { path } = await build();
    renameSync(join(path, `${active}.log`), join(path, "old.log"));
    rmSync(join(path, `${active}.idx`));
    const report = await salvaged(path);
    expect(report.records).toBe(count);
    expect(report.notes).toContainEqual(expect.objectContaining({ file: join(path, "old.log") }));
    expect(accountOf(report)).toContainEqual(
      expect.objectContaining({ kind: "records", file: join(path, "old.log"), count: 5, resynchronised: false }),
    );
  });

  test("a copy of a segment is not salvaged twice, and other files are no records", async () => {
    const { path, lines } = await build();
    copyFileSync(join(path, `${second}.log`), join(path, "backup.log"));
    copyFileSync(join(path, `${active}.log`), join(path, "00000000000000000015.log"));
    writeFileSync(join(path, "README"), "not a log");
    writeFileSync(join(path, `${second}.log.128.torn`), "torn");
    const report = await salvaged(path);
    expect(report.lines).toEqual(lines);
    expect(report.notes.map(({ file }) => file)).toEqual(
      expect.arrayContaining([join(path, "backup.log"), join(path, "00000000000000000015.log")]),
    );
  });

  test.each<[string, (file: string) => void]>([
    ["whose first record is damaged", (file) => flipBit(file, 50)],
    ["whose first header is damaged", (file) => flipBit(file, 5)],
    ["whose first length leads far away", (file) => overwrite(file, 0, Buffer.from([0x80, 0x04]))],
    ["whose first records are gone", (file) => overwrite(file, 0, Buffer.alloc(4 * bytesEach))],
  ])("a copy of a segment %s is not salvaged twice, whichever of the two it is", async (_name, spoil) => {
    for (const name of [`${second}.log`, "backup.log"]) {
      const { path, lines } = await build();
      copyFileSync(join(path, `${second}.log`), join(path, "backup.log"));
      spoil(join(path, name));
      const report = await salvaged(path);
      const lost = report.missing.flatMap(({ firstSeq = 0, lastSeq = -1 }) => range(firstSeq, lastSeq));
      expect(dataOf(report.lines)).toEqual(without(lines, ...lost));
      expect(lost.length).toBeLessThanOrEqual(name === "backup.log" ? 0 : 4);
      const reason = expect.stringContaining(`the records of ${second}.log`) as string;
      expect(report.notes).toContainEqual({ file: join(path, "backup.log"), reason });
    }
  });

  test("data that holds a record of another segment makes no copy of it", async () => {
    const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
    for (let i = 0; i < 10; i++) log.appendSync(String(i).padEnd(96, "."));
    // In its place, as the data of the first record behind the roll.
    const other = readFileSync(join(log.location, `${first}.log`)).subarray(bytesEach, 2 * bytesEach);
    log.appendSync(Buffer.concat([Buffer.alloc(96), other]));
    for (let i = 0; i < 5; i++) log.appendSync(String(i).padEnd(96, "."));
    const lines = await linesOf(log);
    await log.close();
    expect((await salvaged(log.location)).lines).toEqual(lines);
    flipBit(join(log.location, `${second}.log`), 5);
    expect(dataOf((await salvaged(log.location)).lines)).toEqual(without(lines, 10));
  });

  test("names with numbers that no segment can have are no segments", async () => {
    for (const name of [
      "99999999999999999999.log",
      "00009007199254740990.log",
      `${first}.g9999999999999999999999.log`,
    ]) {
      const { path, lines } = await build();
      const alone = newPath(name);
      copyFileSync(join(path, `${second}.log`), alone);
      expect(dataOf((await salvaged(alone)).lines)).toEqual(dataOf(lines.slice(10, 20)));
      rmSync(alone);
      const other = await build();
      copyFileSync(join(other.path, `${second}.log`), join(path, name));
      const report = await salvaged(path);
      expect(report.records).toBe(count + 10);
      expect(report.notes).toEqual([expect.objectContaining({ file: join(path, name) })]);
      rmSync(join(path, "MANIFEST"));
      expect((await salvaged(path)).records).toBe(count + 10);
    }
  });

  test("segments of another generation are passed over and told; by themselves they are salvaged", async () => {
    const log = await FileLog.open(newPath());
    await log.append("old");
    const old = readFileSync(join(log.location, `${first}.log`)).subarray(0, 35);
    await log.reset();
    await log.append("new");
    const lines = await linesOf(log);
    await log.close();
    const stale = join(log.location, `${first}.log`);
    writeFileSync(stale, old);
    for (const hasManifest of [true, false]) {
      if (!hasManifest) rmSync(join(log.location, "MANIFEST"));
      const report = await salvaged(log.location);
      expect(report.lines).toEqual(lines);
      expect(report.notes).toEqual([expect.objectContaining({ file: stale })]);
    }
    expect(await salvaged(stale)).toMatchObject({ ok: true, records: 1 });
  });
});

describe("the end of a log that was not closed", () => {
  test("a torn tail is not missing: it was never acknowledged", async () => {
    const { path, lines } = await build("crashed");
    const file = join(path, `${active}.log`);
    overwrite(file, 5 * bytesEach, Buffer.from("torn"));
    const report = await salvaged(path);
    expect(report).toMatchObject({ ok: true, tornBytes: 4 });
    expect(report.lines).toEqual(lines);
    expect(report.notes).toEqual([expect.objectContaining({ file })]);
  });

  describe("acknowledged records that are zeros now are missing", () => {
    const zeros = Buffer.alloc(3 * bytesEach);

    test.each([true, false])("in a directory, with MANIFEST: %s", async (hasManifest) => {
      const { path, lines } = await build("crashed");
      const file = join(path, `${active}.log`);
      overwrite(file, 2 * bytesEach, zeros);
      if (!hasManifest) rmSync(join(path, "MANIFEST"));
      const report = await salvaged(path);
      expect(report.lines).toEqual(lines.slice(0, 22));
      expect(report.missing.at(-1)).toMatchObject({
        file,
        offset: 2 * bytesEach,
        // The header of the last one is gone, and with it how long it was.
        end: 4 * bytesEach + 32,
        firstSeq: 22,
        lastSeq: 24,
        isExact: true,
      });
      expect(report.missing).toHaveLength(hasManifest ? 1 : 2);
    });

    test("of the last one its data alone", async () => {
      const { path } = await build("crashed");
      const file = join(path, `${active}.log`);
      overwrite(file, 4 * bytesEach + 32, Buffer.alloc(96));
      const report = await salvaged(path);
      expect(report).toMatchObject({ tornBytes: 0, missingRanges: 1 });
      expect(report.missing[0]).toMatchObject({
        offset: 4 * bytesEach,
        end: 5 * bytesEach,
        firstSeq: 24,
        lastSeq: 24,
        isExact: true,
      });
    });

    test("in a single file", async () => {
      const { LogWriter } = await import("../segment/log-writer.ts");
      const { RecordIndex } = await import("../segment/record-index.ts");
      const path = newPath("a.log");
      const index = await RecordIndex.open(path.replace(".log", ".idx"));
      const writer = await LogWriter.open(path, index);
      for (let i = 0; i < 10; i++) await writer.append(String(i).padEnd(96, "."));
      await writer.close();
      await index.close();
      overwrite(path, 7 * bytesEach, zeros);
      expect(await salvaged(path)).toMatchObject({
        ok: false,
        records: 7,
        missing: [{ file: path, offset: 7 * bytesEach, firstSeq: 7, lastSeq: 9, isExact: true }],
      });
    });
  });

  test("a torn tail behind more ranges than are held at once is counted once, as torn", async () => {
    const log = await FileLog.open(newPath(), { durability: "os" });
    const records = 65_535;
    log.appendBatchSync(Array.from({ length: records }, () => ""));
    const path = crashCopy(log.location);
    await log.close();
    const file = join(path, `${first}.log`);
    const bytes = readFileSync(file);
    for (let seq = 1; seq < records; seq += 2) bytes[seq * 32 + 20] = (bytes[seq * 32 + 20] as number) ^ 1;
    writeFileSync(file, bytes);
    overwrite(file, records * 32, Buffer.from("torn"));
    const report = await salvaged(path);
    expect(report).toMatchObject({ records: 32_768, missingRanges: 32_767, missingBytes: 32_767 * 32, tornBytes: 4 });
    const ranges = accountOf(report).filter((line) => line["kind"] === "missing");
    expect(ranges.every(({ firstSeq, lastSeq, isExact }) => isExact === true && firstSeq === lastSeq)).toBe(true);
    expect(ranges.at(-1)).toMatchObject({ offset: 65_533 * 32, end: 65_534 * 32 });
  });

  test("damage goes on being told exactly where what is held is written down", async () => {
    const log = await FileLog.open(newPath(), { durability: "os" });
    const records = 65_600;
    log.appendBatchSync(Array.from({ length: records }, () => ""));
    await log.close();
    const file = join(log.location, `${first}.log`);
    const bytes = readFileSync(file);
    for (let seq = 1; seq < records; seq += 2) bytes[seq * 32 + 20] = (bytes[seq * 32 + 20] as number) ^ 1;
    writeFileSync(file, bytes);
    const ranges = accountOf(await salvaged(log.location)).filter((line) => line["kind"] === "missing");
    const seqs = ranges.map(({ firstSeq, lastSeq, isExact }) => [firstSeq, lastSeq, isExact]);
    expect(seqs).toEqual(Array.from({ length: records / 2 }, (_, i) => [2 * i + 1, 2 * i + 1, true]));
  });

  test("without a record index nobody can tell it from damage", async () => {
    const { path } = await build("crashed");
    const file = join(path, `${active}.log`);
    overwrite(file, 5 * bytesEach, Buffer.from("torn"));
    rmSync(join(path, `${active}.idx`));
    const report = await salvaged(path);
    expect(report).toMatchObject({
      ok: false,
      tornBytes: 0,
      missing: [{ file, offset: 5 * bytesEach, end: 5 * bytesEach + 4, firstSeq: 25, isExact: false }],
    });
  });

  test("records past the mark are recovered", async () => {
    const { path, lines } = await build("crashed");
    truncateSync(join(path, `${active}.idx`), 2 * 16);
    expect((await salvaged(path)).lines).toEqual(lines);
  });

  test("records that only the redo copy of an interrupted recovery holds are recovered", async () => {
    const { path, lines } = await build("crashed");
    truncateSync(join(path, `${active}.idx`), 2 * 16);
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "truncate", path: `${active}.log`, skip: 1 }, failWith("EIO"));
    await expect(FileLog.open(path, { machine })).rejects.toMatchObject({ code: "SEQLOG_IO" });
    const tail = join(path, `${active}.log.tail`);
    truncateSync(join(path, `${active}.log`), 2 * bytesEach);
    expect((await salvaged(path)).lines).toEqual(lines);
    // Its trailer gone, and one of its records damaged.
    truncateSync(tail, 3 * bytesEach);
    flipBit(tail, bytesEach + 50);
    const report = await salvaged(path);
    expect(dataOf(report.lines)).toEqual(without(lines, 23));
    // Cut off inside its first header it is of no use.
    truncateSync(tail, 20);
    expect(dataOf((await salvaged(path)).lines)).toEqual(without(lines, 22, 23, 24));
  });
});

describe("a single file", () => {
  function seedFile(): string {
    const path = newPath("go-500.log");
    writeFileSync(path, readFileSync(new URL("../../test/vectors/go-500.log", import.meta.url)));
    return path;
  }

  test("from the seed, without a record index", async () => {
    const path = seedFile();
    expect(await salvaged(path)).toMatchObject({ ok: true, records: 500, seqsKept: true, resynchronised: 0 });
    // The first record is empty; this is the own offset of the second.
    flipBit(path, 32 + 5);
    const report = await salvaged(path);
    expect(report).toMatchObject({ ok: false, records: 499, resynchronised: 498, missingRanges: 1 });
    expect(report.missing[0]).toMatchObject({ file: path, offset: 32, firstSeq: 1, isExact: false });
  });

  test("a torn tail without a record index is missing, for all that is known", async () => {
    const path = seedFile();
    const { size } = statSync(path);
    appendFileSync(path, "torn");
    expect(await salvaged(path)).toMatchObject({ ok: false, records: 500, missing: [{ offset: size, end: size + 4 }] });
  });

  test("the record index of another file is not used", async () => {
    const path = seedFile();
    const log = newPath("other.log");
    const { LogWriter } = await import("../segment/log-writer.ts");
    const { RecordIndex } = await import("../segment/record-index.ts");
    const index = await RecordIndex.open(path.replace(".log", ".idx"));
    const writer = await LogWriter.open(log, index);
    for (let i = 0; i < 30; i++) await writer.append("another log");
    await writer.close();
    await index.close();
    const report = await salvaged(path);
    expect(report).toMatchObject({ ok: true, records: 500 });
    expect(report.notes).toEqual([expect.objectContaining({ file: path.replace(".log", ".idx") })]);
  });

  test("that holds no record at all is missing as a whole", async () => {
    const path = newPath("a.log");
    writeFileSync(path, Buffer.alloc(10_000, 0x55));
    expect(await salvaged(path)).toMatchObject({ records: 0, missing: [{ offset: 0, end: 10_000 }] });
  });

  test("one segment of a log, beside its MANIFEST, is read with its record index", async () => {
    const { path, lines } = await build();
    const file = join(path, `${second}.log`);
    flipBit(file, 3 * bytesEach + 50);
    const report = await salvaged(file);
    expect(dataOf(report.lines)).toEqual(dataOf(lines.slice(10, 20).filter((_, i) => i !== 3)));
    expect(report).toMatchObject({ firstSeq: 10, resynchronised: 0, missing: [{ firstSeq: 13, lastSeq: 13 }] });
  });
});

describe("the way it works", () => {
  test("a record longer than a chunk is copied in pieces; no read is longer than a chunk, whatever a length says", async () => {
    const log = await FileLog.open(newPath());
    const long = Buffer.alloc(5 * 1024 * 1024 + 3, "long");
    log.appendSync("a");
    log.appendSync(long);
    log.appendSync(long);
    log.appendSync("b");
    const lines = await linesOf(log);
    await log.close();
    const file = join(log.location, `${first}.log`);
    let longest = 0;
    const machine = unreadable((_path, from, to) => ((longest = Math.max(longest, to - from)), false));
    expect((await salvaged(log.location, { machine })).lines).toEqual(lines);
    flipBit(file, 33 + 32 + 1_000_000);
    expect(dataOf((await salvaged(log.location, { machine })).lines)).toEqual(without(lines, 1));
    rmSync(file.replace(".log", ".idx"));
    overwrite(file, 33, Buffer.from([0, 0, 0, 0x40]));
    const report = await salvaged(log.location, { machine });
    expect(dataOf(report.lines)).toEqual(without(lines, 1));
    expect(report.missing).toEqual([expect.objectContaining({ offset: 33, end: 33 + 32 + long.length })]);
    expect(longest).toBeLessThanOrEqual(1024 * 1024);
  });

  test("many segments: the output rolls by itself and is in order", async () => {
    const { path, lines } = await build();
    const again = await salvaged(path);
    rmSync(join(again.out, "salvage.ndjson"));
    // A salvage of what was salvaged, and appended to.
    const report = await salvaged(again.out);
    expect(report.lines.slice(0, count)).toEqual(lines);
    expect(report.records).toBe(count + 1);
  });

  test("progress goes up to the end, and a signal ends it without making a log", async () => {
    const { path } = await build();
    const told: number[] = [];
    await salvaged(path, { onProgress: ({ bytes, totalBytes }) => told.push(bytes / totalBytes) });
    expect(told.at(-1)).toBe(1);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    const reason = new Error("enough");
    const out = newPath("out");
    const stop = new AbortController();
    const stopped = salvage(path, { out, signal: stop.signal, onProgress: () => stop.abort(reason) });
    await expect(stopped).rejects.toBe(reason);
    await expect(FileLog.open(out, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
  });

  test("a signal is heard while thousands of headers in damaged data are looked at", async () => {
    const path = newPath("a.log");
    const bytes = Buffer.alloc(1024 * 1024);
    for (let at = 0; at + 32 <= bytes.length; at += 32) {
      bytes.writeUInt32LE(bytes.length - at - 32, at);
      bytes.writeBigUInt64LE(BigInt(at), at + 4);
      bytes.writeUInt32LE(1, at + 12);
      bytes.set([0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1], at + 22);
    }
    writeFileSync(path, bytes);
    const reason = new Error("enough");
    const stop = new AbortController();
    let reads = 0;
    const machine = unreadable((file) => {
      if (file === path && ++reads === 100) stop.abort(reason);
      return false;
    });
    const stopped = salvage(path, { out: newPath("out"), signal: stop.signal, machine });
    await expect(stopped).rejects.toBe(reason);
    expect(reads).toBeLessThan(105);
    expect(await salvaged(path)).toMatchObject({ records: 0, missing: [{ offset: 0, end: bytes.length }] });
  });

  test("a full disk ends it without making a log", async () => {
    const { path } = await build();
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC"));
    const out = newPath("out");
    await expect(salvage(path, { out, machine })).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
    expect(readdirSync(out)).not.toContain("MANIFEST");
  });

  test("everything is synced before MANIFEST names it a log", async () => {
    const { path } = await build();
    const { machine, storage } = withFaults(nodeMachine);
    const out = newPath("out");
    await salvage(path, { out, machine });
    // Files with bytes, and the directory with names, that are not synced yet.
    const unsynced = new Set<string>();
    let renames = 0;
    for (const { kind, path: at } of storage.operations.entries) {
      if (!at.startsWith(out)) continue;
      if (kind === "write") unsynced.add(at);
      if (kind === "open" && !at.endsWith(".tmp")) unsynced.add(out);
      if (kind === "fsync" || kind === "fsyncDirectory") unsynced.delete(at);
      if (kind === "rename") {
        renames++;
        expect([...unsynced]).toEqual([]);
      }
    }
    expect(renames).toBe(1);
  });
});

describe("from where and to where", () => {
  test("an output that is not empty, or no directory, is refused, and left as it is", async () => {
    const { path } = await build();
    const out = scratchDirectory();
    writeFileSync(join(out, "mine"), "mine");
    const refused = { code: "SEQLOG_IO", facts: { path: out, errno: "EEXIST" } };
    await expect(salvage(path, { out })).rejects.toMatchObject(refused);
    await expect(salvage(path, { out: join(out, "mine") })).rejects.toMatchObject({ facts: { errno: "EEXIST" } });
    expect(readdirSync(out)).toEqual(["mine"]);
  });

  test("an output that is the input, or lies inside it, is refused, also behind a link", async () => {
    const { path } = await build();
    const before = treeOf(path);
    const link = newPath("link");
    symlinkSync(path, link);
    for (const out of [
      path,
      join(path, "out"),
      join(path, "a", "b"),
      link,
      join(link, "out"),
      join(path, "..", "log"),
    ]) {
      await expect(salvage(path, { out })).rejects.toBeInstanceOf(TypeError);
    }
    await expect(salvage(path, { out: "" })).rejects.toBeInstanceOf(TypeError);
    expect(treeOf(path)).toEqual(before);
  });

  test("an output inside the input is refused also where a link leads there", async () => {
    const { path } = await build();
    mkdirSync(join(path, "consumers", "deep"), { recursive: true });
    const before = treeOf(path);
    const link = newPath("link");
    symlinkSync(join(path, "consumers", "deep"), link);
    for (const out of [link, join(link, "new"), join(link, "new", "newer")]) {
      await expect(salvage(path, { out })).rejects.toBeInstanceOf(TypeError);
    }
    expect(treeOf(path)).toEqual(before);
    expect(readdirSync(join(path, "consumers", "deep"))).toEqual([]);
    // The other way round a link out of the input is none of it.
    symlinkSync(dirname(link), join(path, "consumers", "outside"));
    const elsewhere = newPath("elsewhere");
    const out = join(path, "consumers", "outside", basename(elsewhere));
    await expect(salvage(path, { out })).rejects.toBeInstanceOf(TypeError);
  });

  test("an empty directory beside the input will do, and a link to the input is followed", async () => {
    const { path } = await build();
    const link = newPath("link");
    symlinkSync(path, link);
    const out = `${path}-salvaged`;
    mkdirSync(out);
    onTestFinished(() => rmSync(out, { recursive: true }));
    expect(await salvage(link, { out })).toMatchObject({ ok: true, records: count });
  });

  test("where there is no log it says so, and makes nothing", async () => {
    const path = newPath();
    const out = newPath("out");
    await expect(salvage(path, { out })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
    mkdirSync(path);
    await expect(salvage(path, { out })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
    expect(() => statSync(out)).toThrow(/ENOENT/);
  });
});
