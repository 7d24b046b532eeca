import { describe, expect, test } from "vitest";
import { type GivenUp, bury, deadLetterOf, readDeadLetter } from "./dead-letter.ts";

const origin = { log: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", consumer: "billing", seq: 7, id: "id", time: null };

function givenUp(bytes: Uint8Array, error: unknown = new Error("bad")): GivenUp {
  return { origin, attempts: 3, error, bytes };
}

describe("a dead letter", () => {
  test.each([
    ["JSON of a JSON log is a value", '{"item":"tea","amount":3}', "json", "json", { item: "tea", amount: 3 }],
    ["JSON that would come back otherwise stays text", '{"amount": 1.0}', "json", "utf8", '{"amount": 1.0}'],
    ["what is no JSON in a JSON log stays text", "{", "json", "utf8", "{"],
    ["text of any other log is text", "17", "text", "utf8", "17"],
    ["and of a log of bytes", "é\u0000\uFEFF", null, "utf8", "é\u0000\uFEFF"],
    ["nothing is empty text", "", null, "utf8", ""],
  ])("%s", (_, stored, codec, encoding, data) => {
    const bytes = new Uint8Array(Buffer.from(stored));
    const letter = deadLetterOf(givenUp(bytes), codec);
    expect(letter).toEqual({ origin, attempts: 3, error: { name: "Error", message: "bad" }, encoding, data });
    expect(readDeadLetter(letter)).toEqual({ ...letter, bytes });
    expect(readDeadLetter(JSON.stringify(letter)).bytes).toEqual(bytes);
    expect(readDeadLetter(new TextEncoder().encode(JSON.stringify(letter))).bytes).toEqual(bytes);
  });

  test("bytes that are no text are base64", () => {
    const bytes = Uint8Array.of(0xff, 0, 1);
    expect(deadLetterOf(givenUp(bytes), "json")).toMatchObject({ encoding: "base64", data: "/wAB" });
    expect(readDeadLetter(deadLetterOf(givenUp(bytes), null)).bytes).toEqual(bytes);
  });

  test("the error may be anything that was thrown", () => {
    const thrown = (error: unknown): unknown => deadLetterOf(givenUp(new Uint8Array(0), error), null).error;
    expect(thrown(Object.create(null))).toEqual({ name: "Error", message: "something was thrown that has no text" });
    expect(thrown("just text")).toEqual({ name: "Error", message: "just text" });
    expect(deadLetterOf({ ...givenUp(new Uint8Array(0)), error: undefined }, null).error).toEqual({
      name: "Error",
      message: "it was refused without an error",
    });
    expect(thrown(Object.assign(new TypeError("t"), { code: "E_T" }))).toEqual({
      name: "TypeError",
      message: "t",
      code: "E_T",
    });
  });

  test.each([[undefined], [{}], ["{}"], ["17"], [{ origin, attempts: 1, error: {}, encoding: "rot13" }]])(
    "%j is none",
    (data) => {
      expect(() => readDeadLetter(data)).toThrow(TypeError);
    },
  );
});

test.each([
  ["characters that JSON escapes", "\u0000".repeat(30_000)],
  ["plain text", "x".repeat(30_000)],
  ["nothing", ""],
])("%s fit into a third more and 20 KiB, whatever was thrown", async (_, stored) => {
  const bytes = new Uint8Array(Buffer.from(stored));
  const long = "\u0001".repeat(100_000);
  const error = Object.assign(new Error(long), { name: long, code: long });
  const maxRecordBytes = (bytes.length * 4) / 3 + 20 * 1024;
  const kept: string[] = [];
  const log = {
    location: "/dead",
    codec: "text",
    append: async (text: string) => {
      await Promise.resolve();
      if (Buffer.byteLength(text) > maxRecordBytes) throw new RangeError("too large");
      kept.push(text);
    },
    flush: () => Promise.resolve(),
  };
  await bury(log, deadLetterOf(givenUp(bytes, error), null));
  const letter = readDeadLetter(kept[0]);
  expect(letter.bytes).toEqual(bytes);
  expect(letter.error.code).toBe(`${long.slice(0, 1000)}… (100000 characters)`);
});
