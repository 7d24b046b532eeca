/** `seqlog salvage`: what it prints, what it leaves behind, and what it refuses. */
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesOf, flipBit } from "../errors/directory-bytes.ts";
import { newLogPath, seqlog, seqlogJson, temporaryDirectory } from "./seqlog-process.ts";

const segment = "00000000000000000000.log";
const recordBytes = 32 + 5;

interface Place {
  readonly log: string;
  readonly file: string;
  readonly out: string;
}

/** Ten records of five bytes, some of them damaged. */
async function logWithDamage(damaged: readonly number[], name = "events"): Promise<Place> {
  const log = newLogPath(name);
  const { code } = await seqlog(["append", log], Array.from({ length: 10 }, (_, i) => `rec ${i}\n`).join(""));
  expect(code).toBe(0);
  const file = name.endsWith(".log") ? log : join(log, segment);
  for (const seq of damaged) flipBit(file, seq * recordBytes + 34);
  return { log, file, out: newLogPath("salvaged") };
}

/** The output with names in place of scratch directories. */
function named(text: string, { log, out }: Place): string {
  return text.replaceAll(out, "OUT").replaceAll(log, "LOG");
}

describe("a damaged log", () => {
  test("as text", async () => {
    const place = await logWithDamage([4, 5]);
    const before = bytesOf(place.log);
    const { code, text, stderr } = await seqlog(["salvage", place.log, "--out", place.out]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(named(text, place)).toMatchInlineSnapshot(`
      "missing: LOG/00000000000000000000.log, offset 148 to 222 (seq 4 to 5): the CRC-32 of the data does not match
      salvaged 8 records into OUT, seq 0 to 7
      behind the first hole the seqs are other ones than before: OUT/salvage.ndjson has both
      MISSING: 74 bytes in 1 range
      "
    `);
    expect(bytesOf(place.log)).toEqual(before);
    expect((await seqlog(["cat", place.out])).text).toBe("rec 0\nrec 1\nrec 2\nrec 3\nrec 6\nrec 7\nrec 8\nrec 9\n");
    expect((await seqlog(["verify", place.out])).code).toBe(0);
    expect(named(readFileSync(join(place.out, "salvage.ndjson"), "utf8"), place)).toMatchInlineSnapshot(`
      "{"kind":"records","seq":0,"count":4,"file":"LOG/00000000000000000000.log","offset":0,"end":148,"originalFrom":0,"originalTo":0,"resynchronised":false}
      {"kind":"missing","file":"LOG/00000000000000000000.log","offset":148,"end":222,"firstSeq":4,"lastSeq":5,"isExact":true,"reason":"the CRC-32 of the data does not match"}
      {"kind":"records","seq":4,"count":4,"file":"LOG/00000000000000000000.log","offset":222,"end":370,"originalFrom":6,"originalTo":6,"resynchronised":false}
      "
    `);
  });

  test("as JSON", async () => {
    const place = await logWithDamage([4]);
    const { code, text, stderr } = await seqlog(["salvage", place.log, "--out", place.out, "--json"]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(named(text, place)).toMatchInlineSnapshot(`
      "{"ok":false,"records":9,"resynchronised":0,"bytes":370,"firstSeq":0,"nextSeq":9,"seqsKept":false,"missing":[{"file":"LOG/00000000000000000000.log","offset":148,"end":185,"firstSeq":4,"lastSeq":4,"isExact":true,"reason":"the CRC-32 of the data does not match"}],"missingRanges":1,"missingBytes":37,"tornBytes":0,"notes":[],"report":"OUT/salvage.ndjson"}
      "
    `);
  });

  test("without its record index and MANIFEST: what was resynchronised is said", async () => {
    const place = await logWithDamage([4]);
    rmSync(join(place.log, "MANIFEST"));
    rmSync(join(place.log, segment.replace("log", "idx")));
    const { code, text } = await seqlog(["salvage", place.log, "--out", place.out]);
    expect(code).toBe(1);
    expect(named(text, place)).toMatchInlineSnapshot(`
      "missing: LOG/MANIFEST, offset 0: no valid MANIFEST: it is missing
      missing: LOG/00000000000000000000.log, offset 148 to 185 (some of seq 4): the CRC-32 of the data does not match
      note: LOG/00000000000000000000.idx: there is no record index: seqs behind damage are not certain
      salvaged 9 records into OUT, seq 0 to 8
      behind the first hole the seqs are other ones than before: OUT/salvage.ndjson has both
      5 of them are resynchronised: found by their own offset alone
      MISSING: 37 bytes in 2 ranges
      "
    `);
  });

  test("of more ranges than a person reads the first are shown", async () => {
    const log = newLogPath();
    await seqlog(["append", log], Array.from({ length: 100 }, () => "12345\n").join(""));
    for (let seq = 0; seq < 100; seq += 2) flipBit(join(log, segment), seq * recordBytes + 34);
    const out = newLogPath("salvaged");
    const { text } = await seqlog(["salvage", log, "--out", out]);
    expect(text.match(/^missing: .*\(seq/gm)).toHaveLength(20);
    expect(text).toContain(`missing: 30 more ranges, in ${join(out, "salvage.ndjson")}\n`);
    expect(text).toContain("MISSING: 1850 bytes in 50 ranges\n");
  });

  test("a single file", async () => {
    const { log, out } = await logWithDamage([0], "events.log");
    expect((await seqlog(["salvage", log, "--out", out])).code).toBe(1);
    expect(await seqlogJson(["stats", out])).toMatchObject({ firstSeq: 1, nextSeq: 10, records: 9 });
  });
});

test("a log in order: nothing is missing, exit code 0", async () => {
  const { log, out } = await logWithDamage([]);
  const { code, text, stderr } = await seqlog(["salvage", log, "--out", out]);
  expect({ code, text, stderr }).toEqual({
    code: 0,
    text: `salvaged 10 records into ${out}, seq 0 to 9\nnothing is missing\n`,
    stderr: "",
  });
  const again = newLogPath("again");
  expect(await seqlogJson(["salvage", join(out, segment), "--out", again])).toMatchObject({ ok: true, records: 10 });
});

describe("what is refused, with nothing written", () => {
  test("an output that is not empty", async () => {
    const { log } = await logWithDamage([]);
    const out = temporaryDirectory();
    writeFileSync(join(out, "mine"), "");
    const { code, text, stderr } = await seqlog(["salvage", log, "--out", out]);
    expect({ code, text, stderr }).toEqual({
      code: 4,
      text: "",
      stderr: `seqlog: ${out}: the output of a salvage must be an empty directory or not there (EEXIST); found a directory with files in it. Name another one\n`,
    });
    expect(readdirSync(out)).toEqual(["mine"]);
    const asJson = await seqlog(["salvage", log, "--out", out, "--json"]);
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: "SEQLOG_IO", facts: { errno: "EEXIST" } } });
  });

  test("an output inside the log", async () => {
    const { log } = await logWithDamage([]);
    const before = bytesOf(log);
    for (const out of [log, join(log, "out")]) {
      const { code, stderr } = await seqlog(["salvage", log, "--out", out]);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: `seqlog: out must not be the log that is salvaged, nor lie inside it: ${out}\n`,
      });
    }
    expect(bytesOf(log)).toEqual(before);
  });

  test("no output, no log, or a directory that is none", async () => {
    const { log, out } = await logWithDamage([]);
    expect(await seqlog(["salvage", log])).toMatchObject({
      code: 2,
      stderr: "seqlog: required option '--out <DIR>' not specified\n",
    });
    expect((await seqlog(["salvage", log, "--out", ""])).code).toBe(2);
    expect((await seqlog(["salvage", "", "--out", out])).code).toBe(2);
    expect((await seqlog(["salvage", newLogPath(), "--out", out])).code).toBe(4);
    const empty = temporaryDirectory();
    mkdirSync(join(empty, "log"));
    expect((await seqlog(["salvage", join(empty, "log"), "--out", out])).code).toBe(4);
    expect(() => statSync(out)).toThrow(/ENOENT/);
  });
});

test("its help has examples", async () => {
  const { code, text } = await seqlog(["salvage", "--help"]);
  expect(code).toBe(0);
  expect(text).toMatch(/\nExamples:\n {2}seqlog salvage/);
});
