/** Checks as many records as one call can, and makes their index entries on the way. */
import { writeEntries } from "../format/checksums.ts";
import { entryLength } from "../format/index-entry.ts";
import { headerLength } from "../format/record.ts";
import { loadRecords, windowLength } from "../format/wasm/records-wasm.ts";
import { type Chunk, chunkOf, verifyChunk } from "./verify-chunk.ts";

/** Valid records that follow one another. */
export interface WalkedRecords {
  readonly count: number;
  /** Where each starts, from where the walk began. Made when it is asked for: who wants entries alone need not wait. */
  starts(): readonly number[];
  /** Their firm entries; the next walk may overwrite them. */
  readonly entries: Uint8Array;
  /** Where the last one ends, from where the walk began. */
  readonly end: number;
}

/** Where in a header the id's last byte is. */
const lastOfHeader = headerLength - 1;

/**
 * Goes on from `at` in the chunk, where record `seq` is to start, up to the first record that is not
 * whole in what one call looks at, or not valid: `verifyChunk` says which.
 * @param isOurs the records were written by us, whose ids never end in 0x00: one that does is torn
 */
export function walkWindow(chunk: Chunk, at: number, seq: number, seed: number, isOurs: boolean): WalkedRecords {
  const end = Math.min(chunk.bytes.length, at + windowLength);
  // One that is longer is not copied only to be refused.
  const isLong = end - at >= headerLength && chunk.view.getUint32(at, true) > windowLength - headerLength;
  const wasm = isLong ? undefined : loadRecords();
  if (wasm !== undefined) return wasm.walk(chunk.bytes, at, end, chunk.position + at, seq, seed, isOurs);
  return walkPlainly(chunkOf(chunk.bytes.subarray(at, end), chunk.position + at), seq, seed, isOurs);
}

/** The same without WebAssembly. */
export function walkPlainly(chunk: Chunk, seq: number, seed: number, isOurs: boolean): WalkedRecords {
  const { bytes, view, position } = chunk;
  const walked = verifyChunk(chunk, position + bytes.length, Infinity);
  const torn = isOurs ? walked.starts.findIndex((start) => bytes[start + lastOfHeader] === 0) : -1;
  const starts = torn < 0 ? walked.starts : walked.starts.slice(0, torn);
  const end = walked.starts[starts.length] ?? walked.end;
  const entries = new Uint8Array(starts.length * entryLength);
  writeEntries({ bytes, view, starts, end }, seq, seed, "firm", entries);
  return { count: starts.length, starts: () => starts, entries, end };
}
