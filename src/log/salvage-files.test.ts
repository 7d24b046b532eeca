import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { linesOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
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
import { FileLog } from "./file-log.ts";

const [first, second, active] = names;

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
