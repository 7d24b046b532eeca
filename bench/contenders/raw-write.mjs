/**
 * The least that a durable batch can cost: the same bytes by one `writeSync` on an O_DSYNC
 * descriptor into a file that was filled with zeros before, so that no metadata changes. No
 * encoding, no checksums, no index.
 */
import { closeSync, constants, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

export const about = {
  name: "raw write",
  version: "O_DSYNC writeSync, prefilled",
  guarantee: "the bytes alone, on the disk when the call returns; no log can be faster",
  isDurable: true,
};

/** @throws where O_DSYNC does not mean what it says */
export function probe() {
  if (process.platform !== "linux") throw new Error("O_DSYNC is used on Linux only");
}

const fileBytes = 64 * 1024 * 1024;
const headerLength = 32;

export function open(dir) {
  const path = join(dir, "raw");
  const zeros = Buffer.alloc(1024 * 1024);
  const filling = openSync(path, "w");
  for (let at = 0; at < fileBytes; at += zeros.length) writeSync(filling, zeros);
  fsyncSync(filling);
  closeSync(filling);
  const fd = openSync(path, constants.O_WRONLY | constants.O_DSYNC);
  const blocks = new Map();
  let offset = 0;
  return {
    appendManySync(items) {
      const length = items.length * (headerLength + items[0].length);
      let block = blocks.get(items);
      if (block === undefined) {
        block = Buffer.concat(items.map((item) => Buffer.concat([Buffer.alloc(headerLength), item])));
        blocks.set(items, block);
      }
      if (offset + length > fileBytes) offset = 0;
      if (writeSync(fd, block, 0, length, offset) !== length) throw new Error("short write");
      offset += length;
    },
    close: () => closeSync(fd),
  };
}
