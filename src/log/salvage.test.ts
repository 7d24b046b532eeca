import { readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { linesOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { flipBit, overwrite } from "../../test/errors/directory-bytes.ts";
import {
  accountOf,
  build,
  bytesEach,
  count,
  dataOf,
  names,
  range,
  salvaged,
  unreadable,
  without,
} from "../../test/salvage/salvaged.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

const [first, second, active] = names;

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
