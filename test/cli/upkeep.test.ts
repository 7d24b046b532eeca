/** `stats`, `verify`, `repair`, `rebuild-index` and `reset`: the same facts as text and as JSON. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { newLogPath, seqlog, seqlogJson } from "./seqlog-process.ts";

const firstSegment = "00000000000000000000.log";
const recordBytes = 32 + 5;

/** Ten records of five bytes. */
async function smallLog(name?: string): Promise<string> {
  const log = newLogPath(name);
  const { code } = await seqlog(["append", log], Array.from({ length: 10 }, (_, i) => `rec ${i}\n`).join(""));
  expect(code).toBe(0);
  return log;
}

function flipBit(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
  writeFileSync(file, bytes);
}

/** Every file of a directory, to see that nothing changed. */
function contents(directory: string): Record<string, string> {
  return Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "hex")]));
}

describe("stats", () => {
  test("tells five facts, as text and as JSON", async () => {
    const log = await smallLog();
    expect(await seqlogJson(["stats", log])).toEqual({
      firstSeq: 0,
      nextSeq: 10,
      records: 10,
      bytes: 370,
      segments: 1,
    });
    const { text } = await seqlog(["stats", log]);
    expect(text).toBe("records   10\nfirstSeq  0\nnextSeq   10\nbytes     370\nsegments  1\n");
  });

  test("reads a single file", async () => {
    const log = await smallLog("events.log");
    expect(await seqlogJson(["stats", log])).toEqual({
      firstSeq: 0,
      nextSeq: 10,
      records: 10,
      bytes: 370,
      segments: 1,
    });
  });
});

describe("verify", () => {
  test("finds a whole log whole", async () => {
    const log = await smallLog();
    expect(await seqlogJson(["verify", log])).toEqual({
      ok: true,
      records: 10,
      damage: [],
      damagedRanges: 0,
      tornBytes: 0,
    });
    expect(await seqlog(["verify", log])).toMatchObject({ code: 0, text: "ok: 10 records are whole\n", stderr: "" });
  });

  test("names file, offset and reason of damage, with exit code 1, and changes nothing", async () => {
    for (const name of ["log", "events.log"]) {
      const log = await smallLog(name);
      const directory = name === "log" ? log : join(log, "..");
      const file = name === "log" ? join(log, firstSegment) : log;
      flipBit(file, 4 * recordBytes + 34);
      const before = contents(directory);
      const { code, text, stderr } = await seqlog(["verify", log, "--json"]);
      expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
      const report = JSON.parse(text) as {
        ok: boolean;
        damage: { file: string; offset: number; seq?: number; reason: string }[];
      };
      expect(report).toMatchObject({ ok: false, tornBytes: 0 });
      expect(report.damage[0]).toMatchObject({
        offset: 4 * recordBytes,
        reason: expect.stringMatching(/CRC/) as unknown,
      });
      expect(report.damage[0]?.file).toContain(name === "log" ? firstSegment : "events.log");
      const inWords = await seqlog(["verify", log]);
      expect(inWords.code).toBe(1);
      expect(inWords.text).toContain(`${report.damage[0]?.file}, offset ${4 * recordBytes}`);
      expect(inWords.text).toContain(report.damage[0]?.reason);
      expect(contents(directory)).toEqual(before);
    }
  });

  test("says of every damaged range where it ends and which records it takes", async () => {
    const log = await smallLog();
    const file = join(log, firstSegment);
    for (const seq of [2, 3, 7]) flipBit(file, seq * recordBytes + 34);
    const reason = "the CRC-32 of the data does not match";
    const range = (seq: number, records: number): object => ({
      file,
      offset: seq * recordBytes,
      end: (seq + records) * recordBytes,
      seq,
      records,
      reason,
    });
    const { code, text } = await seqlog(["verify", log, "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(text)).toEqual({
      ok: false,
      records: 7,
      damage: [range(2, 2), range(7, 1)],
      damagedRanges: 2,
      tornBytes: 0,
    });
    expect((await seqlog(["verify", log])).text).toBe(
      `damage: ${file}, offset 74 to 148 (seq 2 to 3): ${reason}\n` +
        `damage: ${file}, offset 259 to 296 (seq 7): ${reason}\n` +
        "DAMAGED: 7 records are whole\n",
    );
  });

  test("of more than 1,000 damaged ranges tells the first, and how many there are", async () => {
    const log = newLogPath();
    await seqlog(["append", log], Array.from({ length: 2100 }, () => "a rec\n").join(""));
    const file = join(log, firstSegment);
    const bytes = readFileSync(file);
    for (let at = 0; at < bytes.length; at += 2 * recordBytes) bytes.writeUInt8(0, at + 34);
    writeFileSync(file, bytes);
    const { code, text } = await seqlog(["verify", log]);
    const lines = text.split("\n");
    expect({ code, count: lines.length, last: lines.slice(-3) }).toEqual({
      code: 1,
      count: 1000 + 3,
      last: ["damage: 50 more ranges", "DAMAGED: 1050 records are whole", ""],
    });
    for (const command of ["verify", "repair"]) {
      const report = JSON.parse((await seqlog([command, log, "--json"])).text) as { damage: unknown[] };
      expect(report).toMatchObject({ damagedRanges: 1050 });
      expect(report.damage).toHaveLength(1000);
    }
    expect((await seqlog(["repair", log])).text).toMatch(/\n1050 damaged places are left as found\n$/);
  });

  test("a log without MANIFEST is read all the same", async () => {
    const log = await smallLog();
    rmSync(join(log, "MANIFEST"));
    const { code, text } = await seqlog(["verify", log]);
    expect(code).toBe(1);
    expect(text).toMatch(/^damage: .*MANIFEST, offset 0: .*no MANIFEST.*\nDAMAGED: 10 records are whole\n$/);
  });

  test("reading stops at damage with exit code 1, after the records before it", async () => {
    const log = await smallLog();
    flipBit(join(log, firstSegment), 4 * recordBytes + 34);
    const { code, text, stderr } = await seqlog(["cat", log]);
    expect({ code, text }).toEqual({ code: 1, text: "rec 0\nrec 1\nrec 2\nrec 3\n" });
    expect(stderr).toMatch(/^seqlog: .*00000000000000000000\.log.*\n$/);
    const asJson = await seqlog(["cat", log, "--json"]);
    expect(JSON.parse(asJson.stderr)).toMatchObject({
      error: { code: "SEQLOG_DAMAGED", facts: { offset: 4 * recordBytes } },
    });
  });
});

describe("repair", () => {
  test("has nothing to do on a whole log", async () => {
    const log = await smallLog();
    const before = contents(log);
    expect(await seqlog(["repair", log])).toMatchObject({ code: 0, text: "nothing to repair\n" });
    expect(await seqlogJson(["repair", log, "--dry-run"])).toEqual({
      dryRun: true,
      changes: [],
      damage: [],
      damagedRanges: 0,
      tornBytes: 0,
    });
    expect(contents(log)).toEqual(before);
  });

  test("sets a torn tail aside, and only says so with --dry-run", async () => {
    const log = await smallLog("events.log");
    const directory = join(log, "..");
    writeFileSync(log, "torn", { flag: "a" });
    const before = contents(directory);
    const dry = (await seqlogJson(["repair", log, "--dry-run"])) as { changes: unknown[]; tornBytes: number };
    expect(dry).toMatchObject({ dryRun: true, damage: [], tornBytes: 4 });
    expect(dry.changes.length).toBeGreaterThan(0);
    expect(contents(directory)).toEqual(before);
    expect(await seqlog(["verify", log])).toMatchObject({ code: 0 });
    expect(await seqlogJson(["repair", log])).toMatchObject({ dryRun: false, damage: [], tornBytes: 4 });
    expect(statSync(log).size).toBe(10 * recordBytes);
    const torn = readdirSync(directory).filter((name) => name.endsWith(".torn"));
    expect(torn.map((name) => readFileSync(join(directory, name), "utf8"))).toEqual(["torn"]);
  });

  test("makes a lost MANIFEST again", async () => {
    const log = await smallLog();
    rmSync(join(log, "MANIFEST"));
    expect((await seqlog(["cat", log])).code).not.toBe(0);
    expect((await seqlog(["repair", log])).code).toBe(0);
    expect((await seqlog(["cat", log])).text).toMatch(/^rec 0\n(.*\n){8}rec 9\n$/);
  });

  test("leaves a log without MANIFEST alone whose records it would cut off, and points to salvage", async () => {
    const log = await smallLog();
    rmSync(join(log, "MANIFEST"));
    flipBit(join(log, firstSegment), 4 * recordBytes + 34);
    const before = contents(log);
    const { code, text } = await seqlog(["repair", log]);
    expect(code).toBe(1);
    expect(text).toMatch(/^damage: .*, offset 148 .*`seqlog salvage`.*\n1 damaged place is left as found\n$/);
    expect(contents(log)).toEqual(before);
  });

  test("leaves damage as it is, with exit code 1", async () => {
    const log = await smallLog();
    flipBit(join(log, firstSegment), 4 * recordBytes + 34);
    const before = readFileSync(join(log, firstSegment));
    const { code, text } = await seqlog(["repair", log, "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(text)).toMatchObject({ damage: [{ offset: 4 * recordBytes }] });
    expect(readFileSync(join(log, firstSegment)).equals(before)).toBe(true);
  });
});

describe("rebuild-index", () => {
  test("writes the record index again", async () => {
    for (const name of ["log", "events.log"]) {
      const log = await smallLog(name);
      const index = name === "log" ? join(log, firstSegment.replace("log", "idx")) : log.replace(/log$/, "idx");
      const before = readFileSync(index);
      truncateSync(index, 0);
      expect(await seqlogJson(["rebuild-index", log])).toEqual({ records: 10, files: [index] });
      expect(readFileSync(index).equals(before)).toBe(true);
      expect((await seqlog(["rebuild-index", log])).text).toBe(`wrote ${index}\n10 records\n`);
    }
  });
});

describe("reset", () => {
  test("without --yes says what would be removed, and removes nothing", async () => {
    const log = await smallLog();
    const before = contents(log);
    const { code, stderr } = await seqlog(["reset", log]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `seqlog: ${log}: this would remove 10 records (370 bytes) for good; run it again with --yes\n`,
    });
    const asJson = await seqlog(["reset", log, "--json"]);
    expect(JSON.parse(asJson.stderr)).toMatchObject({
      error: { code: "USAGE", facts: { wouldRemove: { records: 10, bytes: 370, segments: 1 } } },
    });
    expect(contents(log)).toEqual(before);
  });

  test("with --yes removes every record, and the next one is 0 again", async () => {
    for (const name of ["log", "events.log"]) {
      const log = await smallLog(name);
      expect(await seqlogJson(["reset", log, "--yes"])).toEqual({ removed: { records: 10, bytes: 370, segments: 1 } });
      expect(await seqlogJson(["append", log], "new\n")).toEqual({ first: 0, last: 0, count: 1 });
      expect((await seqlog(["cat", log])).text).toBe("new\n");
    }
  });

  test("makes no log where there is none", async () => {
    const log = newLogPath();
    expect((await seqlog(["reset", log, "--yes"])).code).toBe(4);
    expect(existsSync(log)).toBe(false);
  });
});

test("a segment is not taken for a log of its own", async () => {
  const log = await smallLog();
  const before = contents(log);
  const commands = [["append"], ["cat"], ["stats"], ["verify"], ["repair"], ["rebuild-index"], ["reset", "--yes"]];
  for (const command of commands) {
    const { code, stderr } = await seqlog([...command, join(log, firstSegment)], "x\n");
    expect({ command, code }).toEqual({ command, code: 2 });
    expect(stderr).toMatch(/is a segment of the log/);
  }
  expect(contents(log)).toEqual(before);
});
