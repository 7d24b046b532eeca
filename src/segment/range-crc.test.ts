import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import type { StorageFile } from "../storage/storage.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { RangeCrc } from "./range-crc.ts";

/** A file of these bytes that counts what is read of it. */
function fileOf(content: Uint8Array): { file: StorageFile; bytesRead: () => number } {
  let bytesRead = 0;
  const read = (target: Uint8Array, position: number): Promise<number> => {
    const piece = content.subarray(position, position + target.length);
    target.set(piece);
    bytesRead += piece.length;
    return Promise.resolve(piece.length);
  };
  return { file: { read } as StorageFile, bytesRead: () => bytesRead };
}

function randomBytes(length: number): Buffer {
  const content = Buffer.alloc(length);
  new SeededRandom("crcs").fill(content);
  return content;
}

test("is the CRC of the range, whatever its borders are and whatever was asked before", async () => {
  const content = randomBytes(3_000_000);
  const random = new SeededRandom("ranges");
  const crcs = new RangeCrc(fileOf(content).file, () => {});
  const border = (): number =>
    random.chance(0.5) ? random.int(content.length) : 4096 * random.int(700) + random.int(3) - 1;
  for (let i = 0; i < 1000; i++) {
    const [start = 0, end = 0] = [border(), border()].map((at) => Math.max(0, at)).sort((a, b) => a - b);
    expect([start, end, await crcs.of(start, end - start)]).toEqual([start, end, crc32(content.subarray(start, end))]);
  }
});

test("a range that the file is too short for has none", async () => {
  const content = randomBytes(10_000);
  const crcs = new RangeCrc(fileOf(content).file, () => {});
  expect(await crcs.of(9000, 1000)).toBe(crc32(content.subarray(9000)));
  for (const [start, length] of [
    [9000, 1001],
    [0, 10_001],
    [0, 20_000],
    [9999, 2],
    [10_000, 1],
    [30_000, 50_000],
  ] as const) {
    expect(await crcs.of(start, length)).toBe(-1);
  }
  expect(await crcs.of(1, 9999)).toBe(crc32(content.subarray(1)));
});

test("many long ranges are not read one by one, and a search can be ended between its reads", async () => {
  const content = randomBytes(4 * 1024 * 1024);
  const { file, bytesRead } = fileOf(content);
  let looked = 0;
  const crcs = new RangeCrc(file, () => looked++);
  for (let start = 0; start < 1000; start++) await crcs.of(start * 32, content.length - start * 32);
  expect(bytesRead()).toBeLessThan(2 * content.length);
  expect(looked).toBeGreaterThan(1000);
  const stop = new Error("enough");
  const stopped = new RangeCrc(file, () => {
    if (++looked % 3 === 0) throw stop;
  });
  looked = 0;
  await expect(stopped.of(0, content.length)).rejects.toBe(stop);
});
