/** The redo copy of a recovery that was interrupted: records that the segment itself may no longer hold. */
import { basename } from "node:path";
import { SeqlogError } from "../errors.ts";
import { crc32 } from "../format/crc32.ts";
import { headerAt, headerLength, readUint64 } from "../format/record.ts";
import { chunkOf } from "../segment/verify-chunk.ts";
import { crcOfRange } from "../segment/walk-chain.ts";
import { readAt, run } from "../storage/plan.ts";
import type { Storage } from "../storage/storage.ts";
import { type InputFile, openInputFile, overlay } from "./salvage-input.ts";

/** As `redo.ts` writes it. */
const trailerLength = 40;
const magic = Buffer.from("seqlogT1", "latin1");

/** The segment as it goes on in its redo copy; the segment alone where that is of no use. */
export async function withTail(
  storage: Storage,
  main: InputFile,
  path: string | undefined,
  note: (reason: string) => void,
): Promise<InputFile> {
  if (path === undefined) return main;
  let tail: InputFile | undefined;
  try {
    tail = openInputFile(storage, path);
    const found = await readTail(tail);
    const { size } = main.statSync();
    // The segment was cut where the copy starts, and ended with it before.
    if (found !== undefined && found.start <= size && size <= found.start + found.length) {
      note(`read on from offset ${found.start} in its redo copy ${basename(path)}`);
      return overlay(main, tail, found);
    }
  } catch (error) {
    if (!(error instanceof SeqlogError)) throw error;
  }
  tail?.closeSync();
  note(`its redo copy ${basename(path)} is not valid, and was not used`);
  return main;
}

/**
 * Where in the segment a redo copy belongs: by its trailer, else by the own offset of its first record.
 * It `leads` when it is whole.
 */
export async function readTail(
  tail: InputFile,
): Promise<{ start: number; length: number; leads: boolean } | undefined> {
  const { size } = tail.statSync();
  const trailer = await run(readAt(tail, Math.max(0, size - trailerLength), trailerLength));
  const { view } = chunkOf(trailer, 0);
  const isWhole =
    trailer.length === trailerLength &&
    magic.equals(trailer.subarray(0, magic.length)) &&
    crc32(trailer, 0, 36) === view.getUint32(36, true) &&
    readUint64(view, 24) === size - trailerLength;
  if (isWhole) {
    const length = size - trailerLength;
    const crc = await run(crcOfRange(tail, 0, length, new Uint8Array(Math.max(1, Math.min(1024 * 1024, length)))));
    return { start: readUint64(view, 8), length, leads: crc === view.getUint32(32, true) };
  }
  const header = await run(readAt(tail, 0, headerLength));
  if (header.length < headerLength) return undefined;
  const start = readUint64(chunkOf(header, 0).view, headerAt.offset);
  return Number.isSafeInteger(start + size) ? { start, length: size, leads: false } : undefined;
}
