/**
 * Record ids: UUIDs of version 4 and 7 (RFC 9562, sections 5.4 and 5.7).
 *
 * Two rules of our own, both within the RFC:
 * - the last byte is never 0x00 (it becomes 1): a record torn inside its UUID with zeros behind it
 *   must not look whole;
 * - the milliseconds of version 7 never go back inside a log: a clock that does is held.
 */
import type { Random } from "../storage/storage.ts";

/** Bytes of an id. */
export const idLength = 16;

const poolLength = 64 * 1024;

/** Random bytes in stock: one `fill` of 64 KiB is a hundred times cheaper than thousands of 16 bytes. */
class RandomPool {
  readonly #random: Random;
  readonly #pool = new Uint8Array(poolLength);
  #used = poolLength;

  constructor(random: Random) {
    this.#random = random;
  }

  copy(target: Uint8Array, at: number, length: number): void {
    if (this.#used + length > poolLength) {
      this.#random.fill(this.#pool);
      this.#used = 0;
    }
    for (let i = 0; i < length; i++) target[at + i] = this.#pool[this.#used + i] as number;
    this.#used += length;
  }
}

/** One pool for each source of randomness, however many logs use it. */
const pools = new WeakMap<Random, RandomPool>();

function poolOf(random: Random): RandomPool {
  let pool = pools.get(random);
  if (pool === undefined) pools.set(random, (pool = new RandomPool(random)));
  return pool;
}

/** Makes ids. */
export interface IdSource {
  /** Called when records are appended: the ids written from here on are of this moment. */
  begin(): void;
  /** Writes a new id at `at`. */
  write(target: Uint8Array, at: number): void;
}

/** Gives an id its version and variant, and a last byte that is not zero. */
export function sealId(target: Uint8Array, at: number, version: 4 | 7): void {
  target[at + 6] = ((target[at + 6] as number) & 0x0f) | (version << 4);
  target[at + 8] = ((target[at + 8] as number) & 0x3f) | 0x80;
  if (target[at + 15] === 0) target[at + 15] = 1;
}

/** Ids of version 4: random, as the seed writes them. */
export function createIdSourceV4(random: Random): IdSource {
  const pool = poolOf(random);
  return {
    begin() {},
    write(target, at) {
      pool.copy(target, at, idLength);
      sealId(target, at, 4);
    },
  };
}

/**
 * Ids of version 7: milliseconds since 1970, then random.
 * @param notBefore the milliseconds of the last id in the log
 */
export function createIdSourceV7(random: Random, now: () => number, notBefore: number): IdSource {
  const pool = poolOf(random);
  let held = notBefore;
  return {
    begin() {
      const ms = now();
      if (ms > held) held = ms;
    },
    write(target, at) {
      pool.copy(target, at + 6, 10);
      writeMilliseconds(target, at, held);
      sealId(target, at, 7);
    },
  };
}

/** Writes the time of a version 7 id. */
export function writeMilliseconds(target: Uint8Array, at: number, ms: number): void {
  const high = Math.floor(ms / 0x1_0000);
  target[at] = high >>> 24;
  target[at + 1] = high >>> 16;
  target[at + 2] = high >>> 8;
  target[at + 3] = high;
  target[at + 4] = ms >>> 8;
  target[at + 5] = ms;
}

/** The milliseconds since 1970 in an id of version 7; NaN for version 4, which has none. */
export function millisecondsOfId(bytes: Uint8Array, at: number): number {
  if ((bytes[at + 6] as number) >>> 4 !== 7) return NaN;
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  const middle = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  return ((high | middle) >>> 0) * 0x1_0000 + (((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number));
}

/** Whether the 16 bytes are a UUID that a record may carry: variant 10, version 4 or 7. */
export function isRecordId(bytes: Uint8Array, at: number): boolean {
  const version = (bytes[at + 6] as number) >>> 4;
  return ((bytes[at + 8] as number) & 0xc0) === 0x80 && (version === 4 || version === 7);
}

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The id as text: 36 characters, lower case. */
export function formatId(bytes: Uint8Array, at: number): string {
  let text = "";
  for (let i = 0; i < idLength; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += hex[bytes[at + i] as number] as string;
  }
  return text;
}

const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The 16 bytes of an id given as text.
 * @throws {TypeError} when the text is not a UUID
 */
export function parseId(text: string): Uint8Array {
  if (typeof text !== "string" || !idPattern.test(text)) {
    throw new TypeError(`an id is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057, got ${JSON.stringify(text)}`);
  }
  return new Uint8Array(Buffer.from(text.replaceAll("-", ""), "hex"));
}
