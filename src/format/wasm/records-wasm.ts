/**
 * The checksums of many records in one call to WebAssembly: a CRC-32 of a few hundred bytes costs less
 * there than the call to `zlib.crc32` alone (docs/performance.md, docs/decisions/0006-webassembly.md).
 * It sees copies of the bytes only, and there is always a way without it: where a process has no
 * WebAssembly (`node --jitless`) or no room for it (`ulimit -v`), `loadRecords` gives undefined.
 *
 * The memory is made once for each thread and never grows; records.wat says what lies where.
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

/** What a walk through records found. */
interface WalkedWindow {
  readonly count: number;
  /** Where each record starts, from the start of the window. */
  starts(): readonly number[];
  /** The firm index entries of these records; a view that the next call overwrites. */
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

/** The part of WebAssembly that is used here. */
interface WebAssemblyPart {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}

declare const WebAssembly: WebAssemblyPart | undefined;

let loaded: RecordsWasm | "none" | undefined;

/** The compiled code, made when it is first asked for; undefined where the process cannot have it. */
export function loadRecords(): RecordsWasm | undefined {
  loaded ??= (typeof WebAssembly === "undefined" ? undefined : tryToLoad(WebAssembly)) ?? "none";
  return loaded === "none" ? undefined : loaded;
}

/** Undefined where it cannot be compiled, has no room (V8 reserves gigabytes of addresses for a memory), or is wrong. */
export function tryToLoad(webAssembly: WebAssemblyPart): RecordsWasm | undefined {
  try {
    return instantiate(webAssembly);
  } catch {
    return undefined;
  }
}

function instantiate({ Module, Instance }: WebAssemblyPart): RecordsWasm | undefined {
  const instance = new Instance(new Module(Buffer.from(recordsCode, "base64")));
  const { memory, stopped, crc, seal, entries, walk } = instance.exports as Exports;
  const all = new Uint8Array(memory.buffer);
  // The processor may order bytes as it likes; WebAssembly's memory is little-endian.
  const view = new DataView(memory.buffer);
  fillTables(view);
  all.set(Buffer.from("123456789"), windowAt);
  if (~crc(windowAt, windowAt + 9, -1) >>> 0 !== 0xcbf43926) return undefined;
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
        starts: () => startsOf(view, count),
        entries: all.subarray(entriesAt, entriesAt + count * entryLength),
        end: stopped.value,
      };
    },
  };
}

function startsOf(view: DataView, count: number): number[] {
  const starts: number[] = [];
  for (let i = 0; i < count; i++) starts.push(view.getUint32(startsAt + 4 * i, true));
  return starts;
}

/** Word `256 * k + b` is the CRC of byte b followed by k zero bytes. */
function fillTables(view: DataView): void {
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    view.setInt32(4 * byte, crc, true);
  }
  for (let at = 256; at < slices * 256; at++) {
    const before = view.getInt32(4 * (at - 256), true);
    view.setInt32(4 * at, (before >>> 8) ^ view.getInt32(4 * (before & 255), true), true);
  }
}
