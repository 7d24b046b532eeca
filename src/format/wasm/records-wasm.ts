/**
 * The checksums of many records in one call to WebAssembly: a CRC-32 of a few hundred bytes costs less
 * there than the call to `zlib.crc32` alone (docs/performance.md, docs/decisions/0006-webassembly.md).
 * It sees copies of the bytes only, and there is always a way without it: where a process has no
 * WebAssembly (`node --jitless`), `loadRecords` gives undefined.
 *
 * The memory is made once for the process and never grows; records.wat says what lies where.
 */
import { entryLength } from "../index-entry.ts";
import { recordsCode } from "./records-code.ts";

const windowAt = 65_536;
const startsAt = 327_680;
const entriesAt = 360_448;

/** Bytes of records that a call takes at most. */
export const windowLength: number = startsAt - windowAt;

/** Slicing by so many bytes. */
const slices = 16;

/** What a walk through records found; the views are overwritten by the next call. */
interface WalkedWindow {
  readonly count: number;
  /** Where each record starts, from the start of the window. */
  readonly starts: Uint32Array;
  /** The firm index entries of these records. */
  readonly entries: Uint8Array;
  /** Where the last one ends. */
  readonly end: number;
}

/** All of them take whole records, `windowLength` bytes at most. */
export interface RecordsWasm {
  /** Gives each record in `bytes[start, end)` the CRC of its data. */
  seal(bytes: Uint8Array, start: number, end: number): void;
  /** The index entries of the records in `bytes[start, end)`; a view that the next call overwrites. */
  entries(bytes: Uint8Array, start: number, end: number, firstSeq: number, seed: number, isFirm: boolean): Uint8Array;
  /**
   * Checks the records in `bytes[start, end)`, which lie at `position` of their file, up to the first
   * that is not valid or not whole. `isOurs`: an id that ends in 0x00 is a torn one.
   */
  walk(
    bytes: Uint8Array,
    start: number,
    end: number,
    position: number,
    firstSeq: number,
    seed: number,
    isOurs: boolean,
  ): WalkedWindow;
}

/** What records.wat exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly stopped: { readonly value: number };
  crc(at: number, end: number, state: number): number;
  seal(at: number, end: number): void;
  entries(at: number, end: number, out: number, seq: number, seed: number, flip: number): void;
  walk(end: number, position: number, seq: number, seed: number, isOurs: number): number;
}

/** The part of WebAssembly that is used here; undefined in a process without it. */
declare const WebAssembly:
  | undefined
  | {
      readonly Module: new (code: Uint8Array) => object;
      readonly Instance: new (module: object) => { readonly exports: object };
    };

let loaded: RecordsWasm | "none" | undefined;

/** The compiled code, made when it is first asked for; undefined where the process has no WebAssembly. */
export function loadRecords(): RecordsWasm | undefined {
  loaded ??= typeof WebAssembly === "undefined" ? "none" : instantiate(WebAssembly);
  return loaded === "none" ? undefined : loaded;
}

function instantiate({ Module, Instance }: NonNullable<typeof WebAssembly>): RecordsWasm {
  const instance = new Instance(new Module(Buffer.from(recordsCode, "base64")));
  const { memory, stopped, seal, entries, walk } = instance.exports as Exports;
  const all = new Uint8Array(memory.buffer);
  const starts = new Uint32Array(memory.buffer, startsAt, windowLength / 32);
  fillTables(new Int32Array(memory.buffer, 0, slices * 256));
  const copyIn = (bytes: Uint8Array, start: number, end: number): number => {
    all.set(bytes.subarray(start, end), windowAt);
    return windowAt + end - start;
  };
  return {
    seal(bytes, start, end) {
      const stop = copyIn(bytes, start, end);
      seal(windowAt, stop);
      bytes.set(all.subarray(windowAt, stop), start);
    },
    entries(bytes, start, end, firstSeq, seed, isFirm) {
      entries(windowAt, copyIn(bytes, start, end), entriesAt, firstSeq, seed, isFirm ? 0 : -1);
      return all.subarray(entriesAt);
    },
    walk(bytes, start, end, position, firstSeq, seed, isOurs) {
      const count = walk(copyIn(bytes, start, end), position, firstSeq, seed, isOurs ? 1 : 0);
      return {
        count,
        starts: starts.subarray(0, count),
        entries: all.subarray(entriesAt, entriesAt + count * entryLength),
        end: stopped.value,
      };
    },
  };
}

/** `table[256 * k + b]` is the CRC of byte b followed by k zero bytes. */
function fillTables(table: Int32Array): void {
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256] as number;
    table[at] = (before >>> 8) ^ (table[before & 255] as number);
  }
}
