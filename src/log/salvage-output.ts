/**
 * What a salvage writes: a directory log of the records that were found, in the order in which they
 * were, each with its id and data and with the own offset of its new place. MANIFEST comes last:
 * without it an output that was interrupted is no log.
 */
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { headerAt, headerLength, writeOwnOffset } from "../format/record.ts";
import { millisecondsOfId } from "../format/uuid.ts";
import { EntryWriter, IndexFile } from "../segment/index-file.ts";
import { type Chunk, chunkOf } from "../segment/verify-chunk.ts";
import type { Machine, Storage, StorageFile } from "../storage/storage.ts";
import { writeFullySync } from "../storage/write-fully.ts";
import { type Manifest, firstWindow, newManifest, storeManifest } from "./manifest.ts";
import { indexPath, logPath, seedOf } from "./segment-files.ts";

/** As `openLog` rolls by default. */
const segmentBytes = 256 * 1024 * 1024;

const pieceLength = 1024 * 1024;

interface Segment {
  readonly file: StorageFile;
  readonly index: IndexFile;
  readonly entries: EntryWriter;
}

/** A log in the making. */
export class SalvageOutput {
  readonly directory: string;
  readonly #storage: Storage;
  readonly #manifest: Manifest;
  #segment: Segment | undefined;
  /** Where the next record starts in its segment. */
  #offset = 0;
  #nextSeq: number;
  /** The milliseconds of the last id; NaN once ids hold no time that only grows. */
  #lastMs = 0;

  /**
   * @param firstSeq the seq of the first record
   * @param source the log's MANIFEST, whose codec and secret are kept. The log id is new: another history
   */
  constructor(machine: Machine, directory: string, firstSeq: number, source: Manifest | undefined) {
    this.#storage = machine.storage;
    this.directory = directory;
    const kept = source === undefined ? {} : { codec: source.codec, secret: source.secret };
    this.#manifest = { ...newManifest(machine.random, 0, firstSeq), ...kept };
    this.#nextSeq = firstSeq;
  }

  get firstSeq(): number {
    return this.#manifest.firstSeq;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** Writes the records of a chunk. Their own offsets are changed in place. */
  add({ bytes, view }: Chunk, starts: readonly number[], end: number): void {
    const { file, entries } = this.#roomFor();
    const first = starts[0] as number;
    const offset = this.#offset;
    for (const start of starts) {
      writeOwnOffset(view, start, offset + start - first);
      this.#noteId(bytes, start + headerAt.id);
      entries.add(this.#nextSeq++, offset + start - first, crc32OfHeader(view, start));
    }
    writeFullySync(file, bytes.subarray(first, end), offset);
    this.#offset = offset + end - first;
  }

  /**
   * Copies a record that is too long for a chunk, checking its data once more on the way.
   * @returns false, with nothing added, when it reads differently than before
   */
  async addLong(from: StorageFile, offset: number, header: Uint8Array, length: number): Promise<boolean> {
    const { file, entries } = this.#roomFor();
    const at = this.#offset;
    const { view } = chunkOf(header, 0);
    const buffer = new Uint8Array(pieceLength);
    let crc = 0;
    for (let done = 0; done < length;) {
      const piece = buffer.subarray(0, Math.min(pieceLength, length - done));
      const read = await from.read(piece, offset + headerLength + done);
      crc = crc32(piece, 0, read, crc);
      if (read < piece.length) break;
      writeFullySync(file, piece, at + headerLength + done);
      done += read;
    }
    if (crc !== view.getUint32(headerAt.crc, true)) {
      file.truncateSync(at);
      return false;
    }
    writeOwnOffset(view, 0, at);
    writeFullySync(file, header, at);
    this.#noteId(header, headerAt.id);
    entries.add(this.#nextSeq++, at, crc32OfHeader(view, 0));
    this.#offset = at + headerLength + length;
    return true;
  }

  /** Look-up by time relies on ids of version 7 whose milliseconds never go back; and no id of ours ends in 0x00. */
  #noteId(bytes: Uint8Array, at: number): void {
    const ms = millisecondsOfId(bytes, at);
    this.#lastMs = ms >= this.#lastMs && bytes[at + 15] !== 0 ? ms : NaN;
  }

  #roomFor(): Segment {
    if (this.#segment !== undefined && this.#offset < segmentBytes) return this.#segment;
    this.#seal();
    const name = { base: this.#nextSeq, generation: 0 };
    const { directory } = this;
    const file = this.#storage.openSync(logPath(directory, name), "create-new");
    try {
      const seed = seedOf(this.#manifest, name.base);
      const index = IndexFile.openSync(this.#storage, indexPath(directory, name), "create-new", name.base, seed);
      this.#segment = { file, index, entries: new EntryWriter(index, name.base) };
    } catch (error) {
      file.closeSync();
      throw error;
    }
    this.#offset = 0;
    return this.#segment;
  }

  #seal(): void {
    if (this.#segment === undefined) return;
    const { file, index, entries } = this.#segment;
    entries.flushSync();
    file.fsyncSync();
    index.fsyncSync();
    this.close();
  }

  /** Makes everything durable and the directory a log. */
  finish(): void {
    if (this.#segment === undefined) this.#roomFor();
    this.#seal();
    // The names of the segments are durable before that of MANIFEST, which promises them.
    this.#storage.fsyncDirectorySync(this.directory);
    const state = { nextSeq: this.#nextSeq, activeBytes: this.#offset };
    const idVersion = Number.isNaN(this.#lastMs) ? 4 : 7;
    storeManifest(this.#storage, this.directory, { ...this.#manifest, idVersion, window: firstWindow, state });
  }

  close(): void {
    this.#segment?.file.closeSync();
    this.#segment?.index.closeSync();
    this.#segment = undefined;
  }
}
