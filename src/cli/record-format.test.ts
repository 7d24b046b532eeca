/** How records look: in each format, into a pipe and on a terminal. */
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import type { LogRecord } from "../index.ts";
import { asOffset, asSeq } from "../numbers.ts";
import { parseFields } from "./fields.ts";
import { Output } from "./output.ts";
import { chosenFormat, parseFormat, recordFormat } from "./record-format.ts";
import { parsePattern } from "./record-pattern.ts";
import { RecordView } from "./record-view.ts";
import { terminalLineFormat } from "./terminal-line.ts";

const id = "01890a5d-ac96-774b-bcce-b302099a8057";

function record(data: string | Uint8Array, time: Date = new Date("2026-05-01T10:00:00Z")): LogRecord {
  const bytes = Buffer.from(data);
  const segment = "00000000000000000000.log";
  return { seq: asSeq(7), offset: asOffset(320), segment, id, time, bytes, data: bytes } as unknown as LogRecord;
}

/** What is written to a pipe, or to a terminal. */
async function written(isTTY: boolean, print: (output: Output) => void): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece);
      done();
    },
  });
  const output = new Output(Object.assign(stream, { isTTY }));
  print(output);
  await output.flush();
  return Buffer.concat(pieces);
}

function show(format: string, data: string | Uint8Array, isTTY = false, fields?: string): Promise<Buffer> {
  return written(isTTY, (output) => {
    const projection = fields === undefined ? undefined : parseFields(fields);
    recordFormat(parseFormat(format), output)(new RecordView(record(data), projection), output);
  });
}

const hostile = Buffer.from("a\x1b[2J\xff\n\x07b", "latin1");

describe("raw", () => {
  test("is exact bytes and a line feed in a pipe", async () => {
    expect(await show("raw", hostile)).toEqual(Buffer.concat([hostile, Buffer.from("\n")]));
    expect(String(await show("raw", ""))).toBe("\n");
  });

  test("has no control characters on a terminal", async () => {
    expect(String(await show("raw", hostile, true))).toBe("a\\x1b[2J\ufffd\n\\x07b\n");
  });
});

describe("json", () => {
  const head = `{"seq":7,"offset":320,"segment":"00000000000000000000.log","id":"${id}","time":"2026-05-01T10:00:00.000Z","data":`;

  test("holds JSON as JSON, to the last digit, on one line", async () => {
    expect(String(await show("json", '{ "n": 12345678901234567890,\r\n "x": 1.0 }\n'))).toBe(
      `${head}{ "n": 12345678901234567890,  "x": 1.0 }}\n`,
    );
  });

  test("holds text as a string and other bytes as base64", async () => {
    expect(String(await show("json", 'hé "quoted"'))).toBe(`${head}"hé \\"quoted\\""}\n`);
    expect(String(await show("json", ""))).toBe(`${head}""}\n`);
    expect(String(await show("json", "{broken"))).toBe(`${head}"{broken"}\n`);
    expect(String(await show("json", "\ufeff{}"))).toBe(`${head}"\ufeff{}"}\n`);
    expect(String(await show("json", new Uint8Array([0xff, 0])))).toBe(`${head}{"base64":"/wA="}}\n`);
  });

  test("has no control characters, also in a pipe", async () => {
    const shown = String(await show("json", '{"a":"\x7f\u009b\u202e"}'));
    expect(shown).toBe(`${head}{"a":"\\u007f\\u009b\\u202e"}}\n`);
  });

  test("has a null for the time of an id that holds none", async () => {
    const shown = await written(false, (output) => {
      recordFormat("json", output)(new RecordView(record("1", new Date(Number.NaN))), output);
    });
    expect(JSON.parse(String(shown))).toMatchObject({ time: null, data: 1 });
  });
});

test("hex is one line of digits", async () => {
  expect(String(await show("hex", new Uint8Array([0, 10, 255])))).toBe("000aff\n");
  expect(String(await show("hex", ""))).toBe("\n");
});

test("binary is length and bytes, and not for a terminal", async () => {
  expect(await show("binary", "abc")).toEqual(Buffer.from("\x03\0\0\0abc", "latin1"));
  await expect(show("binary", "abc", true)).rejects.toThrow(/not for a terminal/);
});

describe("a pattern", () => {
  test("has every part of a record", async () => {
    expect(String(await show("%s %o %i %t %d %l 100%%", "é"))).toBe(`7 320 ${id} 2026-05-01T10:00:00.000Z é 2 100%\n`);
  });

  test("ends with a line feed, once", async () => {
    expect(String(await show("%s\\n", "x"))).toBe("7\n");
    expect(String(await show("%d\\0", "x"))).toBe("x\0");
    expect(String(await show("a\\tb\\\\n%s\\r", "x"))).toBe("a\tb\\n7\r\n");
    expect(String(await show("%d", "x\n"))).toBe("x\n\n");
  });

  test("gives exact bytes to a pipe and safe text to a terminal", async () => {
    expect(await show("%d", hostile)).toEqual(Buffer.concat([hostile, Buffer.from("\n")]));
    expect(String(await show("%d|%l", hostile, true))).toBe("a\\x1b[2J\ufffd\n\\x07b|9\n");
  });

  test("with an unknown part is refused", () => {
    expect(() => parsePattern("%x")).toThrow(/has %x/);
    expect(() => parsePattern("%")).toThrow(/has %;/);
    expect(() => parsePattern("%s\\q")).toThrow(/has \\q/);
    expect(() => parsePattern("%constructor")).toThrow(/has %c/);
  });

  test("shows - for a time that the id does not hold", async () => {
    const shown = await written(false, (output) => {
      recordFormat({ pattern: "%t" }, output)(new RecordView(record("", new Date(Number.NaN))), output);
    });
    expect(String(shown)).toBe("-\n");
  });
});

test("fields are shown in place of the record in every format", async () => {
  const data = '{"a":1,"b":{"c":2,"d":3}}';
  expect(String(await show("raw", data, false, "b.c"))).toBe('{"b":{"c":2}}\n');
  expect(JSON.parse(String(await show("json", data, false, "b.c")))).toMatchObject({ seq: 7, data: { b: { c: 2 } } });
  expect(String(await show("%d %l", data, false, "a"))).toBe('{"a":1} 7\n');
  expect(String(await show("raw", "not json", false, "a"))).toBe("{}\n");
});

test("an unknown format is refused, and --json must agree with --format", () => {
  expect(() => parseFormat("jsno")).toThrow(/raw, json, hex, binary or a pattern/);
  expect(chosenFormat({ json: true, format: "json" })).toBe("json");
  expect(chosenFormat({ format: "hex" })).toBe("hex");
  expect(() => chosenFormat({ json: true, format: "hex" })).toThrow(/one of the two/);
});

describe("a line on a terminal", () => {
  const line = async (data: string | Uint8Array, useColours: boolean, time?: Date): Promise<string> =>
    String(await written(true, (output) => terminalLineFormat(useColours)(new RecordView(record(data, time)), output)));

  test("has seq, age and data without control characters", async () => {
    expect(await line(hostile, false, new Date(Number.NaN))).toBe("     7         -  a\\x1b[2J\ufffd\\n\\x07b\n");
  });

  test("colours keys, strings, numbers and words of JSON", async () => {
    const shown = await line('{"a":"x","n":-1.5e3,"t":[true,null]}', true, new Date(Number.NaN));
    const [cyan, green, yellow, magenta, off] = [36, 32, 33, 35, 39].map((code) => `\x1b[${code}m`);
    expect(shown).toContain(`${cyan}"a"${off}:${green}"x"${off}`);
    expect(shown).toContain(`${yellow}-1.5e3${off}`);
    expect(shown).toContain(`${magenta}true${off},${magenta}null${off}`);
  });

  test("is plain for text that only looks like JSON", async () => {
    expect(await line("true story, 42", true)).toMatch(/true story, 42\n$/);
  });
});
