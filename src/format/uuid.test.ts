import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Random } from "../storage/storage.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import {
  createIdSourceV4,
  createIdSourceV7,
  formatId,
  idLength,
  isRecordId,
  millisecondsOfId,
  parseId,
} from "./uuid.ts";

const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const id = fc.uint8Array({ minLength: idLength, maxLength: idLength });

function constant(byte: number): Random {
  return { fill: (target) => void target.fill(byte) };
}

test("version 4: random bits, version 4, variant 10", () => {
  const ids = createIdSourceV4(new SeededRandom("v4"));
  const seen = new Set<string>();
  const bytes = new Uint8Array(idLength);
  for (let i = 0; i < 5000; i++) {
    ids.write(bytes, 0);
    seen.add(formatId(bytes, 0));
  }
  expect(seen.size).toBe(5000);
  for (const text of seen)
    expect(text).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("only version and variant are not random: all ones and all zeros go through", () => {
  const bytes = new Uint8Array(idLength);
  createIdSourceV4(constant(0xff)).write(bytes, 0);
  expect(formatId(bytes, 0)).toBe("ffffffff-ffff-4fff-bfff-ffffffffffff");
  createIdSourceV4(constant(0)).write(bytes, 0);
  expect(formatId(bytes, 0)).toBe("00000000-0000-4000-8000-000000000001");
  createIdSourceV7(constant(0xff), () => 0, 0).write(bytes, 0);
  expect(formatId(bytes, 0)).toBe("00000000-0000-7fff-bfff-ffffffffffff");
});

test("an id never ends in 0x00, and 0x01 stands in its place", () => {
  const random: Random = { fill: (target) => target.forEach((_, i) => (target[i] = i % 3 === 0 ? 0 : 0xa5)) };
  const sources = [createIdSourceV4(random), createIdSourceV7(random, () => 5, 0)];
  const bytes = new Uint8Array(idLength);
  const last = new Set<number>();
  for (let i = 0; i < 200; i++) {
    for (const source of sources) {
      source.write(bytes, 0);
      last.add(bytes[idLength - 1] as number);
    }
  }
  expect([...last].sort()).toEqual([1, 0xa5]);
});

test("an id is written at its place and nowhere else", () => {
  const bytes = new Uint8Array(40).fill(0xee);
  createIdSourceV4(new SeededRandom(1)).write(bytes, 12);
  expect(bytes.subarray(0, 12).every((byte) => byte === 0xee)).toBe(true);
  expect(bytes.subarray(28).every((byte) => byte === 0xee)).toBe(true);
  expect(isRecordId(bytes, 12)).toBe(true);
});

test("version 7 holds the milliseconds, whatever 48 bits they are", () => {
  fc.assert(
    fc.property(u48, (ms) => {
      const bytes = new Uint8Array(idLength);
      const source = createIdSourceV7(constant(0x5a), () => ms, 0);
      source.begin();
      source.write(bytes, 0);
      expect(millisecondsOfId(bytes, 0)).toBe(ms);
      expect(formatId(bytes, 0).replace("-", "").slice(0, 12)).toBe(ms.toString(16).padStart(12, "0"));
      expect(isRecordId(bytes, 0)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("the milliseconds of every 48 bits are read back, and version 4 has none", () => {
  fc.assert(
    fc.property(id, (bytes) => {
      bytes[6] = 0x70 | ((bytes[6] as number) & 15);
      expect(millisecondsOfId(bytes, 0)).toBe(Buffer.from(bytes).readUIntBE(0, 6));
      bytes[6] = 0x40;
      expect(millisecondsOfId(bytes, 0)).toBeNaN();
    }),
    { numRuns: 500 },
  );
});

test("the milliseconds of version 7 never go back, whatever the clock does", () => {
  fc.assert(
    fc.property(u48, fc.array(u48, { minLength: 1, maxLength: 50 }), (notBefore, clock) => {
      const times = [...clock];
      const source = createIdSourceV7(new SeededRandom("v7"), () => times.shift() ?? 0, notBefore);
      const bytes = new Uint8Array(idLength);
      let highest = notBefore;
      for (const now of clock) {
        source.begin();
        source.write(bytes, 0);
        highest = Math.max(highest, now);
        expect(millisecondsOfId(bytes, 0)).toBe(highest);
      }
    }),
    { numRuns: 200 },
  );
});

test("a clock that says nothing sensible is held at the last value", () => {
  const bytes = new Uint8Array(idLength);
  const source = createIdSourceV7(new SeededRandom(0), () => NaN, 77);
  source.begin();
  source.write(bytes, 0);
  expect(millisecondsOfId(bytes, 0)).toBe(77);
});

test("only variant 10 with version 4 or 7 is an id of a record", () => {
  fc.assert(
    fc.property(id, (bytes) => {
      const [version, variant] = [(bytes[6] as number) >> 4, (bytes[8] as number) >> 6];
      expect(isRecordId(bytes, 0)).toBe(variant === 2 && (version === 4 || version === 7));
    }),
    { numRuns: 1000 },
  );
  expect(isRecordId(new Uint8Array(16), 0)).toBe(false);
  expect(isRecordId(new Uint8Array(16).fill(255), 0)).toBe(false);
});

test("text and bytes of an id are the same thing, also in upper case", () => {
  fc.assert(
    fc.property(id, (bytes) => {
      const text = formatId(bytes, 0);
      expect(text).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(parseId(text)).toEqual(bytes);
      expect(parseId(text.toUpperCase())).toEqual(bytes);
    }),
    { numRuns: 300 },
  );
});

test.each([
  "",
  "01890a5d",
  "01890a5dac96774bbcceb302099a8057",
  "{01890a5d-ac96-774b-bcce-b302099a8057}",
  "01890a5d-ac96-774b-bcce-b302099a805g",
  "01890a5d-ac96-774b-bcce-b302099a8057\n",
])("%j is not an id", (text) => {
  expect(() => parseId(text)).toThrow(TypeError);
});
