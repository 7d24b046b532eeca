import fc from "fast-check";
import { expect, test } from "vitest";
import { VarintReader, varintLength, writeVarint } from "./varint.ts";

test("every whole number up to 2^53-1 comes back", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = new Uint8Array(10);
      const end = writeVarint(bytes, 1, value);
      expect(end - 1).toBe(varintLength(value));
      const reader = new VarintReader(bytes, 1);
      expect(reader.next()).toBe(value);
      expect(reader.at).toBe(end);
    }),
  );
});

test.each([
  [0, "00"],
  [127, "7f"],
  [128, "8001"],
  [300, "ac02"],
  [2 ** 32, "8080808010"],
  [Number.MAX_SAFE_INTEGER, "ffffffffffffff0f"],
])("%d is %s", (value, hex) => {
  const bytes = new Uint8Array(8);
  expect(Buffer.from(bytes.subarray(0, writeVarint(bytes, 0, value))).toString("hex")).toBe(hex);
});
