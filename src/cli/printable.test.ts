import { expect, test } from "vitest";
import { decodeLossy, printableJson, printableLine, printableText } from "./printable.ts";

const hostile = "a\x1b[31mred\x07\x00\r\n\tb\x7f\x9b1m\u202egnp\u2066\ud800é😀";

test("a printable line has no control character and no direction mark", () => {
  expect(printableLine(hostile)).toBe(String.raw`a\x1b[31mred\x07\x00\r\n\tb\x7f\x9b1m\u{202e}gnp\u{2066}\u{d800}é😀`);
});

test("printable text keeps line feeds and tabs alone", () => {
  expect(printableText("a\tb\nc\rd\x1be")).toBe("a\tb\nc\\rd\\x1be");
});

test("printable JSON means the same as before", () => {
  const json = JSON.stringify({ hostile });
  const safe = printableJson(json);
  expect(JSON.parse(safe)).toEqual(JSON.parse(json));
  expect(printableLine(safe)).toBe(safe);
});

test("bytes that are not UTF-8 become U+FFFD, and a byte order mark stays", () => {
  expect(decodeLossy(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff]))).toBe("\ufeffa\ufffd");
});
