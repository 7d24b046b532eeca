import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { asSeq } from "../numbers.ts";
import {
  type StoredCheckpoint,
  checkpointFileLength,
  decodeSlot,
  encodeSlot,
  validSlots,
  slotLength,
  slotPositions,
} from "./checkpoint-slot.ts";

const logId = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
const lastId = "01890a5d-ac96-774b-bcce-b302099a8057";

function stored(counter: number, nextSeq: number, id: string | null = lastId, isMirror = false): StoredCheckpoint {
  return { counter, checkpoint: { logId, generation: 2, nextSeq: asSeq(nextSeq), lastId: id }, isMirror };
}

function file(one: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(checkpointFileLength);
  bytes.set(one, slotPositions[0]);
  bytes.set(other, slotPositions[1]);
  return bytes;
}

test.each([
  stored(1, 0, null),
  stored(2, 1002),
  stored(3, 1002, lastId, true),
  stored(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
])("a checkpoint comes back from its bytes: %j", (checkpoint) => {
  const bytes = encodeSlot(checkpoint);
  expect(bytes).toHaveLength(slotLength);
  expect(decodeSlot(bytes)).toEqual(checkpoint);
});

const newest = (bytes: Uint8Array): StoredCheckpoint | undefined => validSlots(bytes)[0];

test("each turned-over bit makes a slot invalid", () => {
  const bytes = encodeSlot(stored(7, 1002));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(decodeSlot(damaged), `bit ${bit}`).toBeUndefined();
  }
});

test("a slot torn at any byte is what it was, what it was to be, or invalid, and the other one stands", () => {
  const before = encodeSlot(stored(5, 900));
  const other = encodeSlot(stored(6, 950));
  const after = encodeSlot(stored(7, 1002));
  for (let cut = 0; cut <= slotLength; cut++) {
    const torn = Uint8Array.from([...after.subarray(0, cut), ...before.subarray(cut)]);
    const backward = Uint8Array.from([...before.subarray(0, cut), ...after.subarray(cut)]);
    for (const bytes of [torn, backward]) {
      const isWhole = Buffer.compare(bytes, after) === 0;
      expect(newest(file(bytes, other)), `cut at ${cut}`).toEqual(isWhole ? stored(7, 1002) : stored(6, 950));
    }
  }
});

test("the newer of two slots counts, wherever it is; a file without one has none", () => {
  expect(newest(file(encodeSlot(stored(3, 10)), encodeSlot(stored(4, 20))))).toEqual(stored(4, 20));
  expect(newest(file(encodeSlot(stored(5, 30)), encodeSlot(stored(4, 20))))).toEqual(stored(5, 30));
  expect(newest(new Uint8Array(checkpointFileLength))).toBeUndefined();
  expect(newest(new Uint8Array(0))).toBeUndefined();
  // A file that was cut still has its first slot.
  expect(newest(encodeSlot(stored(3, 10)))).toEqual(stored(3, 10));
});

test("the slot of the example in FORMAT.md says what the page says, and the code writes the same bytes", () => {
  const page = readFileSync(new URL("../format/FORMAT.md", import.meta.url), "utf8");
  const start = page.indexOf("```\n", page.indexOf("<!-- example: checkpoint slot -->")) + 4;
  const lines = page.slice(start, page.indexOf("```", start)).split("\n");
  const hex = lines.flatMap((line) => (line.split("  ")[0] ?? "").split(" ")).filter((byte) => byte !== "");
  const bytes = Uint8Array.from(hex, (byte) => Number.parseInt(byte, 16));
  expect(decodeSlot(bytes)).toEqual(stored(7, 1002));
  expect(encodeSlot(stored(7, 1002))).toEqual(bytes);
  // A mirror differs in the magic, and so in the CRC, alone.
  const mirror = encodeSlot(stored(7, 1002, lastId, true));
  expect(Buffer.from(mirror.subarray(0, 8)).toString()).toBe("seqlogM1");
  expect(mirror.subarray(8, 64)).toEqual(bytes.subarray(8, 64));
});
