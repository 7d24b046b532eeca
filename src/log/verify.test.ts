import {
  appendFileSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { collect, linesOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { bytesOf, flipBit, overwrite } from "../../test/errors/directory-bytes.ts";
import { LogReader } from "../segment/log-reader.ts";
import { LogWriter } from "../segment/log-writer.ts";
import { RecordIndex } from "../segment/record-index.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";
import { logPath } from "./segment-files.ts";
import { verify } from "./verify.ts";

const bytesEach = 128;
const count = 25;

/** Where a log is, and where its records are. */
interface Place {
  readonly kind: "directory" | "file";
  readonly path: string;
  /** The file with record `seq`, and where it starts in it. */
  at(seq: number): { file: string; index: string; offset: number };
}

async function closedDirectory(): Promise<Place> {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
  for (let i = 0; i < count; i++) log.appendSync(String(i).padEnd(96, "."));
  await log.close();
  return directoryAt(log.location);
}

function directoryAt(path: string): Place {
  return {
    kind: "directory",
    path,
    at(seq) {
      const stem = join(path, String(Math.floor(seq / 10) * 10).padStart(20, "0"));
      return { file: `${stem}.log`, index: `${stem}.idx`, offset: (seq % 10) * bytesEach };
    },
  };
}

async function closedFile(): Promise<Place> {
  const path = newPath("a.log");
  const index = path.replace(".log", ".idx");
  const recordIndex = await RecordIndex.open(index);
  const writer = await LogWriter.open(path, recordIndex);
  for (let i = 0; i < count; i++) await writer.append(String(i).padEnd(96, "."));
  await writer.close();
  await recordIndex.close();
  return { kind: "file", path, at: (seq) => ({ file: path, index, offset: seq * bytesEach }) };
}

async function open({ kind, path }: Place): Promise<FileLog | LogReader> {
  return kind === "directory" ? FileLog.open(path, { readOnly: true }) : LogReader.open(path);
}

const places = [
  ["a directory log", closedDirectory],
  ["a single file", closedFile],
] as const;

describe.each(places)("%s", (_name, make) => {
  test("in order is ok, and is left as it is", async () => {
    const place = await make();
    const directory = place.kind === "directory" ? place.path : join(place.path, "..");
    const before = bytesOf(directory);
    expect(await verify(place.path)).toEqual({
      ok: true,
      records: count,
      bytes: count * bytesEach,
      segments: place.kind === "directory" ? 3 : 1,
      damage: [],
      damagedRanges: 0,
      tornBytes: 0,
    });
    expect(bytesOf(directory)).toEqual(before);
  });

  test.each(
    [
      ["length", 0],
      ["length", 3],
      ["own offset", 4],
      ["own offset", 11],
      ["CRC", 12],
      ["CRC", 15],
      ["UUID", 16],
      ["UUID's version", 22],
      ["UUID", 31],
      ["data", 32],
      ["data", bytesEach - 1],
    ].flatMap(([part, at]) => [0, 10, 12, 24].map((seq) => [part as string, at as number, seq] as const)),
  )(
    "a flipped bit in the %s (byte %d) of record %d is reported with file and offset, and read throws there",
    async (_part, at, seq) => {
      const place = await make();
      const { file, offset } = place.at(seq);
      for (const bit of [0, 6]) {
        flipBit(file, offset + at, bit);
        const report = await verify(place.path);
        expect(report).toMatchObject({ ok: false, records: count - 1, tornBytes: 0 });
        expect(report.damage).toEqual([expect.objectContaining({ file, offset, seq })]);
        const damaged = { code: "SEQLOG_DAMAGED", facts: { file, offset, seq } };
        const log: FileLog | LogReader | Error = await open(place).catch((error: Error) => error);
        if (log instanceof Error) {
          // Nothing but the record index says where a single file's durable records end: at this one.
          expect([place.kind, seq]).toEqual(["file", 24]);
          expect(log).toMatchObject(damaged);
        } else {
          const read: number[] = [];
          const reading = (async (): Promise<void> => {
            for await (const record of log.read()) read.push(record.seq);
          })();
          await expect(reading).rejects.toMatchObject(damaged);
          expect(read).toEqual(Array.from({ length: seq }, (_, i) => i));
          await expect(log.get(seq)).rejects.toMatchObject(damaged);
          await expect(collect(log.read({ reverse: true }))).rejects.toMatchObject(damaged);
          expect((await log.get((seq + 1) % count))?.seq).toBe((seq + 1) % count);
          await log.close();
        }
        flipBit(file, offset + at, bit);
      }
      expect((await verify(place.path)).ok).toBe(true);
    },
  );

  test("several damaged records are all reported, and the whole ones between are counted", async () => {
    const place = await make();
    for (const seq of [3, 4, 15, 24]) flipBit(place.at(seq).file, place.at(seq).offset + 50);
    const report = await verify(place.path);
    expect(report.records).toBe(count - 4);
    const at = (seq: number, records: number): object => {
      const { file, offset } = place.at(seq);
      const reason = "the CRC-32 of the data does not match";
      return { file, offset, end: offset + records * bytesEach, seq, records, reason };
    };
    // Those that touch are one range.
    expect(report.damage).toEqual([at(3, 2), at(15, 1), at(24, 1)]);
  });

  test("bits flipped anywhere in the record index change nothing that is read, and are reported", async () => {
    const place = await make();
    const before = await open(place);
    const lines = await linesOf(before);
    await before.close();
    const { index } = place.at(24);
    const size = statSync(index).size;
    for (let at = 0; at < size; at += 3) {
      flipBit(index, at, at % 8);
      const log = await open(place);
      expect(await linesOf(log)).toEqual(lines);
      for (const seq of [20, Math.min(20 + Math.floor(at / 16), 24)]) expect((await log.get(seq))?.seq).toBe(seq);
      await log.close();
      const report = await verify(place.path);
      expect(report.records).toBe(count);
      expect(report.damage).toEqual([expect.objectContaining({ file: index, offset: Math.floor(at / 16) * 16 })]);
      flipBit(index, at, at % 8);
    }
  });

  test("any bytes in place of a record never come back as a record that was not written", async () => {
    const place = await make();
    const log = await open(place);
    const lines = await linesOf(log);
    await log.close();
    const { file } = place.at(12);
    const right = readFileSync(file);
    await fc.assert(
      fc.asyncProperty(fc.nat(right.length - 1), fc.uint8Array({ minLength: 1, maxLength: 200 }), async (at, bytes) => {
        overwrite(file, at, bytes.subarray(0, right.length - at));
        const isSame = readFileSync(file).equals(right);
        const spoilt = await open(place).catch(() => undefined);
        const read: string[] = [];
        if (spoilt !== undefined) {
          try {
            for await (const { seq, id, bytes: data } of spoilt.read())
              read.push(`${seq} ${id} ${Buffer.from(data).toString("hex")}`);
          } catch {
            // Damage: what was read until then must be right all the same.
          }
          await spoilt.close();
        }
        expect(read).toEqual(lines.slice(0, read.length));
        expect((await verify(place.path)).ok).toBe(isSame);
        writeFileSync(file, right);
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  test("progress is told up to the end, and a signal ends it with its reason", async () => {
    const place = await make();
    const told: number[] = [];
    await verify(place.path, { onProgress: ({ bytes, totalBytes }) => told.push(bytes / totalBytes) });
    expect(told.at(-1)).toBe(1);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    const reason = new Error("enough");
    await expect(verify(place.path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test("an I/O error is thrown, not called damage", async () => {
    const place = await make();
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "read", path: place.at(12).file, times: Infinity }, failWith("EIO"));
    await expect(verify(place.path, { machine })).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { errno: "EIO" } });
  });
});

test("beside a writer everything that is durable is verified", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const stop = new AbortController();
  const writer = (async (): Promise<void> => {
    while (!stop.signal.aborted) await log.append("x".repeat(100));
  })();
  for (let i = 0; i < 20; i++) {
    const before = log.nextSeq;
    const report = await verify(log.location);
    expect(report.damage).toEqual([]);
    expect(report.records).toBeGreaterThanOrEqual(before);
  }
  stop.abort();
  await writer;
  await log.close();
});

test("a record that comes while verify looks is no damage", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  const { storage } = nodeMachine;
  const appending: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      const { statSync: stat } = file;
      file.statSync = () => {
        const found = stat.call(file);
        // Past the zeros ahead: the file is larger now than it was when it was looked at.
        if (path.endsWith(".log") && log.nextSeq < 6) log.appendSync("x".repeat(100_000));
        return found;
      };
      return file;
    },
  };
  expect(await verify(log.location, { machine: { ...nodeMachine, storage: appending } })).toMatchObject({
    ok: true,
    damage: [],
  });
  expect(log.nextSeq).toBeGreaterThan(1);
  await log.close();
});

test("a torn tail alone is no damage", async () => {
  const log = await FileLog.open(newPath());
  log.appendSync("0");
  const crashed = crashCopy(log.location);
  await log.close();
  overwrite(join(crashed, "00000000000000000000.log"), 33, Buffer.from("torn"));
  expect(await verify(crashed)).toMatchObject({ ok: true, records: 1, tornBytes: 4, damage: [] });
});

test("a torn tail of a single file is no damage either", async () => {
  const { path } = await closedFile();
  appendFileSync(path, "torn");
  expect(await verify(path)).toMatchObject({ ok: true, records: count, tornBytes: 4, damage: [] });
});

test("bytes past the window are damage", async () => {
  const log = await FileLog.open(newPath());
  log.appendSync("0");
  const crashed = crashCopy(log.location);
  await log.close();
  const file = join(crashed, "00000000000000000000.log");
  overwrite(file, 200_000, Buffer.from("x"));
  expect(await verify(crashed)).toMatchObject({ ok: false, damage: [{ file, offset: 33 }] });
});

test("a missing record index of a closed log is reported, since it detects nothing any more", async () => {
  const { path, at } = await closedDirectory();
  rmSync(at(12).index);
  const report = await verify(path);
  expect(report).toMatchObject({ ok: false, records: count });
  expect(report.damage).toEqual([expect.objectContaining({ file: at(12).file, offset: 0 })]);
});

test("a record index that is too short or too long is reported", async () => {
  const { path, at } = await closedDirectory();
  const { index } = at(12);
  truncateSync(index, 9 * 16);
  expect((await verify(path)).damage).toEqual([expect.objectContaining({ file: index })]);
  appendFileSync(index, Buffer.alloc(64));
  expect((await verify(path)).damage).toEqual([expect.objectContaining({ file: index })]);
});

test.each([
  ["without MANIFEST", (path: string) => rmSync(join(path, "MANIFEST")), "MANIFEST"],
  ["with a corrupt MANIFEST", (path: string) => flipBit(join(path, "MANIFEST"), 40), "MANIFEST"],
  ["with a gap", (path: string) => rmSync(join(path, "00000000000000000010.log")), "00000000000000000000.log"],
  [
    "without its first segment",
    (path: string) => rmSync(join(path, "00000000000000000000.log")),
    "00000000000000000000.log",
  ],
  [
    "whose last segment was cut",
    (path: string) => truncateSync(join(path, "00000000000000000020.log"), 300),
    "00000000000000000020.log",
  ],
])("a directory %s is damage in the report, not an exception", async (_name, spoil, file) => {
  const { path } = await closedDirectory();
  spoil(path);
  const report = await verify(path);
  expect(report.ok).toBe(false);
  expect(report.damage.map((damage) => damage.file)).toContain(join(path, file));
});

test.each([
  ["MANIFEST", (path: string) => rmSync(join(path, "MANIFEST")), "MANIFEST", count],
  ["a corrupt MANIFEST", (path: string) => flipBit(join(path, "MANIFEST"), 40), "MANIFEST", count],
  [
    "its first segment",
    (path: string) => rmSync(join(path, "00000000000000000000.log")),
    "00000000000000000000.log",
    15,
  ],
  [
    "a middle segment",
    (path: string) => rmSync(join(path, "00000000000000000010.log")),
    "00000000000000000000.log",
    15,
  ],
])("without %s all segments that are there are still read", async (_name, spoil, file, records) => {
  const { path, at } = await closedDirectory();
  flipBit(at(22).file, at(22).offset + 50);
  spoil(path);
  const report = await verify(path);
  expect(report).toMatchObject({ ok: false, records: records - 1 });
  expect(report.damage).toEqual([
    expect.objectContaining({ file: join(path, file) }),
    {
      file: at(22).file,
      offset: at(22).offset,
      end: at(23).offset,
      seq: 22,
      records: 1,
      reason: "the CRC-32 of the data does not match",
    },
  ]);
});

test("without MANIFEST and record index damage is not taken for a torn tail when records follow it", async () => {
  const { path, at } = await closedDirectory();
  rmSync(join(path, "MANIFEST"));
  rmSync(at(20).index);
  flipBit(at(22).file, at(22).offset + 50);
  const report = await verify(path);
  expect(report).toMatchObject({ ok: false, records: count - 1, tornBytes: 0 });
  expect(report.damage).toContainEqual(
    expect.objectContaining({ file: at(22).file, offset: at(22).offset, end: at(23).offset, seq: 22 }),
  );
});

test("a missing segment is told with the seqs that it held", async () => {
  const { path } = await closedDirectory();
  rmSync(join(path, "00000000000000000010.log"));
  expect((await verify(path)).damage).toEqual([
    expect.objectContaining({
      file: join(path, "00000000000000000000.log"),
      offset: 1280,
      end: 1280,
      seq: 10,
      records: 10,
    }),
  ]);
});

test("without a record index the end of a damaged range is where the next record names its own position", async () => {
  const { path, at } = await closedDirectory();
  rmSync(at(12).index);
  flipBit(at(12).file, at(12).offset + 50);
  flipBit(at(15).file, at(15).offset + 4);
  flipBit(at(19).file, at(19).offset);
  const report = await verify(path);
  expect(report.records).toBe(count - 3);
  const { file } = at(12);
  expect(report.damage).toEqual([
    expect.objectContaining({ file, offset: at(12).offset, end: at(13).offset, seq: 12 }),
    expect.objectContaining({ file, offset: at(15).offset, end: at(16).offset }),
    expect.objectContaining({ file, offset: at(19).offset, end: 1280 }),
    expect.objectContaining({
      file,
      offset: 0,
      end: 0,
      records: 0,
      reason: expect.stringMatching(/missing/) as unknown,
    }),
  ]);
});

test("a file without a record index is read to its end behind damage that no interrupted write explains", async () => {
  const path = newPath("a.log");
  const index = path.replace(".log", ".idx");
  const recordIndex = await RecordIndex.open(index);
  const writer = await LogWriter.open(path, recordIndex);
  const data = Buffer.alloc(1024 * 1024 - 32);
  for (let i = 0; i < 20; i++) await writer.append(data);
  await writer.close();
  await recordIndex.close();
  rmSync(index);
  flipBit(path, 1024 * 1024 + 5);
  const report = await verify(path);
  expect(report).toMatchObject({ ok: false, records: 19, tornBytes: 0 });
  expect(report.damage).toEqual([
    expect.objectContaining({ file: path, offset: 1024 * 1024, end: 2 * 1024 * 1024, seq: 1 }),
  ]);
});

test("a segment that is a link is damage, and the others are read", async () => {
  const { path, at } = await closedDirectory();
  const elsewhere = newPath("elsewhere");
  renameSync(at(12).file, elsewhere);
  symlinkSync(elsewhere, at(12).file);
  const report = await verify(path);
  expect(report).toMatchObject({ ok: false, records: count - 10 });
  expect(report.damage).toEqual([expect.objectContaining({ file: at(12).file, offset: 0 })]);
});

test("many segments are read at once, and told in the order of the log", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  for (let i = 0; i < 400; i++) log.appendSync(String(i).padEnd(96, "."));
  await log.close();
  const files = readdirSync(log.location).filter((name) => name.endsWith(".log"));
  expect(files.length).toBeGreaterThan(40);
  const { machine, most } = countingReads();
  for (const name of files) flipBit(join(log.location, name), 50);
  const report = await verify(log.location, { machine });
  expect(report.damage.map(({ file }) => file)).toEqual(files.sort().map((name) => join(log.location, name)));
  expect(most()).toBeGreaterThan(1);
  expect(most()).toBeLessThanOrEqual(4);
});

/** One segment of 25 records whose writer was killed: zeros lie ahead, and the record index proves all of them. */
async function killedDirectory(): Promise<string> {
  const log = await FileLog.open(newPath());
  for (let i = 0; i < count; i++) log.appendSync(String(i).padEnd(96, "."));
  const crashed = crashCopy(log.location);
  await log.close();
  return crashed;
}

describe("zeros in place of records that the record index proves are damage, not laid ahead", () => {
  const from = 22 * bytesEach;

  test("in a single file", async () => {
    const { path } = await closedFile();
    overwrite(path, from, Buffer.alloc(3 * bytesEach));
    const report = await verify(path);
    expect(report).toMatchObject({ ok: false, records: 22, tornBytes: 0 });
    expect(report.damage).toEqual([
      expect.objectContaining({ file: path, offset: from, end: count * bytesEach, seq: 22, records: 3 }),
    ]);
  });

  test.each([
    ["of a writer that was killed", (_path: string) => [] as string[]],
    ["without MANIFEST", (path: string) => (rmSync(join(path, "MANIFEST")), [join(path, "MANIFEST")])],
  ])("in a directory %s", async (_name, spoil) => {
    const path = await killedDirectory();
    const claims = spoil(path);
    const file = logPath(path, { base: 0, generation: 0 });
    overwrite(file, from, Buffer.alloc(3 * bytesEach));
    const { records, damage } = await verify(path);
    expect(records).toBe(22);
    // How long the last one was stood in its header alone.
    const range = { file, offset: from, end: 24 * bytesEach + 32, seq: 22, records: 3 };
    expect(damage).toEqual(
      [...claims.map((claim) => ({ file: claim })), range].map((at) => expect.objectContaining(at)),
    );
  });

  test("the header says how far they go where it is left", async () => {
    const path = await killedDirectory();
    const file = logPath(path, { base: 0, generation: 0 });
    overwrite(file, 24 * bytesEach + 32, Buffer.alloc(96));
    expect((await verify(path)).damage).toEqual([
      expect.objectContaining({ offset: 24 * bytesEach, end: count * bytesEach, seq: 24, records: 1 }),
    ]);
  });
});

test.each([
  ["", () => {}],
  [" without MANIFEST", (path: string) => rmSync(join(path, "MANIFEST"))],
])("however many segments there are, few files are open at once%s", async (_name, spoil) => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  for (let i = 0; i < 400; i++) log.appendSync(String(i).padEnd(96, "."));
  await log.close();
  spoil(log.location);
  const { machine, most, now } = countingFiles();
  expect(await verify(log.location, { machine })).toMatchObject({ records: 400, segments: 50 });
  expect(most()).toBeLessThanOrEqual(12);
  expect(now()).toBe(0);
});

/** The machine, and how many files it has open: now, and at most until now. */
function countingFiles(): { machine: Machine; most(): number; now(): number } {
  let now = 0;
  let most = 0;
  const { storage } = nodeMachine;
  const counting: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      most = Math.max(most, ++now);
      const close = file.closeSync.bind(file);
      file.closeSync = () => {
        now--;
        close();
      };
      return file;
    },
  };
  return { machine: { ...nodeMachine, storage: counting }, most: () => most, now: () => now };
}

test.each<[string, (log: FileLog, fifth: string) => unknown, (fifth: string) => object, number]>([
  [
    "segments that are trimmed while others are read are no damage",
    (log) => log.trim({ before: 90 }),
    () => ({ ok: true, damage: [] }),
    60,
  ],
  [
    "a segment that vanishes while others are read is damage",
    (_log, fifth) => rmSync(fifth),
    (file) => ({ ok: false, damage: [expect.objectContaining({ file, offset: 0, seq: 50 })] }),
    90,
  ],
])("%s", async (_name, meanwhile, expected, mostRecords) => {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
  for (let i = 0; i < 100; i++) log.appendSync(String(i).padEnd(96, "."));
  const active = logPath(log.location, { base: 90, generation: 0 });
  const fifth = logPath(log.location, { base: 50, generation: 0 });
  const { storage } = nodeMachine;
  let done: unknown;
  const waiting: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      const read = file.read.bind(file);
      file.read = async (target, position) => {
        // Sealed ones are read when verify has them before it, and has opened no more than it reads at once.
        if (path.endsWith(".log") && path !== active) await (done ??= meanwhile(log, fifth) ?? true);
        return await read(target, position);
      };
      return file;
    },
  };
  const report = await verify(log.location, { machine: { ...nodeMachine, storage: waiting } });
  expect(report).toMatchObject(expected(fifth));
  expect(report.records).toBeLessThanOrEqual(mostRecords);
  await log.close();
});

test("of very many damaged ranges the first 1,000 are told, in the order of the log, and how many there are", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 600 * bytesEach });
  for (let i = 0; i < 3000; i++) log.appendSync(String(i).padEnd(96, "."));
  await log.close();
  const names = readdirSync(log.location)
    .filter((name) => name.endsWith(".log"))
    .sort();
  for (const name of names) {
    const path = join(log.location, name);
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += 2 * bytesEach) bytes.writeUInt8(bytes.readUInt8(at + 50) ^ 1, at + 50);
    writeFileSync(path, bytes);
  }
  const index = join(log.location, names[0]?.replace(".log", ".idx") ?? "");
  const entries = readFileSync(index);
  for (let at = 16; at < entries.length; at += 32) entries.writeUInt8(entries.readUInt8(at) ^ 1, at);
  writeFileSync(index, entries);
  const report = await verify(log.location);
  expect(report).toMatchObject({ ok: false, records: 1500, damagedRanges: 1800 });
  expect(report.damage).toHaveLength(1000);
  const told = report.damage.filter(({ file }) => file.endsWith(".log"));
  expect(told.map(({ seq }) => seq)).toEqual(Array.from({ length: 700 }, (_, i) => 2 * i));
});

test("a file whose generation is no number that can be told from its neighbours is none of the log's", async () => {
  const { path } = await closedDirectory();
  rmSync(join(path, "MANIFEST"));
  const before = await verify(path);
  writeFileSync(join(path, `${"0".repeat(20)}.g9999999999999999999999.log`), "x");
  expect(await verify(path)).toEqual(before);
});

/** The machine, and how many reads of segments there were at the same time. */
function countingReads(): { machine: Machine; most(): number } {
  let now = 0;
  let most = 0;
  const { storage } = nodeMachine;
  const counting: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      if (!path.endsWith(".log")) return file;
      const read = file.read.bind(file);
      file.read = async (target, position) => {
        most = Math.max(most, ++now);
        try {
          return await read(target, position);
        } finally {
          now--;
        }
      };
      return file;
    },
  };
  return { machine: { ...nodeMachine, storage: counting }, most: () => most };
}

test("where there is no log verify says so", async () => {
  const path = newPath();
  await expect(verify(path)).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND", facts: { path } });
  const { path: log } = await closedDirectory();
  expect(await verify(pathToFileURL(log))).toMatchObject({ ok: true });
  await expect(verify("http://localhost/log")).rejects.toBeInstanceOf(TypeError);
});

test("a file that the seed wrote is verified without a record index", async () => {
  const path = newPath("go-500.log");
  writeFileSync(path, readFileSync(new URL("../../test/vectors/go-500.log", import.meta.url)));
  expect(await verify(path)).toMatchObject({ ok: true, records: 500, tornBytes: 0 });
});
