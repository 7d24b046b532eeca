import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Frame, decodeFrame, encodeFrame } from "./frame.ts";

const page = readFileSync(new URL("FRAME.md", import.meta.url), "utf8");

/** The bytes at the start of each line of an example; what is said of them stands behind two blanks. */
function bytesOf(name: string): Buffer {
  const marker = page.indexOf(`<!-- example: ${name} -->`);
  if (marker < 0) throw new Error(`FRAME.md has no example ${name}`);
  const start = page.indexOf("```\n", marker) + 4;
  const lines = page.slice(start, page.indexOf("```", start)).split("\n");
  return Buffer.from(lines.map((line) => (line.split("  ")[0] ?? "").replaceAll(" ", "")).join(""), "hex");
}

const examples: readonly (readonly [string, Frame])[] = [
  [
    "messages of a producer",
    {
      close: false,
      producer: { id: "p-1", epoch: 0, seq: 300 },
      streamSeq: undefined,
      lengths: Uint32Array.of(7, 1),
      payload: Buffer.from('{"a":1},2'),
    },
  ],
  [
    "the last text",
    { close: true, producer: undefined, streamSeq: "007", lengths: undefined, payload: Buffer.from("bye") },
  ],
];

test.each(examples)("the example %s is what the code writes and reads", (name, frame) => {
  expect(Buffer.from(encodeFrame(frame)).toString("hex")).toBe(bytesOf(name).toString("hex"));
  expect(decodeFrame(bytesOf(name))).toEqual(frame);
});
