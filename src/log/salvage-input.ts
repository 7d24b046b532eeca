/**
 * The input of a salvage: opened for reading and for nothing else, and read on where the device says
 * EIO. Blocks that cannot be read count as zeros, and `isReadable` says which they are.
 */
import { SeqlogError } from "../errors.ts";
import type { FileStat, Storage, StorageFile } from "../storage/storage.ts";
import { BlockRanges } from "./block-ranges.ts";

/** An unreadable byte costs as much as is around it; a page is what systems read at least. */
const blockLength = 4096;

/** A file that is read past its unreadable blocks. */
export interface InputFile extends StorageFile {
  /** Whether all of `[start, end)` that was asked for so far could be read. */
  isReadable(start: number, end: number): boolean;
  /** Bytes that could not be read. */
  readonly unreadableBytes: number;
}

/** Opens a file of the input. */
export function openInputFile(storage: Storage, path: string): InputFile {
  const file = storage.openSync(path, "read");
  const { size } = file.statSync();
  const unreadable = new BlockRanges();

  async function readBlocks(target: Uint8Array, position: number): Promise<number> {
    const length = Math.max(0, Math.min(target.length, size - position));
    for (let done = 0; done < length;) {
      const block = Math.floor((position + done) / blockLength);
      const end = Math.min(length, (block + 1) * blockLength - position);
      const piece = target.subarray(done, end);
      if (unreadable.meets(block, block + 1)) piece.fill(0);
      else {
        try {
          const read = await file.read(piece, position + done);
          if (read < piece.length) return done + read;
        } catch (error) {
          if (!isDeviceError(error)) throw error;
          unreadable.add(block);
          piece.fill(0);
        }
      }
      done = end;
    }
    return length;
  }

  return {
    ...refusing(path),
    get unreadableBytes() {
      return unreadable.count * blockLength;
    },
    isReadable(start, end) {
      return !unreadable.meets(Math.floor(start / blockLength), Math.ceil(end / blockLength));
    },
    statSync: () => file.statSync(),
    async read(target, position) {
      try {
        return await file.read(target, position);
      } catch (error) {
        if (!isDeviceError(error)) throw error;
        return await readBlocks(target, position);
      }
    },
    closeSync: () => file.closeSync(),
  };
}

function isDeviceError(error: unknown): boolean {
  return SeqlogError.is(error, "SEQLOG_IO") && error.facts.errno !== "EBADF";
}

/**
 * One file as another one goes on in it: `[start, start + length)` of what is seen are the first bytes
 * of `tail`, all of them or, unless it `leads`, those behind the end of `main`.
 */
export function overlay(
  main: InputFile,
  tail: InputFile,
  { start, length, leads }: { readonly start: number; readonly length: number; readonly leads: boolean },
): InputFile {
  const size = main.statSync().size;
  const from = leads ? start : Math.max(start, size);
  const end = start + length;
  return {
    ...refusing(main.path),
    get unreadableBytes() {
      return main.unreadableBytes + tail.unreadableBytes;
    },
    isReadable: (a, b) =>
      (a >= from || main.isReadable(a, Math.min(b, from))) &&
      (b <= from || tail.isReadable(Math.max(a, from) - start, Math.min(b, end) - start)),
    statSync: (): FileStat => ({ ...main.statSync(), size: end }),
    async read(target, position) {
      const length = Math.max(0, Math.min(target.length, end - position));
      const split = Math.max(0, Math.min(length, from - position));
      if (split > 0) {
        const read = await main.read(target.subarray(0, split), position);
        // Between the end of the one and the start of the other nothing is known.
        target.fill(0, read, split);
      }
      if (split === length) return length;
      return split + (await tail.read(target.subarray(split, length), position + split - start));
    },
    closeSync() {
      main.closeSync();
      tail.closeSync();
    },
  };
}

/** The parts of a file that change it, or that salvage has no use for. */
function refusing(path: string): Omit<StorageFile, "read" | "statSync" | "closeSync"> {
  const refuse = (): never => {
    throw new Error(`${path}: the input of a salvage is only read`);
  };
  return {
    path,
    readSync: refuse,
    writeSync: refuse,
    write: refuse,
    truncateSync: refuse,
    fsyncSync: refuse,
    fsync: refuse,
    tryLockSync: refuse,
  };
}

/** The storage, as far as it may be used on the input. */
export function inputStorage(storage: Storage): Storage {
  const refuse = (): never => {
    throw new Error("the input of a salvage is only read");
  };
  return {
    hasDsync: false,
    prefersZeroAheadSync: () => false,
    openSync: (path, mode) => (mode === "read" ? openInputFile(storage, path) : refuse()),
    statSync: (path) => storage.statSync(path),
    listSync: (directory) => storage.listSync(directory),
    makeDirectorySync: refuse,
    renameSync: refuse,
    unlinkSync: refuse,
    removeDirectorySync: refuse,
    fsyncDirectorySync: refuse,
    watch: refuse,
  };
}
