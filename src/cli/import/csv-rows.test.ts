import fc from "fast-check";
import { expect, test } from "vitest";
import type { UsageError } from "../usage-error.ts";
import { type CsvRow, CsvRows } from "./csv-rows.ts";

interface Read {
  readonly header: readonly string[];
  /** Fields as bytes in latin1. */
  readonly rows: readonly (readonly string[])[];
  readonly lines: readonly number[];
  readonly fault: UsageError | undefined;
}

async function read(input: string | Uint8Array, pieceBytes = Infinity, delimiter = ","): Promise<Read> {
  const bytes = Buffer.from(input);
  let header: readonly string[] = [];
  const source = new CsvRows(1000, delimiter, (names) => {
    header = names;
  });
  const rows: CsvRow[] = [];
  let fault: UsageError | undefined;
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      await source.push(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)), rows);
    }
    await source.end(rows);
  } catch (error) {
    fault = error as UsageError;
  }
  return {
    header,
    rows: rows.map(({ fields }) => fields.map((field) => Buffer.from(field).toString("latin1"))),
    lines: rows.map(({ line }) => line),
    fault,
  };
}

const nasty = 'a,"b ""x"""\r\n1,\n"two\r\nlines, really",3\r\n,"\xe9"\n';

test("rows are read the same however the input is cut", async () => {
  const bytes = Buffer.from(nasty, "latin1");
  const whole = await read(bytes);
  expect(whole).toEqual({
    header: ["a", 'b "x"'],
    rows: [
      ["1", ""],
      ["two\r\nlines, really", "3"],
      ["", "\xe9"],
    ],
    lines: [2, 3, 5],
    fault: undefined,
  });
  for (let pieceBytes = 1; pieceBytes < 12; pieceBytes++) expect(await read(bytes, pieceBytes)).toEqual(whole);
});

test("a byte order mark is passed over, and only at the start", async () => {
  for (const pieceBytes of [1, 2, 3, 100]) {
    expect((await read("\uFEFFa\n\uFEFFb\n", pieceBytes)).header).toEqual(["a"]);
  }
  expect((await read("\uFEFFa\n\uFEFFb\n")).rows).toEqual([["\xef\xbb\xbfb"]]);
  expect((await read(Buffer.from([0xef, 0xbb]))).fault?.message).toBe("the header (line 1), column 1 is not UTF-8");
});

test("an input without rows, or without anything, has none", async () => {
  expect(await read("a,b")).toMatchObject({ header: ["a", "b"], rows: [], fault: undefined });
  expect(await read("")).toMatchObject({ header: [], rows: [], fault: undefined });
});

test("another delimiter", async () => {
  expect((await read("a;b\n1,5;2\n", 1, ";")).rows).toEqual([["1,5", "2"]]);
});

test("a fault comes after the rows before it, with its place", async () => {
  const long = "x".repeat(600);
  const cases: readonly (readonly [input: string, rows: number, message: string])[] = [
    ['a,b\n1,2\n3,"4', 1, 'row 2 (line 3), column 2 "b": the input ends inside a quoted field'],
    ['a,b\n1,"2"3\n', 0, 'row 1 (line 2), column 2 "b": after a quoted field there is something else'],
    ['a,b\n1,2\n3\n"x\ny",z"\n', 2, 'row 3 (line 4), column 2 "b": a quote inside a field'],
    [`a,b\n${long},${long}\n`, 0, 'row 1 (line 2), column 2 "b": the row is longer than 1000 bytes'],
    ['a"b\n', 0, "the header (line 1), column 1: a quote inside a field"],
    ["a,a\n", 0, 'the header (line 1), column 2: there is a "a" already'],
    ["a,,b\n", 0, "the header (line 1), column 2 has no name"],
  ];
  for (const [input, rows, message] of cases) {
    for (const pieceBytes of [1, 100_000]) {
      const { rows: found, fault } = await read(input, pieceBytes);
      expect(found).toHaveLength(rows);
      expect(fault).toMatchObject({ code: "INVALID_INPUT" });
      expect(fault?.message).toContain(message);
    }
  }
});

test("whatever is written with quotes is read back", async () => {
  const field = fc.string({ unit: fc.constantFrom('"', ",", "\r", "\n", "a", " ", "\0", "é") });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(field, field), { minLength: 1 }),
      fc.integer({ min: 1, max: 50 }),
      async (rows, n) => {
        const quoted = rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(","));
        const { rows: found, fault } = await read(["a,b", ...quoted].join("\r\n"), n);
        expect(fault).toBeUndefined();
        expect(found).toEqual(rows.map((row) => row.map((text) => Buffer.from(text).toString("latin1"))));
      },
    ),
  );
});
