/** The disk without a log: what the same bytes cost when they are only written, or only read. */
import * as path from "node:path";
import { nodeMachine } from "../../storage/node-machine.ts";
import { nodeStorage } from "../../storage/node-storage.ts";
import type { StorageFile } from "../../storage/storage.ts";
import { writeFullySync } from "../../storage/write-fully.ts";
import { blocking } from "./drive.ts";
import type { Sizes } from "./measurement.ts";
import type { Sample, Span } from "./meter.ts";

const pieceBytes = 1024 * 1024;

const filledBytes = 32 * 1024 * 1024;

/** Incompressible. */
function randomBlock(length: number): Uint8Array {
  const block = new Uint8Array(length);
  nodeMachine.random.fill(block);
  return block;
}

/** The same bytes at the end of a file, and an fsync: what any log has to do. */
export async function writeAndFsync(
  directory: string,
  records: number,
  { recordBytes }: Sizes,
  span: Span,
): Promise<Sample> {
  const block = randomBlock(records * recordBytes);
  const file = nodeStorage.openSync(path.join(directory, "grown"), "create-new");
  let offset = 0;
  const append = (): number => {
    writeFullySync(file, block, offset);
    file.fsyncSync();
    offset += block.length;
    return records;
  };
  try {
    return await blocking(append, span);
  } finally {
    file.closeSync();
  }
}

/** A file of zeros that are on the disk, so that writing into it changes nothing but them. */
export function fillFile(at: string): void {
  const file = nodeStorage.openSync(at, "create-new");
  try {
    const zeros = new Uint8Array(pieceBytes);
    for (let offset = 0; offset < filledBytes; offset += pieceBytes) writeFullySync(file, zeros, offset);
    file.fsyncSync();
  } finally {
    file.closeSync();
  }
}

/** One record's bytes into a filled file: the least that a durable write can cost. */
export async function overwriteDurably(filled: string, { recordBytes }: Sizes, span: Span): Promise<Sample> {
  const block = randomBlock(recordBytes);
  const file = nodeStorage.openSync(filled, "write", { dsync: true });
  let offset = 0;
  const write = (): number => {
    if (offset + block.length > filledBytes) offset = 0;
    writeFullySync(file, block, offset);
    if (!nodeStorage.hasDsync) file.fsyncSync();
    offset += block.length;
    return 1;
  };
  try {
    return await blocking(write, span);
  } finally {
    file.closeSync();
  }
}

/** Reads a log's segments again and again, 1 MiB at a time, and looks at nothing. */
export async function readRaw(log: string, { recordBytes }: Sizes, span: Span): Promise<Sample> {
  const files: StorageFile[] = [];
  const piece = new Uint8Array(pieceBytes);
  try {
    for (const name of nodeStorage.listSync(log)) {
      if (name.endsWith(".log")) files.push(nodeStorage.openSync(path.join(log, name), "read"));
    }
    let at = 0;
    let offset = 0;
    const next = (): number => {
      const read = (files[at] as StorageFile).readSync(piece, offset);
      offset += read;
      // Short: the end of this file.
      if (read < pieceBytes) {
        at = (at + 1) % files.length;
        offset = 0;
      }
      return read / recordBytes;
    };
    return await blocking(next, span);
  } finally {
    for (const file of files) file.closeSync();
  }
}
