import { expect, test } from "vitest";
import { acquireBuffer, maxBatchBytes, releaseBuffer } from "./buffer-pool.ts";

test("a buffer is at least as long as asked for, and its view is of the same bytes", () => {
  for (const length of [0, 1, 16 * 1024, 16 * 1024 + 1, 1024 * 1024, maxBatchBytes, maxBatchBytes + 1]) {
    const buffer = acquireBuffer(length);
    expect(buffer.bytes.length).toBeGreaterThanOrEqual(length);
    buffer.view.setUint8(0, 77);
    expect([buffer.bytes[0], buffer.view.byteLength]).toEqual([77, buffer.bytes.length]);
    releaseBuffer(buffer);
  }
});

test("two that are in use are never the same one", () => {
  const buffers = Array.from({ length: 50 }, () => acquireBuffer(100));
  expect(new Set(buffers.map(({ bytes }) => bytes.buffer)).size).toBe(50);
  for (const buffer of buffers) releaseBuffer(buffer);
});

test("one that was given back is used again", () => {
  const buffer = acquireBuffer(200_000);
  releaseBuffer(buffer);
  expect(acquireBuffer(200_000) === buffer).toBe(true);
  releaseBuffer(buffer);
});

test("no more than 32 MiB lie idle, and none of a size that is not kept", () => {
  const large = Array.from({ length: 6 }, () => acquireBuffer(maxBatchBytes));
  for (const buffer of large) releaseBuffer(buffer);
  const again = Array.from({ length: 6 }, () => acquireBuffer(maxBatchBytes));
  expect(again.filter((buffer) => large.includes(buffer)).length).toBeLessThanOrEqual(4);
  for (const buffer of again) releaseBuffer(buffer);
  const odd = acquireBuffer(maxBatchBytes + 5);
  releaseBuffer(odd);
  expect(acquireBuffer(maxBatchBytes + 5) === odd).toBe(false);
});
