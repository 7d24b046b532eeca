import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { linesOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath, scratchDirectory } from "../../test/crash/scratch-directory.ts";
import { bytesOf, flipBit, overwrite } from "../../test/errors/directory-bytes.ts";
import { LogReader } from "../segment/log-reader.ts";
import { LogWriter } from "../segment/log-writer.ts";
import { RecordIndex } from "../segment/record-index.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Storage } from "../storage/storage.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";
import { repair } from "./repair.ts";
import { verify } from "./verify.ts";

const bytesEach = 128;
const count = 25;
const first = "00000000000000000000";
const second = "00000000000000000010";
const active = "00000000000000000020";

interface Fixture {
  readonly path: string;
  readonly lines: readonly string[];
}

async function build(end: "closed" | "crashed", ids: "v7" | "v4" = "v7"): Promise<Fixture> {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach, ids });
  for (let i = 0; i < count; i++) log.appendSync(String(i).padEnd(96, "."));
  const lines = await linesOf(log);
  const crashed = crashCopy(log.location);
  await log.close();
  return { path: end === "closed" ? log.location : crashed, lines };
}

/** The report of a dry run; checks that it changed no byte, and that repair then does the same. */
async function repairTwice({ path }: Fixture): Promise<Awaited<ReturnType<typeof repair>>> {
  const before = everythingIn(path);
  const dry = await repair(path, { dryRun: true });
  expect(everythingIn(path)).toEqual(before);
  const done = await repair(path);
  expect(done).toEqual(dry);
  // What was said is what was done: a file that is named has changed, and no other.
  const after = everythingIn(path);
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  names.delete("LOCK");
  const changed = [...names].filter((name) => before[name]?.bytes !== after[name]?.bytes);
  const told = new Set(done.changes.map(({ file }) => basename(file)));
  for (const name of told) if (!isRewritten(done, name)) expect(changed).toContain(name);
  const follows = (name: string): boolean =>
    name === "MANIFEST" || told.has(name.replace(/idx$/, "log")) || told.has(`${name.replace(/idx$/, "log")}.tail`);
  for (const name of changed) if (!follows(name)) expect([...told]).toContain(name);
  expect((await repair(path)).changes).toEqual([]);
  return done;
}

/** Every name with its bytes and the time of its last change, LOCK included. */
function everythingIn(path: string): Record<string, { bytes: string; changedMs: number }> {
  const names = readdirSync(path).sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      // Zeros laid ahead are bytes of nothing.
      {
        bytes: readFileSync(join(path, name), "latin1").replace(/\0+$/, ""),
        changedMs: statSync(join(path, name)).mtimeMs,
      },
    ]),
  );
}

/** Made durable again with the same bytes in the same place. */
function isRewritten({ changes }: Awaited<ReturnType<typeof repair>>, name: string): boolean {
  const own = changes.filter(({ file }) => basename(file) === name);
  return own.every(({ action }) => action.startsWith("make ") && action.endsWith("durable again"));
}

async function holdsAll({ path, lines }: Fixture): Promise<void> {
  expect(await verify(path)).toMatchObject({ ok: true, records: lines.length, tornBytes: 0 });
  const log = await FileLog.open(path);
  expect(await linesOf(log)).toEqual(lines);
  expect(await log.append("next")).toMatchObject({ seq: lines.length });
  await log.close();
}

async function isUnmendable(path: string, damage: object): Promise<void> {
  const before = bytesOf(path);
  const report = { changes: [], damage: [expect.objectContaining(damage)], tornBytes: 0 };
  expect(await repair(path, { dryRun: true })).toEqual(report);
  expect(await repair(path)).toEqual(report);
  expect(bytesOf(path)).toEqual(before);
}

describe("a directory", () => {
  test("in order needs nothing, and is not touched", async () => {
    const fixture = await build("closed");
    const before = bytesOf(fixture.path);
    expect(await repairTwice(fixture)).toEqual({ changes: [], damage: [], tornBytes: 0 });
    expect(bytesOf(fixture.path)).toEqual(before);
  });

  test.each<[string, (path: string) => void, (string | RegExp)[]]>([
    [
      "a torn tail is set aside and cut off",
      (path) => overwrite(join(path, `${active}.log`), 5 * bytesEach, Buffer.from("torn")),
      [`${active}.log.640.torn`, `${active}.log`],
    ],
    [
      "records past the mark are made durable",
      (path) => truncateSync(join(path, `${active}.idx`), 3 * 16),
      [`${active}.log`],
    ],
    [
      "a record index is made anew",
      (path) => (rmSync(join(path, `${first}.idx`)), flipBit(join(path, `${second}.idx`), 9 * 16)),
      [`${first}.idx`, `${second}.idx`],
    ],
    [
      "what interrupted steps left is removed",
      (path) => {
        writeFileSync(join(path, "MANIFEST.tmp"), "left");
        writeFileSync(join(path, `${first}.g1.log`), "");
      },
      ["MANIFEST.tmp", `${first}.g1.log`],
    ],
    [
      "a record index of the last segment is made",
      (path) => rmSync(join(path, `${active}.idx`)),
      [`${active}.log`, `${active}.idx`],
    ],
    [
      "entries that nothing belongs to are cut off",
      (path) => appendFileSync(join(path, `${active}.idx`), Buffer.alloc(48, 0x5a)),
      [`${active}.idx`],
    ],
    ["zeros at the end are nothing", (path) => appendFileSync(join(path, `${active}.log`), Buffer.alloc(5000)), []],
    [
      "several at once",
      (path) => {
        overwrite(join(path, `${active}.log`), 5 * bytesEach, Buffer.from("torn"));
        truncateSync(join(path, `${active}.idx`), 3 * 16);
        truncateSync(join(path, `${second}.idx`), 7);
        writeFileSync(join(path, `${active}.log.640.torn.tmp`), "left");
      },
      [`${active}.log.640.torn.tmp`, `${second}.idx`, `${active}.log.640.torn`, `${active}.log`, `${active}.log`],
    ],
  ])("%s: the dry run says what repair then does, and no record is lost", async (_name, spoil, files) => {
    const fixture = await build("crashed");
    spoil(fixture.path);
    const { changes, damage } = await repairTwice(fixture);
    expect(damage).toEqual([]);
    expect(changes.map(({ file }) => file)).toEqual(files.map((name) => join(fixture.path, String(name))));
    await holdsAll(fixture);
  });

  test("a torn tail is reported with its bytes", async () => {
    const fixture = await build("crashed");
    overwrite(join(fixture.path, `${active}.log`), 5 * bytesEach, Buffer.from("torn"));
    const { tornBytes, changes } = await repairTwice(fixture);
    expect(tornBytes).toBe(4);
    expect(changes[0]).toEqual({
      file: join(fixture.path, `${active}.log.640.torn`),
      action: "set the torn tail aside",
      bytes: 4,
    });
    expect(readFileSync(join(fixture.path, `${active}.log.640.torn`), "utf8")).toBe("torn");
  });

  test.each(["closed", "crashed"] as const)(
    "a lost MANIFEST of a %s log is made anew, and every record is read back",
    async (end) => {
      const fixture = await build(end);
      rmSync(join(fixture.path, "MANIFEST"));
      const { changes } = await repairTwice(fixture);
      expect(changes).toContainEqual({
        file: join(fixture.path, "MANIFEST"),
        action: "make a new MANIFEST: generation 0, first record 0",
      });
      await holdsAll(fixture);
    },
  );

  test.each([
    ["a flipped bit", (manifest: string) => flipBit(manifest, 30)],
    ["nothing in it", (manifest: string) => truncateSync(manifest, 0)],
    ["other bytes", (manifest: string) => writeFileSync(manifest, Buffer.alloc(500, 0xa5))],
  ])("a corrupt MANIFEST (%s) is kept under another name and made anew", async (_name, spoil) => {
    const fixture = await build("closed");
    const manifest = join(fixture.path, "MANIFEST");
    spoil(manifest);
    const corrupt = readFileSync(manifest);
    const { changes } = await repairTwice(fixture);
    expect(changes.map(({ file }) => file)).toEqual(expect.arrayContaining([`${manifest}.damaged`, manifest]));
    expect(readFileSync(`${manifest}.damaged`)).toEqual(corrupt);
    await holdsAll(fixture);
  });

  test("a MANIFEST that is damaged a second time does not overwrite what was kept the first time", async () => {
    const fixture = await build("closed");
    const manifest = join(fixture.path, "MANIFEST");
    writeFileSync(manifest, "one");
    await repair(fixture.path);
    writeFileSync(manifest, "other");
    await repair(fixture.path);
    const kept = Object.keys(bytesOf(fixture.path)).filter((name) => name.startsWith("MANIFEST.damaged"));
    expect(kept.map((name) => readFileSync(join(fixture.path, name), "utf8")).sort()).toEqual(["one", "other"]);
  });

  test("a new MANIFEST goes by the segments: their generation, first record and kind of ids", async () => {
    const fixture = await build("closed", "v4");
    for (const stem of [first, second]) {
      for (const kind of ["log", "idx"]) rmSync(join(fixture.path, `${stem}.${kind}`));
    }
    for (const kind of ["log", "idx"]) {
      renameSync(join(fixture.path, `${active}.${kind}`), join(fixture.path, `${active}.g3.${kind}`));
    }
    rmSync(join(fixture.path, "MANIFEST"));
    await repairTwice(fixture);
    const log = await FileLog.open(fixture.path);
    expect(log).toMatchObject({ generation: 3, firstSeq: 20, nextSeq: count });
    expect(log.supports.findById).toBe(false);
    expect(await linesOf(log)).toEqual(fixture.lines.slice(20));
    await log.close();
  });

  test("a lost MANIFEST with segments of two generations cannot be made anew: only it knew which counts", async () => {
    const { path } = await build("closed");
    copyFileSync(join(path, `${first}.log`), join(path, `${first}.g1.log`));
    rmSync(join(path, "MANIFEST"));
    await isUnmendable(path, { file: join(path, "MANIFEST") });
  });

  test("a MANIFEST of a newer format is left alone", async () => {
    const { path } = await build("closed");
    // Written by a seqlog of the future: a right checksum over another format version.
    const text = '{"format":2}';
    const { crc32 } = await import("node:zlib");
    const check = crc32(Buffer.from(text)).toString(16).padStart(8, "0");
    writeFileSync(join(path, "MANIFEST"), `${text}\n${check}\n`);
    const before = bytesOf(path);
    await expect(repair(path)).rejects.toMatchObject({ code: "SEQLOG_UNSUPPORTED" });
    expect(bytesOf(path)).toEqual(before);
  });

  test.each<[string, (path: string) => void, string]>([
    ["a gap", (path) => rmSync(join(path, `${second}.log`)), `${first}.log`],
    ["a missing first segment", (path) => rmSync(join(path, `${first}.log`)), `${first}.log`],
    [
      "an overlap",
      (path) => copyFileSync(join(path, `${active}.log`), join(path, "00000000000000000015.log")),
      `${second}.log`,
    ],
    [
      "an invalid last record of a sealed segment",
      (path) => flipBit(join(path, `${second}.log`), 9 * bytesEach + 50),
      `${second}.log`,
    ],
    ["a cut last segment", (path) => truncateSync(join(path, `${active}.log`), 300), `${active}.log`],
    ["a wrong last record", (path) => flipBit(join(path, `${active}.log`), 4 * bytesEach + 50), `${active}.log`],
  ])("%s is damage that repair reports and leaves alone", async (_name, spoil, file) => {
    const { path } = await build("closed");
    spoil(path);
    await isUnmendable(path, { file: join(path, file) });
  });

  test("damage beside something that could be mended: nothing is changed at all", async () => {
    const { path } = await build("closed");
    rmSync(join(path, "MANIFEST"));
    rmSync(join(path, `${second}.log`));
    await isUnmendable(path, { file: join(path, `${first}.log`) });
  });

  test("an interrupted redo is finished", async () => {
    const fixture = await build("crashed");
    truncateSync(join(fixture.path, `${active}.idx`), 3 * 16);
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "unlink", path: ".log.tail" }, failWith("EIO"));
    await expect(FileLog.open(fixture.path, { machine })).rejects.toMatchObject({ code: "SEQLOG_IO" });
    const { changes } = await repairTwice(fixture);
    expect(changes).toEqual([
      {
        file: join(fixture.path, `${active}.log.tail`),
        action: "finish the interrupted recovery",
        bytes: 2 * bytesEach,
      },
    ]);
    await holdsAll(fixture);
  });

  test("an interrupted redo whose copy is not whole is damage, in a dry run too", async () => {
    const { path } = await build("crashed");
    const tail = join(path, `${active}.log.tail`);
    writeFileSync(tail, Buffer.alloc(300, 0x5a));
    await isUnmendable(path, { file: tail });
  });

  test("entries of a closed log's record index that nothing belongs to are cut off", async () => {
    const fixture = await build("closed");
    appendFileSync(join(fixture.path, `${active}.idx`), Buffer.alloc(48, 0x5a));
    expect((await verify(fixture.path)).ok).toBe(false);
    const { changes } = await repairTwice(fixture);
    expect(changes).toEqual([
      { file: join(fixture.path, `${active}.idx`), action: "cut the record index after its 5 entries" },
    ]);
    await holdsAll(fixture);
  });

  test("what the lock file says of a writer that was killed stays, unless the log was brought into order", async () => {
    const { path } = await build("crashed");
    const lock = join(path, "LOCK");
    const left = '{"pid":1,"host":"elsewhere","since":5,"kind":"kernel"}\n';
    writeFileSync(lock, left);
    flipBit(join(path, `${second}.log`), 9 * bytesEach + 50);
    for (const dryRun of [true, false]) {
      expect((await repair(path, { dryRun })).damage).toHaveLength(1);
      expect(statSync(lock).size).toBeGreaterThan(0);
    }
    writeFileSync(lock, left);
    await repair(path, { dryRun: true });
    expect(readFileSync(lock, "utf8")).toBe(left);
  });

  test("a dry run that finds the lock taken writes nothing into its file, even when the holder has just left", async () => {
    const { path } = await build("closed");
    const lock = join(path, "LOCK");
    const left = '{"pid":7,"host":"elsewhere","since":5,"kind":"kernel"}\n';
    writeFileSync(lock, left);
    const { storage } = nodeMachine;
    let isTaken = true;
    const leaving: Storage = {
      ...storage,
      openSync(at, mode, options) {
        const file = storage.openSync(at, mode, options);
        const tryLock = file.tryLockSync.bind(file);
        file.tryLockSync = () => (isTaken ? (isTaken = false) : tryLock());
        return file;
      },
    };
    const before = everythingIn(path);
    await expect(repair(path, { dryRun: true, machine: { ...nodeMachine, storage: leaving } })).rejects.toMatchObject({
      code: "SEQLOG_LOCKED",
      facts: { path: lock, pid: 7, host: "elsewhere" },
    });
    expect(isTaken).toBe(false);
    expect(everythingIn(path)).toEqual(before);
  });

  test("a log that is being written is SEQLOG_LOCKED: what is in flight would look torn", async () => {
    const log = await FileLog.open(newPath());
    await log.append("x");
    const before = bytesOf(log.location);
    await expect(repair(log.location)).rejects.toMatchObject({ code: "SEQLOG_LOCKED" });
    await expect(repair(log.location, { dryRun: true })).rejects.toMatchObject({ code: "SEQLOG_LOCKED" });
    expect(bytesOf(log.location)).toEqual(before);
    await log.close();
  });

  test("where there is no log repair says so, and makes none", async () => {
    const path = newPath();
    await expect(repair(path)).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND", facts: { path } });
    mkdirSync(path);
    await expect(repair(path)).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
    expect(bytesOf(path)).toEqual({});
  });
});

describe("a lost MANIFEST and damage: nothing is cut off that is whole or that the record index proves", () => {
  const lose = (path: string): void => rmSync(join(path, "MANIFEST"));
  const last = (path: string): string => join(path, `${active}.log`);
  const index = (path: string): string => join(path, `${active}.idx`);

  test.each<[string, (path: string) => void, { offset: number; seq?: number; reason: RegExp }]>([
    [
      "a record before others",
      (path) => flipBit(last(path), bytesEach + 50),
      { offset: bytesEach, seq: 21, reason: /proves records up to 24.*salvage/ },
    ],
    [
      "the last record",
      (path) => flipBit(last(path), 4 * bytesEach + 50),
      { offset: 4 * bytesEach, seq: 24, reason: /proves records up to 24.*salvage/ },
    ],
    [
      "the last records zeroed",
      (path) => overwrite(last(path), 3 * bytesEach, Buffer.alloc(2 * bytesEach)),
      { offset: 3 * bytesEach, seq: 23, reason: /proves records up to 24.*salvage/ },
    ],
    [
      "the file cut between two records",
      (path) => truncateSync(last(path), 3 * bytesEach),
      { offset: 3 * bytesEach, reason: /proves record 24.*salvage/ },
    ],
    [
      "a bit of a UUID, which the record index alone knows of",
      (path) => flipBit(last(path), 2 * bytesEach + 30),
      { offset: 2 * bytesEach, seq: 22, reason: /header/ },
    ],
    [
      "a record before others, and the record index lost too",
      (path) => (rmSync(index(path)), flipBit(last(path), bytesEach + 50)),
      { offset: bytesEach, seq: 21, reason: /whole record follows at offset 256.*salvage/ },
    ],
    [
      "a record past the mark, before another",
      (path) => (truncateSync(index(path), 2 * 16), flipBit(last(path), 3 * bytesEach + 50)),
      { offset: 3 * bytesEach, seq: 23, reason: /whole record follows at offset 512.*salvage/ },
    ],
    [
      "nothing left of the records",
      (path) => overwrite(last(path), 0, Buffer.alloc(5 * bytesEach)),
      { offset: 0, seq: 20, reason: /record index has entries.*salvage/ },
    ],
  ])("%s", async (_name, spoil, { reason, ...place }) => {
    const { path } = await build("crashed");
    lose(path);
    spoil(path);
    await isUnmendable(path, { file: last(path), ...place, reason: expect.stringMatching(reason) as unknown });
  });

  test("a bit of a UUID in a sealed segment", async () => {
    const { path } = await build("crashed");
    lose(path);
    const file = join(path, `${first}.log`);
    flipBit(file, 4 * bytesEach + 30);
    await isUnmendable(path, { file, offset: 4 * bytesEach, seq: 4 });
  });

  test("a torn tail behind all of that is still set aside", async () => {
    const fixture = await build("crashed");
    lose(fixture.path);
    overwrite(last(fixture.path), 5 * bytesEach, Buffer.from("torn"));
    expect(await repairTwice(fixture)).toMatchObject({ damage: [], tornBytes: 4 });
    await holdsAll(fixture);
  });

  async function withRedoCopy(): Promise<Fixture> {
    const fixture = await build("crashed");
    truncateSync(index(fixture.path), 3 * 16);
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "unlink", path: ".log.tail" }, failWith("EIO"));
    await expect(FileLog.open(fixture.path, { machine })).rejects.toMatchObject({ code: "SEQLOG_IO" });
    lose(fixture.path);
    return fixture;
  }

  test("an interrupted redo is finished when all before it is whole", async () => {
    const fixture = await withRedoCopy();
    expect(await repair(fixture.path)).toMatchObject({ damage: [] });
    await holdsAll(fixture);
  });

  test("an interrupted redo with damage before it is left alone", async () => {
    const { path } = await withRedoCopy();
    flipBit(last(path), bytesEach + 50);
    await isUnmendable(path, { file: last(path), offset: bytesEach, seq: 21 });
  });
});

describe("a single file", () => {
  async function file(): Promise<Fixture & { index: string }> {
    const path = join(scratchDirectory(), "a.log");
    const index = path.replace(".log", ".idx");
    const recordIndex = await RecordIndex.open(index);
    const writer = await LogWriter.open(path, recordIndex);
    for (let i = 0; i < count; i++) await writer.append(String(i).padEnd(96, "."));
    await writer.close();
    await recordIndex.close();
    const reader = await LogReader.open(path);
    const lines = await linesOf(reader);
    await reader.close();
    return { path, index, lines };
  }

  function filesBeside(path: string): Record<string, string> {
    const bytes = bytesOf(dirname(path));
    delete bytes["a.log.lock"];
    return bytes;
  }

  async function repairsTo({ path, lines }: Fixture): Promise<Awaited<ReturnType<typeof repair>>> {
    const before = filesBeside(path);
    const dry = await repair(path, { dryRun: true });
    expect(filesBeside(path)).toEqual(before);
    const done = await repair(path);
    expect(done).toEqual(dry);
    expect((await repair(path)).changes).toEqual([]);
    const reader = await LogReader.open(path);
    expect(await linesOf(reader)).toEqual(lines);
    await reader.close();
    return done;
  }

  test("in order needs nothing", async () => {
    expect(await repairsTo(await file())).toEqual({ changes: [], damage: [], tornBytes: 0 });
  });

  test("a torn tail is set aside and cut off", async () => {
    const fixture = await file();
    appendFileSync(fixture.path, "torn");
    const { changes, tornBytes } = await repairsTo(fixture);
    expect(tornBytes).toBe(4);
    expect(changes.map((change) => change.file)).toEqual([`${fixture.path}.${count * bytesEach}.torn`, fixture.path]);
    expect(readFileSync(`${fixture.path}.${count * bytesEach}.torn`, "utf8")).toBe("torn");
  });

  test.each<[string, (fixture: { index: string }) => void]>([
    ["missing", ({ index }) => rmSync(index)],
    ["too short", ({ index }) => truncateSync(index, 10 * 16)],
    ["random bytes", ({ index }) => writeFileSync(index, Buffer.alloc(400, 0x5a))],
  ])("a record index that is %s is made anew", async (_name, spoil) => {
    const fixture = await file();
    const right = readFileSync(fixture.index);
    spoil(fixture);
    await repairsTo(fixture);
    expect(readFileSync(fixture.index)).toEqual(right);
  });

  test("damage is reported and left alone", async () => {
    const { path } = await file();
    truncateSync(path, 10 * bytesEach);
    const before = filesBeside(path);
    const report = { changes: [], damage: [expect.objectContaining({ file: path })], tornBytes: 0 };
    expect(await repair(path, { dryRun: true })).toEqual(report);
    expect(await repair(path)).toEqual(report);
    expect(filesBeside(path)).toEqual(before);
  });
});
