/** Data that was stored to make looking for records expensive. */
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { StorageFile } from "../storage/storage.ts";
import { findRecord } from "./find-record.ts";
import { scanSegment } from "./scan-segment.ts";

/** Writes a header with a valid id. */
function writeHeader(target: Buffer, at: number, length: number, crc: number): void {
  target.writeUInt32LE(length, at);
  target.writeBigUInt64LE(BigInt(at), at + 4);
  target.writeUInt32LE(crc, at + 12);
  target[at + 22] = 0x40;
  target[at + 24] = 0x80;
  target[at + 31] = 1;
}

type Kind = "claims" | "records and claims" | "claims of different lengths";

/** A damaged record whose data is full of headers, most of which claim the rest of the file and are wrong. */
function hostile(length: number, kind: Kind): Buffer {
  const content = Buffer.alloc(length);
  writeHeader(content, 0, length - 32, 123);
  for (let at = 32, i = 0; at + 32 <= length; at += 32, i++) {
    const left = length - at - 32;
    if (kind === "records and claims" && i % 2 === 0) writeHeader(content, at, 0, 0);
    else writeHeader(content, at, kind === "claims of different lengths" ? left - (left % (1 + (i % 97))) : left, 1);
  }
  return content;
}

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

/** Scans it as a whole file without a record index. */
async function scan(content: Buffer, reached: () => void = () => {}): Promise<{ bytesRead: number; records: number }> {
  const { file, bytesRead } = fileOf(content);
  let records = 0;
  await scanSegment(
    { file, end: content.length, base: 0, index: undefined },
    { found: (item) => void (records += item.kind === "records" ? item.starts.length : 0), reached },
  );
  return { bytesRead: bytesRead(), records };
}

const sizes = [512 * 1024, 1024 * 1024] as const;

describe.each<Kind>(["claims", "records and claims", "claims of different lengths"])("%s", (kind) => {
  test("twice as much of it costs twice as many bytes, not four times", async () => {
    const [small, large] = [await scan(hostile(sizes[0], kind)), await scan(hostile(sizes[1], kind))];
    expect(large.bytesRead).toBeLessThan(2.5 * small.bytesRead);
    // No more than two blocks for each header, beside the file itself.
    expect(large.bytesRead).toBeLessThan(3 * sizes[1] + (sizes[1] / 32) * 8192);
    expect(large.records).toBe(kind === "records and claims" ? sizes[1] / 64 : 0);
  });

  test("the search can be ended long before it is through", async () => {
    const { file, bytesRead } = fileOf(hostile(sizes[1], kind));
    const stop = new Error("enough");
    let calls = 0;
    const looked = (): void => {
      if (++calls === 50) throw stop;
    };
    const ended = scanSegment({ file, end: sizes[1], base: 0, index: undefined }, { found: () => {}, reached: looked });
    await expect(ended).rejects.toBe(stop);
    expect(bytesRead()).toBeLessThan(5 * sizes[1]);
  });
});

test("a whole record behind thousands of headers that are wrong is found, long or short", async () => {
  for (const length of [10, 300_000]) {
    const content = hostile(600_000, "claims");
    const at = 200_000 + 13;
    content.fill(0x20, at, at + 32 + length);
    writeHeader(content, at, length, crc32(Buffer.alloc(length, 0x20)));
    const { file } = fileOf(content);
    const found = await findRecord(
      file,
      1,
      content.length,
      () => true,
      () => {},
    );
    expect(found).toBe(at);
  }
});

test("of many damaged records in a piece the file is not read again for each", async () => {
  const count = 20_000;
  const content = Buffer.alloc(count * 64, 0x20);
  const crc = crc32(Buffer.alloc(32, 0x20));
  for (let i = 0; i < count; i++) writeHeader(content, i * 64, 32, i % 2 === 0 ? crc : crc ^ 1);
  const { bytesRead, records } = await scan(content);
  expect(records).toBe(count / 2);
  expect(bytesRead).toBeLessThan(3 * content.length);
});
