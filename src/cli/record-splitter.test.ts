/** Lines, frames and NDJSON: the ways of input to become records. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameSplitter } from "./frame-splitter.ts";
import { LineSplitter } from "./line-splitter.ts";
import { NdjsonSplitter } from "./ndjson-splitter.ts";
import type { RecordSplitter } from "./record-splitter.ts";
import { UsageError } from "./usage-error.ts";

/** What came out, and what stopped it. */
interface Outcome {
  readonly records: Buffer[];
  readonly fault: UsageError | undefined;
}

/** Feeds the input in pieces of the lengths given, over and over. */
function feed(splitter: RecordSplitter, input: Uint8Array, lengths: readonly number[] = [input.length]): Outcome {
  const records: Uint8Array[] = [];
  let fault: UsageError | undefined;
  try {
    for (let at = 0, i = 0; at < input.length; i++) {
      const length = Math.max(1, lengths[i % lengths.length] ?? 1);
      splitter.push(input.subarray(at, at + length), records);
      at += length;
    }
    splitter.end(records);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fault = error;
  }
  return { records: records.map((record) => Buffer.from(record)), fault };
}

const pieceLengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });

describe("lines", () => {
  const split = (text: string): string[] => feed(new LineSplitter(1_000), Buffer.from(text)).records.map(String);

  test("are records without their line feeds", () => {
    expect(split("a\nb\n")).toEqual(["a", "b"]);
    expect(split("a\nb")).toEqual(["a", "b"]);
    expect(split("")).toEqual([]);
    expect(split("\n")).toEqual([""]);
    expect(split("a\n\n\nb\r\n")).toEqual(["a", "", "", "b\r"]);
  });

  test("may come in pieces cut anywhere, also inside a character", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), pieceLengths, (lines, lengths) => {
        const records = lines.map((line) => Buffer.from(line.filter((byte) => byte !== 0x0a)));
        const input = Buffer.concat(records.flatMap((record) => [record, Buffer.from("\n")]));
        expect(feed(new LineSplitter(40), input, lengths)).toEqual({ records, fault: undefined });
      }),
    );
  });

  test("that are too long are named, after the lines before them", () => {
    for (const lengths of [[1_000], [3], [1]]) {
      const { records, fault } = feed(new LineSplitter(5), Buffer.from("12345\nb\n123456\nc\n"), lengths);
      expect(fault?.message).toBe("line 3 is longer than 5 bytes, the most that one record holds");
      expect(records.map(String)).toEqual(["12345", "b"]);
    }
  });

  test("without an end are refused before they are held", () => {
    const splitter = new LineSplitter(1_024);
    const piece = Buffer.alloc(1_000, "x");
    splitter.push(piece, []);
    expect(() => splitter.push(piece, [])).toThrow("line 1 is longer");
    expect(splitter.unfinishedBytes).toBe(1_000);
  });
});

describe("frames", () => {
  const frame = (record: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(record.length);
    return Buffer.concat([length, record]);
  };

  test("may come in pieces cut anywhere", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), pieceLengths, (data, lengths) => {
        const records = data.map((bytes) => Buffer.from(bytes));
        const input = Buffer.concat(records.map(frame));
        expect(feed(new FrameSplitter(40), input, lengths)).toEqual({ records, fault: undefined });
      }),
    );
  });

  test("that end too early are named by their byte position", () => {
    const whole = frame(Buffer.from("abc"));
    for (const [cut, expected] of [
      [1, "1 of at least 4"],
      [4, "4 of 7"],
      [6, "6 of 7"],
    ] as const) {
      const { records, fault } = feed(new FrameSplitter(40), Buffer.concat([whole, whole.subarray(0, cut)]));
      expect(fault?.message).toBe(`the input ends inside the frame that starts at byte 7: ${expected} bytes are there`);
      expect(records.map(String)).toEqual(["abc"]);
    }
  });

  test("that are too long are refused before they are held", () => {
    const { records, fault } = feed(new FrameSplitter(40), Buffer.from("\0\0\0\0\xff\xff\xff\xff....", "latin1"));
    expect(fault?.message).toBe("the frame at byte 4 has a length of 4294967295 bytes; one record holds at most 40");
    expect(records).toHaveLength(1);
  });
});

describe("NDJSON", () => {
  const check = (text: string | Uint8Array): Outcome => feed(new NdjsonSplitter(1_000), Buffer.from(text), [7]);

  test("is stored as it is", () => {
    const lines = ['{"a": 1.0}', "[]", ' "é" ', "null\r", "12345678901234567890"];
    expect(check(lines.join("\n"))).toEqual({ records: lines.map((line) => Buffer.from(line)), fault: undefined });
  });

  test("stops at the first line that is not JSON, with the place and what was found", () => {
    const faults: Readonly<Record<string, string>> = {
      "": "line 2, column 1: expected a value, the line ends",
      "{": 'line 2, column 2: expected a key in double quotes or "}", the line ends',
      '{"a":1': 'line 2, column 7: expected "," or the closing bracket, the line ends',
      '{"a":1,}': 'line 2, column 8: expected a key in double quotes, found "}"',
      "{'a':1}": 'line 2, column 2: expected a key in double quotes or "}", found "\'a\':1}"',
      '{"a" 1}': 'line 2, column 6: expected ":", found "1}"',
      "[1,,2]": 'line 2, column 4: expected a value, found ",2]"',
      "[1 2]": 'line 2, column 4: expected "," or the closing bracket, found "2]"',
      "[1}": 'line 2, column 3: expected "," or the closing bracket, found "}"',
      '{"a":1} x': 'line 2, column 9: expected nothing more, found "x"',
      nul: 'line 2, column 1: expected a value, found "nul"',
      "01": 'line 2, column 2: expected nothing more, found "1"',
      '"a\tb"': 'line 2, column 3: expected the rest of a string, found "\\tb""',
      '"\\x"': 'line 2, column 2: expected the rest of a string, found "\\x""',
      '"abc': "line 2, column 5: expected the rest of a string, the line ends",
      "2026-05-01 10:00:00 started": 'line 2, column 5: expected nothing more, found "-05-01 10:00:00 star…"',
      "\x1b[2J": 'line 2, column 1: expected a value, found "\\x1b[2J"',
      "\ufeff{}": 'line 2, column 1: expected a value, found "\ufeff{}"',
    };
    for (const [line, message] of Object.entries(faults)) {
      const { records, fault } = check(`{"before":1}\n${line}\n{"after":1}\n`);
      expect(fault?.message).toBe(message);
      expect(records.map(String)).toEqual(['{"before":1}']);
    }
  });

  test("may be long and deep where it is wrong", () => {
    const long = `"${"\\n".repeat(1_000_000)}\\q"`;
    const deep = "[".repeat(1_000_000);
    for (const line of [long, deep]) {
      const { fault } = feed(new NdjsonSplitter(10_000_000), Buffer.from(`${line}\n`));
      expect(fault?.facts["column"]).toBe(line === long ? long.length - 2 : deep.length + 1);
    }
  });

  test("must be UTF-8", () => {
    const { fault } = check(Buffer.from('"a\xff"\n', "latin1"));
    expect(fault?.message).toBe("line 1 is not UTF-8, so it is not JSON");
  });

  test("names the earlier fault when a later line is too long", () => {
    const { fault } = feed(new NdjsonSplitter(5), Buffer.from("oops\n1234567\n"));
    expect(fault?.message).toMatch(/^line 1, column 1/);
  });

  test("is found to be wrong wherever JSON.parse finds it wrong", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), (json, place, change) => {
        const at = place % (json.length + 1);
        const line = (json.slice(0, at) + change + json.slice(at + 1)).replaceAll("\n", " ").toWellFormed();
        const { records, fault } = feed(new NdjsonSplitter(100_000), Buffer.from(`${line}\n`));
        const position = Number(fault?.facts["column"] ?? 0) - 1;
        expect(position).toBeLessThanOrEqual(line.length);
        expect(records).toHaveLength(fault === undefined ? 1 : 0);
        expect(isJson(line)).toBe(fault === undefined);
      }),
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
