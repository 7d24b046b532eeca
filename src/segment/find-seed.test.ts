import { expect, test } from "vitest";
import { writeEntry } from "../format/index-entry.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { seedFromCheck } from "./find-seed.ts";

test("the check of an entry runs back to the seed, whatever its numbers are", () => {
  const random = new SeededRandom("seeds");
  const view = new DataView(new ArrayBuffer(16));
  for (let i = 0; i < 2000; i++) {
    const seed = random.uint32();
    const seq = random.chance(0.5) ? random.int(1000) : random.uint32() * 2 ** 20 + random.int(2 ** 20);
    const offset = random.chance(0.5) ? random.int(2 ** 31) : random.uint32() * 2 ** 20 + random.int(2 ** 20);
    const headerCrc = random.uint32();
    writeEntry(view, 0, seed, seq, offset, headerCrc, "firm");
    expect(seedFromCheck(view.getUint32(12, true), seq, offset, headerCrc)).toBe(seed);
  }
});
