/**
 * The algorithm that seqlog began as: each record is encoded, written and synced before the next
 * one begins, under a lock, however many wait. In Node with the fastest calls there are; compiled
 * with Go it gives the same figures, since fsync is what it does.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { randomFillSync } from "node:crypto";
import { join } from "node:path";
import { crc32 } from "node:zlib";

export const about = {
  name: "the seed's algorithm",
  version: "writeSync + fsyncSync",
  guarantee: "one write and one fsync for each record before its acknowledgement",
  isDurable: true,
};

const headerLength = 32;
const pool = Buffer.alloc(65_536);

export function open(dir) {
  const fd = openSync(join(dir, "seed.log"), "a+");
  let buffer = Buffer.alloc(65_536);
  let view = new DataView(buffer.buffer, buffer.byteOffset);
  let offset = 0;
  let poolAt = pool.length;
  const offsets = [];

  function writeId(at) {
    if (poolAt === pool.length) {
      randomFillSync(pool);
      poolAt = 0;
    }
    for (let i = 0; i < 16; i++) buffer[at + i] = pool[poolAt + i];
    poolAt += 16;
    buffer[at + 6] = (buffer[at + 6] & 0x0f) | 0x40;
    buffer[at + 8] = (buffer[at + 8] & 0x3f) | 0x80;
  }

  function appendSync(data) {
    const length = headerLength + data.length;
    if (length > buffer.length) {
      buffer = Buffer.alloc(length);
      view = new DataView(buffer.buffer, buffer.byteOffset);
    }
    view.setUint32(0, data.length, true);
    view.setUint32(4, offset >>> 0, true);
    view.setUint32(8, Math.floor(offset / 2 ** 32), true);
    view.setUint32(12, crc32(data), true);
    writeId(16);
    buffer.set(data, headerLength);
    if (writeSync(fd, buffer, 0, length) !== length) throw new Error("short write");
    fsyncSync(fd);
    offsets.push(offset);
    offset += length;
  }

  return {
    appendSync,
    count() {
      offsets.length = 0;
      for (const at of recordStarts(fd)) offsets.push(at);
      return offsets.length;
    },
    get(number) {
      const head = Buffer.alloc(headerLength);
      readSync(fd, head, 0, headerLength, offsets[number]);
      const data = Buffer.alloc(head.readUInt32LE(0));
      readSync(fd, data, 0, data.length, offsets[number] + headerLength);
      return data;
    },
    close: () => closeSync(fd),
  };
}

/** By the chain of lengths in the file. */
function* recordStarts(fd) {
  const { size } = fstatSync(fd);
  const head = Buffer.alloc(4);
  for (let at = 0; at < size; at += headerLength + head.readUInt32LE(0)) {
    readSync(fd, head, 0, 4, at);
    yield at;
  }
}
