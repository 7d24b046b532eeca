import { PassThrough, Readable } from "node:stream";
import { expect, test } from "vitest";
import { readPieces } from "./read-pieces.ts";

async function allOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const texts: string[] = [];
  for await (const piece of pieces) texts.push(Buffer.from(piece).toString());
  return texts.join("");
}

const never = new AbortController().signal;

test("every piece comes, until the end", async () => {
  expect(await allOf(readPieces(Readable.from([Buffer.from("a"), Buffer.from("b")]), never))).toBe("ab");
  expect(await allOf(readPieces(Readable.from([]), never))).toBe("");
});

test("a piece comes before the next one is there", async () => {
  const input = new PassThrough();
  const pieces = readPieces(input, never);
  for (const text of ["a", "b"]) {
    const next = pieces.next();
    input.write(text);
    expect(String((await next).value)).toBe(text);
  }
});

test("after stop what had been taken still comes, and nothing after it", async () => {
  const input = new PassThrough();
  const stop = new AbortController();
  const pieces = readPieces(input, stop.signal);
  input.write("a");
  await pieces.next();
  input.write("b");
  input.write("c");
  stop.abort();
  expect(await allOf(pieces)).toBe("bc");
  expect(input.destroyed).toBe(true);
});

test("stop ends a wait", async () => {
  const input = new PassThrough();
  const stop = new AbortController();
  const text = allOf(readPieces(input, stop.signal));
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  expect(await text).toBe("");
});

test("what the input fails with is thrown, after what came before", async () => {
  const input = new PassThrough();
  const pieces = readPieces(input, never);
  input.write("a");
  expect(String((await pieces.next()).value)).toBe("a");
  const next = pieces.next();
  input.destroy(new Error("gone"));
  await expect(next).rejects.toThrow("gone");
});

test("input that was destroyed from elsewhere has ended", async () => {
  const input = new PassThrough();
  const text = allOf(readPieces(input, never));
  input.destroy();
  expect(await text).toBe("");
});
