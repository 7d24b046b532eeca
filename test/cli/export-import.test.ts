/** `export` and `import`: what comes out, that the same goes in again, and what stops them. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FileLog, json } from "../../src/index.ts";
import { runInProcess } from "./run-in-process.ts";
import { mainPath, newLogPath, seqlog, SeqlogProcess, seqlogJson, temporaryDirectory } from "./seqlog-process.ts";

const firstSegment = "00000000000000000000.log";

/** Data that a text format may stumble over. */
const nasty: readonly Uint8Array[] = [
  '{"a": 1, "b":[1.0, 1e400, 12345678901234567890]}',
  '{"data":"x\\u0000\\"","data":2}',
  '{\n  "pretty": true\n}',
  ' {"space":"around"}\t',
  '{"windows":1}\r',
  "[]",
  "42",
  '"string"',
  "null",
  "",
  " ",
  "\n",
  "\r\n",
  "a line\nand another, with commas; \"quotes\" and ''",
  '"',
  ",",
  "\0",
  "a\0b\x1b[31m\x7f\x08",
  "\uFEFFbegins with a byte order mark",
  "\uFEFF",
  "\u2028 \u2029 \u202e \u0085 é ☃ 😀 \uFFFD",
  "=1+2",
  "seq,id,time,encoding,data",
]
  .map((text): Uint8Array => Buffer.from(text))
  .concat(
    [
      [0xff],
      [0xef, 0xbb],
      [0xff, 0xfe, 0x61, 0x00],
      [0xed, 0xa0, 0x80],
      [0xc3, 0x28],
      [0x0a, 0xff, 0x22, 0x2c, 0x0d],
    ].map((bytes) => Buffer.from(bytes)),
  )
  .concat(Array.from({ length: 60 }, (_, i) => randomBytes(i * i, i + 1)));

/** The same at every run. */
function randomBytes(length: number, seed: number): Uint8Array {
  let state = seed;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

async function newLog(records: readonly Uint8Array[], codec?: "json"): Promise<string> {
  const location = newLogPath();
  const bytes = { name: "json", encode: (data: Uint8Array) => data, decode: (data: Uint8Array) => data };
  const log = await FileLog.open(location, { codec: codec === undefined ? { ...bytes, name: "bytes" } : bytes });
  await log.appendBatch(records);
  await log.close();
  return location;
}

async function dataOf(location: string): Promise<string[]> {
  const log = await FileLog.open(location, { readOnly: true });
  const found: string[] = [];
  for await (const { bytes } of log.read()) found.push(Buffer.from(bytes).toString("hex"));
  await log.close();
  return found;
}

function inHex(records: readonly Uint8Array[]): string[] {
  return records.map((record) => Buffer.from(record).toString("hex"));
}

describe("what was exported is imported byte for byte", () => {
  for (const format of ["ndjson", "csv", "frames"]) {
    for (const codec of ["json", undefined] as const) {
      test(`as ${format}, of a log ${codec === undefined ? "of bytes" : "of JSON with other data in it"}`, async () => {
        const from = await newLog(nasty, codec);
        const file = join(temporaryDirectory(), "file");
        expect(await seqlogJson(["export", from, "--format", format, "-o", file])).toMatchObject({
          records: nasty.length,
        });
        const piped = await seqlog(["export", from, "--format", format]);
        expect(piped.stdout.equals(readFileSync(file))).toBe(true);
        const exported = format === "frames" ? [] : ["--exported"];
        const to = newLogPath();
        expect(await seqlogJson(["import", to, file, "--format", format, ...exported])).toEqual({
          dryRun: false,
          first: 0,
          last: nasty.length - 1,
          count: nasty.length,
          skipped: 0,
        });
        expect(await dataOf(to)).toEqual(inHex(nasty));
      });
    }
  }

  test("a single file too", async () => {
    const from = newLogPath("a.log");
    await seqlog(["append", from], "one\ntwo\n");
    const { stdout } = await seqlog(["export", from]);
    expect(JSON.parse(stdout.toString().split("\n")[0] ?? "")).toEqual({
      seq: 0,
      id: expect.any(String) as unknown,
      time: null,
      text: "one",
    });
    const to = newLogPath("b.log");
    await seqlog(["import", to, "--format", "ndjson", "--exported"], stdout);
    expect((await seqlog(["cat", to])).text).toBe("one\ntwo\n");
  });
});

describe("export", () => {
  test("NDJSON has JSON as JSON, text as text, and other bytes in base64", async () => {
    const log = newLogPath();
    await seqlog(["append", log], Buffer.from('{"n": 1.50}\n42\na "b"\n\xff\n', "latin1"));
    const { code, text } = await seqlog(["export", log]);
    expect(code).toBe(0);
    const lines = text.trimEnd().split("\n");
    expect(lines[0]).toMatch(
      /^\{"seq":0,"id":"[0-9a-f-]{36}","time":"\d{4}-\d\d-\d\dT[\d:.]+Z","data":\{"n": 1\.50\}\}$/,
    );
    expect(lines.slice(1).map((line) => JSON.parse(line) as object)).toMatchObject([
      { seq: 1, text: "42" },
      { seq: 2, text: 'a "b"' },
      { seq: 3, base64: "/w==" },
    ]);
  });

  test("in a log of JSON every JSON value is data", async () => {
    const location = newLogPath();
    const log = await FileLog.open(location, { codec: json() });
    await log.appendBatch([42, "s", null, [1], { a: 1 }]);
    await log.close();
    const lines = (await seqlog(["export", location])).text.trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { data: unknown }).data)).toEqual([42, "s", null, [1], { a: 1 }]);
  });

  test("CSV names its columns and says the encoding of each row", async () => {
    const log = newLogPath();
    await seqlog(
      ["append", log, "--binary"],
      Buffer.from('\x05\0\0\0a,"\r\n\x01\0\0\0\xff\x01\0\0\0\0\x01\0\0\0a', "latin1"),
    );
    const { text } = await seqlog(["export", log, "--format", "csv"]);
    const [head, ...rest] = text.replaceAll(/[0-9a-f-]{36},\d{4}-[^,]*Z/g, "ID,TIME").split("\r\n");
    expect(head).toBe("seq,id,time,encoding,data");
    expect(rest).toEqual([
      '0,ID,TIME,utf8,"a,""',
      '"',
      "1,ID,TIME,base64,/w==",
      "2,ID,TIME,base64,AA==",
      "3,ID,TIME,utf8,a",
      "",
    ]);
  });

  test("takes a range, a limit and conditions as cat does", async () => {
    const log = newLogPath();
    await seqlog(["append", log], Array.from({ length: 20 }, (_, i) => `{"n":${i % 3}}\n`).join(""));
    const seqs = async (...args: string[]): Promise<number[]> => {
      const { code, text } = await runInProcess(["export", log, ...args]);
      expect(code).toBe(0);
      return text
        .split("\n")
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { seq: number }).seq);
    };
    expect(await seqs("--from", "17")).toEqual([17, 18, 19]);
    expect(await seqs("--from", "2", "--to", "4")).toEqual([2, 3]);
    expect(await seqs("--limit", "2")).toEqual([0, 1]);
    expect(await seqs("--limit", "0")).toEqual([]);
    expect(await seqs("--since", "1h")).toHaveLength(20);
    expect(await seqs("--until", "1h")).toEqual([]);
    expect(await seqs("--where", "n=2", "-c", "3")).toEqual([2, 5, 8]);
  });

  test("an empty log gives an empty file", async () => {
    const log = newLogPath();
    await seqlog(["append", log]);
    const file = join(temporaryDirectory(), "out");
    const { text } = await seqlog(["export", log, "-o", file]);
    expect(text).toBe(`exported 0 records to ${file}\n`);
    expect(readFileSync(file, "utf8")).toBe("");
    expect((await seqlog(["export", log, "--format", "csv"])).text).toBe("seq,id,time,encoding,data\r\n");
  });

  test.each([
    [["export", "LOG", "--force"], "--force is for a file: name it with -o"],
    [["export", "LOG", "--json"], "--json tells of a file that was written: name it with -o"],
    [["import", "LOG", "--format", "ndjson", "--delimiter", ";"], "--delimiter is for --format csv"],
  ])("%j asks for what would have no effect", async (args, message) => {
    const log = newLogPath();
    await seqlog(["append", log], "a\n");
    const said = await runInProcess(
      args.map((arg) => (arg === "LOG" ? log : arg)),
      { input: "" },
    );
    expect(said).toMatchObject({ code: 2, text: "", stderr: expect.stringContaining(message) as unknown });
  });

  test("a file that is there is replaced with --force alone", async () => {
    const log = newLogPath();
    await seqlog(["append", log], "a\n");
    const directory = temporaryDirectory();
    const file = join(directory, "out");
    writeFileSync(file, "before");
    const refused = await seqlog(["export", log, "-o", file]);
    expect(refused).toMatchObject({
      code: 2,
      text: "",
      stderr: `seqlog: ${file} is there already; --force replaces it\n`,
    });
    expect(readFileSync(file, "utf8")).toBe("before");
    const forced = await seqlog(["export", log, "-o", file, "--force"]);
    expect(forced).toMatchObject({ code: 0, text: `exported 1 record to ${file}: seq 0\n`, stderr: "" });
    expect(readFileSync(file, "utf8")).toContain('"text":"a"');
    expect(readdirSync(directory)).toEqual(["out"]);
  });

  test("damage stops it as it stops cat; a file is then not there, or as it was", async () => {
    const log = newLogPath();
    await seqlog(["append", log], "first\nsecond\nthird\n");
    const segment = join(log, firstSegment);
    const bytes = readFileSync(segment);
    bytes.writeUInt8(0xff, 32 + 5 + 32);
    writeFileSync(segment, bytes);
    const piped = await seqlog(["export", log]);
    const cat = await seqlog(["cat", log]);
    expect(piped.code).toBe(1);
    expect(piped.stderr).toBe(cat.stderr);
    expect(piped.text.trimEnd().split("\n")).toHaveLength(1);
    const directory = temporaryDirectory();
    const file = join(directory, "out");
    const filed = await seqlog(["export", log, "-o", file]);
    expect(filed).toMatchObject({ code: 1, text: "" });
    expect(filed.stderr).toBe(`seqlog: note: ${file} was not written\n${cat.stderr}`);
    expect(readdirSync(directory)).toEqual([]);
    writeFileSync(file, "before");
    expect((await seqlog(["export", log, "-o", file, "--force"])).code).toBe(1);
    expect(readFileSync(file, "utf8")).toBe("before");
    expect(await seqlogJson(["export", log, "--to", "1", "-o", file, "--force"])).toMatchObject({ records: 1 });
  });

  test("where there is no log it makes nothing", async () => {
    const directory = temporaryDirectory();
    const { code } = await seqlog(["export", join(directory, "log"), "-o", join(directory, "out")]);
    expect(code).toBe(4);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("to a terminal nothing goes that could steer it, and frames not at all", async () => {
    const log = newLogPath();
    await seqlog(["append", log], '{"a":"\u202e\u0085"}\n\x1b[31m\n');
    const shown = await runInProcess(["export", log], { isTTY: true });
    expect(shown.text).toMatch(/^[\x20-\x7e\n]*$/);
    expect(JSON.parse(shown.text.split("\n")[0] ?? "")).toMatchObject({ data: { a: "\u202e\u0085" } });
    expect((await runInProcess(["export", log, "--format", "csv"], { isTTY: true })).text).toMatch(
      /^[\x20-\x7e\n\\]*$/,
    );
    expect((await runInProcess(["export", log, "--format", "frames"], { isTTY: true })).code).toBe(2);
  });

  describe("whoever takes the output", () => {
    async function bigLog(): Promise<string> {
      const log = newLogPath();
      await seqlog(["append", log], `${"x".repeat(99)}\n`.repeat(10_000));
      return log;
    }

    function shell(script: string, ...args: string[]): { code: number | null; text: string; stderr: string } {
      const { status, stdout, stderr } = spawnSync(
        "bash",
        ["-c", script, "bash", process.execPath, mainPath, ...args],
        {
          encoding: "utf8",
        },
      );
      return { code: status, text: stdout, stderr };
    }

    test("may go away", async () => {
      const log = await bigLog();
      for (const format of ["ndjson", "csv", "frames"]) {
        const script = 'set -o pipefail; "$1" "$2" export "$3" --format "$4" | head -c 9 > /dev/null';
        expect(shell(script, log, format)).toEqual({ code: 0, text: "", stderr: "" });
      }
    });

    test("may be a full disk: exit code 4, and nothing is left", async () => {
      const log = await bigLog();
      const toStdout = shell('"$1" "$2" export "$3" > /dev/full', log);
      expect(toStdout.code).toBe(4);
      expect(toStdout.stderr).toMatch(/^seqlog: .*ENOSPC.*\n$/);
      const directory = temporaryDirectory();
      const file = join(directory, "out");
      const limited = shell('ulimit -f 200; "$1" "$2" export "$3" -o "$4" --json', log, file);
      expect(limited.code).toBe(4);
      const [note, error] = limited.stderr.split("\n");
      expect(note).toBe(`seqlog: note: ${file} was not written`);
      expect(JSON.parse(error ?? "")).toMatchObject({ error: { code: "SEQLOG_NO_SPACE" } });
      expect(readdirSync(directory)).toEqual([]);
    });

    test("is not left with half a file by Ctrl-C", async () => {
      const log = newLogPath();
      await seqlog(["append", log], `${"x".repeat(999)}\n`.repeat(100_000));
      const directory = temporaryDirectory();
      const running = new SeqlogProcess(["export", log, "-o", join(directory, "out")]);
      while (readdirSync(directory).length === 0) await new Promise((resolve) => setImmediate(resolve));
      running.child.kill("SIGINT");
      const { code, text, stderr } = await running.finished;
      expect({ code, text }).toEqual({ code: 130, text: "" });
      expect(stderr).toBe(`seqlog: interrupted; ${join(directory, "out")} was not written\n`);
      expect(readdirSync(directory)).toEqual([]);
    });
  });
});

describe("import", () => {
  test("takes each line of NDJSON as it stands, without white space around it", async () => {
    const log = newLogPath();
    const input = '\uFEFF{"n": 1.50}\r\n\t[1,"\u2028x"] \r\n12345678901234567890';
    const { code, text, stderr } = await seqlog(["import", log, "--format", "ndjson"], input);
    expect({ code, text, stderr }).toEqual({ code: 0, text: "imported 3 records: seq 0 to 2\n", stderr: "" });
    expect(await dataOf(log)).toEqual(
      inHex(['{"n": 1.50}', '[1,"\u2028x"]', "12345678901234567890"].map((line) => Buffer.from(line))),
    );
  });

  test("an exported line is only taken for one when --exported says so", async () => {
    const log = newLogPath();
    const line = '{"seq":0,"data":{"a":1}}';
    await seqlog(["import", log, "--format", "ndjson"], line);
    await seqlog(["import", log, "--format", "ndjson", "--exported"], line);
    expect((await seqlog(["cat", log])).text).toBe(`${line}\n{"a":1}\n`);
  });

  test("makes CSV rows objects, with the columns in their order", async () => {
    const log = newLogPath();
    const input = '\uFEFFname,2,__proto__,"q""q"\r\nAda,1,x,"two\nlines"\r\n,é,,\r\n';
    expect(await seqlogJson(["import", log, "-", "--format", "csv"], input)).toMatchObject({ count: 2 });
    expect((await seqlog(["cat", log])).text).toBe(
      String.raw`{"name":"Ada","2":"1","__proto__":"x","q\"q":"two\nlines"}` +
        `\n${String.raw`{"name":"","2":"é","__proto__":"","q\"q":""}`}\n`,
    );
  });

  test("takes one column's bytes, and another delimiter", async () => {
    const log = newLogPath();
    const input = Buffer.from('a;message\n1;"x\r\ny"\n2;\xff\n3;\n', "latin1");
    const args = ["import", log, "--format", "csv", "--delimiter", ";", "--column", "message"];
    expect(await seqlogJson(args, input)).toMatchObject({ count: 3 });
    expect(await dataOf(log)).toEqual(["780d0a79", "ff", ""]);
  });

  test("an input without records makes an empty log", async () => {
    for (const format of ["ndjson", "csv", "frames"]) {
      const log = newLogPath();
      const { code, text } = await seqlog(["import", log, "--format", format]);
      expect({ code, text }).toEqual({ code: 0, text: "imported 0 records\n" });
      expect(await seqlogJson(["stats", log])).toMatchObject({ records: 0 });
    }
  });

  const faults: readonly (readonly [
    name: string,
    args: readonly string[],
    input: string,
    imported: number,
    message: string,
  ])[] = [
    [
      "a line that is not JSON",
      ["--format", "ndjson"],
      '{"n":1}\n[2]\n{"n":,}\n{}\n',
      2,
      'line 3, column 6: expected a value, found ",}"',
    ],
    ["an empty line", ["--format", "ndjson"], "1\n\n2\n", 1, "line 2, column 1: expected a value, the line ends"],
    [
      "a line that is not exported",
      ["--format", "ndjson", "--exported"],
      '{"data":1}\n{"seq":1}\n',
      1,
      'line 2 is no line of `seqlog export`: it has one of "data", "text" and "base64", and here is none',
    ],
    [
      "a row that is too short",
      ["--format", "csv"],
      'a,b\n1,"2\n2"\n3\n',
      1,
      "row 2 (line 4) has 1 field; the header has 2",
    ],
    [
      "a quote that is not closed",
      ["--format", "csv"],
      'a,b\n1,2\n3,"\n',
      1,
      'row 2 (line 3), column 2 "b": the input ends inside a quoted field',
    ],
    [
      "a column that is not there",
      ["--format", "csv", "--column", "c"],
      "a,b\n1,2\n",
      0,
      'there is no column "c"; the header has "a", "b"',
    ],
    [
      "a column that is not there, and no row",
      ["--format", "csv", "--column", "c"],
      "a,b\n",
      0,
      'there is no column "c"; the header has "a", "b"',
    ],
    [
      "CSV of another make, and no row",
      ["--format", "csv", "--exported"],
      "a,data",
      0,
      'there is no column "encoding"; the header has "a", "data"',
    ],
    [
      "CSV of another make",
      ["--format", "csv", "--exported"],
      "a,data\n1,2\n",
      0,
      'there is no column "encoding"; the header has "a", "data"',
    ],
    [
      "an unknown encoding",
      ["--format", "csv", "--exported"],
      "encoding,data\nutf8,\nhex,00\n",
      1,
      'row 2 (line 3), column 1 "encoding" must be utf8 or base64',
    ],
    [
      "a frame that was cut",
      ["--format", "frames"],
      "\x01\0\0\0a\x05\0\0\0b",
      1,
      "the input ends inside the frame that starts at byte 5: 5 of 9 bytes are there",
    ],
    [
      "data that the codec cannot read",
      ["--format", "frames", "--codec", "json"],
      "\x01\0\0\x001\x01\0\0\0x",
      1,
      'frame 2, column 1: expected a value, found "x"',
    ],
  ];
  test.each(faults)("stops at %s, says where, and how to go on", async (_name, args, input, imported, message) => {
    const log = newLogPath();
    await seqlog(["append", log], "there before\n");
    const dry = await runInProcess(["import", log, ...args, "--dry-run"], { input });
    expect(dry).toEqual({ code: 2, text: "", stderr: `seqlog: ${message}. Nothing was written\n` });
    expect(await seqlogJson(["stats", log])).toMatchObject({ nextSeq: 1 });
    const { code, text, stderr } = await runInProcess(["import", log, ...args, "--json"], { input });
    expect({ code, text }).toEqual({ code: 2, text: "" });
    const { error } = JSON.parse(stderr) as { error: { message: string; facts: object } };
    // To go on behind nothing is to begin again.
    const next = imported === 0 ? "nothing was imported" : `${imported} record`;
    expect(error.message.startsWith(`${message}. Before that ${next}`)).toBe(true);
    if (imported > 0) expect(error.message).toContain(`the next seq is ${1 + imported}. To go on: --skip ${imported}`);
    expect(error.facts).toMatchObject({ imported, nextSeq: 1 + imported, skip: imported });
    expect(await seqlogJson(["stats", log])).toMatchObject({ nextSeq: 1 + imported });
  });

  test("goes on with --skip, which does not look into what it leaves out", async () => {
    const log = newLogPath();
    const input = "1\n2\n{bad\n4\n5\n";
    const first = await seqlog(["import", log, "--format", "ndjson"], input);
    expect(first.stderr).toMatch(/--skip 2\n$/);
    const second = await seqlog(["import", log, "--format", "ndjson", "--skip", "2"], input);
    expect(second.stderr).toMatch(
      /^seqlog: line 3, .*0 records were imported; the next seq is 2\. To go on: --skip 2\n$/,
    );
    expect(await seqlogJson(["import", log, "--format", "ndjson", "--skip", "3"], input)).toEqual({
      dryRun: false,
      first: 2,
      last: 3,
      count: 2,
      skipped: 3,
    });
    expect((await seqlog(["cat", log])).text).toBe("1\n2\n4\n5\n");
    expect(await seqlogJson(["import", log, "--format", "ndjson", "--skip", "9"], "1\n2\n")).toMatchObject({
      count: 0,
      skipped: 2,
    });
  });

  test("--dry-run reads everything and makes no log", async () => {
    const log = newLogPath();
    const args = ["import", log, "--format", "csv", "--dry-run"];
    expect(await seqlogJson(args, "a\n1\n2\n")).toEqual({ dryRun: true, count: 2, skipped: 0 });
    expect((await seqlog([...args, "--skip", "1"], "a\n1\n2\n")).text).toBe(
      "the input is fine: 1 record would be imported\n",
    );
    expect(existsSync(log)).toBe(false);
  });

  test("--codec is kept in the log, and another one is refused", async () => {
    const log = newLogPath();
    await seqlog(["import", log, "--format", "csv", "--codec", "json"], "a\n1\n");
    const opened = await FileLog.open(log, { codec: json() });
    expect((await opened.get(0))?.data).toEqual({ a: "1" });
    await opened.close();
    const asText = await seqlog(["import", log, "--format", "csv", "--codec", "text"], "a\n1\n");
    expect(asText.code).toBe(2);
    expect(asText.stderr).toContain('written with the codec "json", not "text"');
    expect((await seqlog(["import", log, "--format", "csv", "--codec", "text", "--dry-run"], "a\n1\n")).code).toBe(2);
    const unsaid = await seqlog(["import", log, "--format", "frames"], "\x01\0\0\0x");
    expect(unsaid.stderr).toMatch(/^seqlog: frame 1, column 1: expected a value/);
    const texts = newLogPath();
    const notText = await seqlog(
      ["import", texts, "--format", "frames", "--codec", "text"],
      Buffer.from([1, 0, 0, 0, 255]),
    );
    expect(notText.stderr).toMatch(/^seqlog: frame 1 is not UTF-8, and the log's codec is text/);
  });

  test("a second writer is kept out, and a missing file makes no log", async () => {
    const log = newLogPath();
    const missing = await seqlog(["import", log, join(temporaryDirectory(), "missing"), "--format", "csv"]);
    expect(missing.code).toBe(4);
    expect(existsSync(log)).toBe(false);
    const opened = await FileLog.open(log);
    expect((await seqlog(["import", log, "--format", "ndjson"], "1\n")).code).toBe(3);
    await opened.close();
  });

  test("Ctrl-C leaves a whole log, and says how far it came", async () => {
    const log = newLogPath();
    const input = Array.from({ length: 50 }, (_, i) => `{"n":${i}}\n`);
    const importer = new SeqlogProcess(["import", log, "--format", "ndjson"]);
    importer.write(input.slice(0, 20).join("") + '{"n":2');
    while (!existsSync(join(log, "MANIFEST"))) await seqlog(["stats", log]);
    const reader = new SeqlogProcess(["tail", "-f", "-n", "20", log]);
    await reader.until(({ stdout }) => stdout.toString() === input.slice(0, 20).join(""));
    importer.child.kill("SIGINT");
    expect(await importer.finished).toMatchObject({
      code: 130,
      text: "",
      stderr: "seqlog: interrupted; 20 records were imported, seq 0 to 19; the next seq is 20. To go on: --skip 20\n",
    });
    expect(await seqlogJson(["verify", log])).toMatchObject({ ok: true, records: 20 });
    await seqlog(["import", log, "--format", "ndjson", "--skip", "20"], input.join(""));
    expect((await seqlog(["cat", log])).text).toBe(input.join(""));
  });

  test("a disk that fills up: what is in the log is counted, and the rest follows", async () => {
    const log = newLogPath();
    const directory = temporaryDirectory();
    const file = join(directory, "in");
    const lines = Array.from({ length: 20_000 }, (_, i) => `{"n":${i},"x":"${"x".repeat(80)}"}\n`).join("");
    writeFileSync(file, lines);
    const full = spawnSync(
      "bash",
      [
        "-c",
        'ulimit -f 1000; "$1" "$2" import "$3" "$4" --format ndjson',
        "bash",
        process.execPath,
        mainPath,
        log,
        file,
      ],
      { encoding: "utf8" },
    );
    expect({ code: full.status, text: full.stdout }).toEqual({ code: 4, text: "" });
    const skip = /records? were imported.*; the next seq is (\d+)\. To go on: --skip (\d+)\n/.exec(full.stderr);
    expect(skip?.[1]).toBe(skip?.[2]);
    expect(await seqlogJson(["stats", log])).toMatchObject({ nextSeq: Number(skip?.[1]) });
    expect((await seqlog(["import", log, file, "--format", "ndjson", "--skip", skip?.[2] ?? ""])).code).toBe(0);
    expect((await seqlog(["cat", log])).text).toBe(lines);
  });

  test("refuses options that do not go together", async () => {
    const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [["import", "x"], /required option '--format <format>' not specified/],
      [["import", "x", "--format", "xml"], /ndjson, csv, frames/],
      [["import", "x", "--format", "frames", "--exported"], /--exported is for ndjson and csv/],
      [["import", "x", "--format", "ndjson", "--column", "a"], /--column is for --format csv/],
      [["import", "x", "--format", "csv", "--column", "a", "--exported"], /both say what to store/],
      [["import", "x", "--format", "csv", "--delimiter", '"'], /one ASCII character/],
      [["import", "x", "--format", "csv", "--delimiter", ",,"], /one ASCII character/],
      [["import", "x.log", "--format", "csv", "--codec", "json"], /no place to keep it/],
      [["export", "x", "--format", "yaml"], /ndjson, csv, frames/],
      [["export", "x", "--from", "1", "--since", "1h"], /--from and --since say the same/],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runInProcess(args);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(stderr).toMatch(message);
    }
  });
});

describe("memory does not grow with the input", () => {
  const megabyte = 1024 * 1024;

  /** The most memory that a command had, in bytes; its input is written as it takes it. */
  async function mostMemory(args: readonly string[], input: readonly Uint8Array[]): Promise<number> {
    const directory = temporaryDirectory();
    const hook = join(directory, "hook.cjs");
    const result = join(directory, "result");
    writeFileSync(
      hook,
      `process.on("exit", () => require("fs").writeFileSync(${JSON.stringify(result)}, String(process.resourceUsage().maxRSS)));`,
    );
    const running = new SeqlogProcess(args, { env: { NODE_OPTIONS: `--require ${hook}` } });
    for (const piece of input) {
      if (running.child.stdin?.write(piece) === false) {
        await new Promise((resolve) => running.child.stdin?.once("drain", resolve));
      }
    }
    running.end();
    const { code, stderr } = await running.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return Number(readFileSync(result, "utf8")) * 1024;
  }

  const line = (json: string): Buffer => Buffer.from(`${json}\n`.repeat(Math.floor(megabyte / (json.length + 1))));
  const inputs = {
    ndjson: line(`{"a":"${"x".repeat(1000)}"}`),
    csv: line(`"${"x".repeat(500)}",${"y".repeat(500)}`),
    frames: Buffer.concat([Buffer.from(new Uint32Array([megabyte]).buffer), Buffer.alloc(megabyte, "z")]),
  } as const;

  test.each(["ndjson", "csv", "frames"] as const)("of %s, going in and coming out", async (format) => {
    const head = format === "csv" ? [Buffer.from("a,b\n")] : [];
    const pieces = (count: number): Buffer[] => [...head, ...Array.from({ length: count }, () => inputs[format])];
    const log = newLogPath();
    const small = await mostMemory(["import", newLogPath(), "--format", format], pieces(12));
    const large = await mostMemory(["import", log, "--format", format], pieces(96));
    expect(large - small).toBeLessThan(64 * megabyte);
    const file = join(temporaryDirectory(), "out");
    const { records } = (await seqlogJson(["stats", log])) as { records: number };
    const eighth = String(records / 8);
    const few = await mostMemory(["export", log, "--format", format, "-o", file, "--limit", eighth], []);
    const all = await mostMemory(["export", log, "--format", format, "-o", file, "--force"], []);
    expect(all - few).toBeLessThan(64 * megabyte);
    rmSync(log, { recursive: true });
  });
});
