/**
 * The bytes of one file: what reads return (the page cache) against what a power cut leaves (the
 * medium). Knows nothing of names, descriptors or processes.
 *
 * Fault model, by sectors of 512 bytes:
 * - A power cut keeps or loses each sector that was written and not synced, by itself. A lost one
 *   reads as its old content, or as zeros where the file had none.
 * - Size changes (growth and truncation) reach the medium in their order: a cut keeps some first
 *   part of those not synced. Sectors beyond the size that is left are gone.
 * - A failed fsync leaves its dirty sectors *stale*: clean for the cache, which goes on showing them
 *   and has no more to write, but not on the medium. Later fsyncs succeed, a power cut loses them.
 *   Writing them again helps only where the medium had the sector before. A new one stays off the
 *   medium until it is truncated away, as was measured on ext4: its blocks were never marked written.
 * - A write through a `dsync` descriptor makes its own sectors durable, and as much of the size as
 *   is needed to read them; no other sector.
 *
 * Invariants: `#cache` is zero from `size` on, `#medium` from the highest size that a power cut may
 * leave; both have the same length, a multiple of a sector. Every sector that is dirty or stale is
 * in `#unsettled` at least once, so that a crash looks at nothing else.
 */
import type { SeededRandom } from "./seeded-random.ts";

/** What a power cut keeps or loses as a whole. */
export const sectorSize = 512;

/** What a disk may hold and what it holds, in bytes of the files' sizes; shared by its inodes. */
export interface Space {
  capacity: number;
  used: number;
}

/** Written, and neither synced nor given up. */
const dirty = 1;
/** Given up by a failed fsync: the cache and the medium differ. */
const stale = 2;
/** The medium has a sector here. */
const allocated = 4;

/** Unsynced size changes that are told apart; further growth is merged into the last one. */
const maxSizes = 32;

/** One file's content. */
export class SimulatedInode {
  readonly number: number;
  /** Names in the page cache's directories. Written by `SimulatedDirectory`. */
  links = 0;
  /** Open descriptors. Written by `SimulatedFile`. */
  opens = 0;
  /** Who holds the exclusive lock: an open descriptor. Written by `SimulatedFile`. */
  lockedBy: object | undefined;
  /** Milliseconds since 1970. Written by `SimulatedFile`. */
  modifiedMs = 0;
  /** Failed syncs so far; each descriptor is told once of those after its opening, as Linux does (errseq_t). */
  syncErrors = 0;

  readonly #space: Space;
  #cache: Uint8Array = new Uint8Array(0);
  #medium: Uint8Array = new Uint8Array(0);
  #size = 0;
  #durableSize = 0;
  /** Size changes since the last sync, oldest first; the last one is `#size`. */
  #sizes: number[] = [];
  /** The lowest truncation among them. */
  #cutAt: number = Number.POSITIVE_INFINITY;
  /** Nothing but zeros from here on, in cache and medium. */
  #extent = 0;
  /** A byte of flags for each sector. */
  #states: Uint8Array = new Uint8Array(0);
  #unsettled: number[] = [];
  #staleSectors = false;

  constructor(number: number, space: Space) {
    this.number = number;
    this.#space = space;
  }

  /** Bytes, as the page cache has it. */
  get size(): number {
    return this.#size;
  }

  /** How many of `length` bytes at `position` the disk has room for. */
  room(position: number, length: number): number {
    const growth = position + length - this.#size;
    if (growth <= 0) return length;
    const lacking = growth - (this.#space.capacity - this.#space.used);
    return lacking <= 0 ? length : Math.max(0, length - lacking);
  }

  /** Copies what the cache has at `position`; returns the bytes copied. */
  read(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.#size - position));
    target.set(this.#cache.subarray(position, position + length));
    return length;
  }

  /** Writes to the page cache; with `durable`, as through a dsync descriptor. */
  write(bytes: Uint8Array, position: number, durable: boolean): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    this.#reserve(end);
    this.#cache.set(bytes, position);
    if (end > this.#size) this.#resize(end);
    const first = Math.floor(position / sectorSize);
    const last = Math.floor((end - 1) / sectorSize);
    if (durable) this.#settle(first, last, end);
    else this.#soil(first, last);
  }

  truncate(length: number): void {
    const old = this.#size;
    if (length === old) return;
    this.#reserve(length);
    this.#resize(length);
    if (length > old) return;
    this.#cutAt = Math.min(this.#cutAt, length);
    this.#cache.fill(0, length, old);
    this.#states.fill(0, Math.ceil(length / sectorSize), Math.ceil(old / sectorSize));
    // The rest of the sector that was cut through is zeroed in the cache, which makes it dirty again.
    const through = Math.floor(length / sectorSize);
    if (((this.#states[through] ?? 0) & stale) !== 0) this.#soil(through, through);
  }

  /** Brings every dirty sector and the size to the medium; not the stale ones. */
  sync(): void {
    this.#commitSizes(this.#sizes.length);
    this.#cutAt = Number.POSITIVE_INFINITY;
    this.#flush(Number.POSITIVE_INFINITY);
  }

  /** An fsync that fails after `written` dirty sectors: the others become stale. */
  failSync(written: number): void {
    this.syncErrors++;
    if (written > 0) this.#commitSizes(this.#sizes.length);
    this.#flush(written);
  }

  /** A dsync write of these bytes that failed after they were in the cache: their sectors become stale. */
  failWrite(position: number, length: number): void {
    this.syncErrors++;
    if (length === 0) return;
    const last = Math.floor((position + length - 1) / sectorSize);
    for (let sector = Math.floor(position / sectorSize); sector <= last; sector++) this.#giveUp(sector);
  }

  /** Forgets the clean pages: stale sectors show what the medium has. Dirty ones cannot be forgotten. */
  dropCleanPages(): void {
    for (const sector of this.#unsettled) {
      const state = this.#states[sector] ?? 0;
      if ((state & (dirty | stale)) !== stale) continue;
      this.#copy(this.#medium, this.#cache, sector, sector + 1);
      this.#states[sector] = state & allocated;
    }
    this.#cache.fill(0, this.#size, this.#extent);
    this.#staleSectors = this.#unsettled.some((sector) => ((this.#states[sector] ?? 0) & stale) !== 0);
  }

  /**
   * A power cut: each unsynced sector is kept with the probability `keep`. Afterwards cache and
   * medium are the same, and all of it is durable.
   */
  crash(random: SeededRandom, keep: number): void {
    const changes = this.#sizes.length;
    this.#commitSizes(keep <= 0 ? 0 : keep >= 1 ? changes : random.int(changes + 1));
    for (const sector of this.#unsettled) {
      const state = this.#states[sector] ?? 0;
      if ((state & (dirty | stale)) === 0) continue;
      if (isWritable(state) && random.chance(keep)) {
        this.#copy(this.#cache, this.#medium, sector, sector + 1);
        this.#states[sector] = allocated;
      } else {
        this.#copy(this.#medium, this.#cache, sector, sector + 1);
        this.#states[sector] = state & allocated;
      }
    }
    const size = this.#durableSize;
    if (this.#cutAt < size) {
      // A truncation that the medium never saw: what it took away is back.
      this.#cache.set(this.#medium.subarray(this.#cutAt, size), this.#cutAt);
      this.#states.fill(allocated, Math.floor(this.#cutAt / sectorSize), Math.ceil(size / sectorSize));
    }
    this.#cache.fill(0, size, this.#extent);
    this.#medium.fill(0, size, this.#extent);
    this.#states.fill(0, Math.ceil(size / sectorSize));
    this.#extent = size;
    this.#size = size;
    this.#sizes = [];
    this.#cutAt = Number.POSITIVE_INFINITY;
    this.#unsettled = [];
    this.#staleSectors = false;
    this.#space.used += size;
    this.opens = 0;
    this.lockedBy = undefined;
    this.syncErrors = 0;
  }

  /** Takes the file's bytes off the disk's account when nothing can reach it any more. */
  releaseIfUnreachable(): void {
    if (this.links === 0 && this.opens === 0) this.#space.used -= this.#size;
  }

  /** Turns one bit over, in the cache and on the medium. */
  flipBit(offset: number, bit: number): void {
    if (offset < 0 || offset >= this.#size)
      throw new RangeError(`offset ${offset} is not in a file of ${this.#size} bytes`);
    this.#cache[offset] = (this.#cache[offset] ?? 0) ^ (1 << bit);
    if (offset < this.#durableSize) this.#medium[offset] = (this.#medium[offset] ?? 0) ^ (1 << bit);
  }

  /** A copy of what reads return. */
  cachedBytes(): Uint8Array {
    return this.#cache.slice(0, this.#size);
  }

  /** A copy of what a power cut leaves that loses all it can. */
  durableBytes(): Uint8Array {
    return this.#medium.slice(0, this.#durableSize);
  }

  #reserve(end: number): void {
    this.#extent = Math.max(this.#extent, end);
    if (end <= this.#cache.length) return;
    let length = Math.max(4096, this.#cache.length);
    while (length < end) length *= 2;
    this.#cache = grown(this.#cache, length);
    this.#medium = grown(this.#medium, length);
    this.#states = grown(this.#states, length / sectorSize);
  }

  #resize(size: number): void {
    this.#space.used += size - this.#size;
    const sizes = this.#sizes;
    const count = sizes.length;
    if (count >= maxSizes && size > this.#size && this.#size > (sizes[count - 2] ?? 0)) sizes[count - 1] = size;
    else sizes.push(size);
    this.#size = size;
  }

  /** Makes the first `count` size changes durable. */
  #commitSizes(count: number): void {
    for (let i = 0; i < count; i++) {
      const size = this.#sizes[i] ?? 0;
      this.#medium.fill(0, size, Math.max(size, this.#durableSize));
      this.#durableSize = size;
    }
    this.#sizes.splice(0, count);
  }

  #soil(first: number, last: number): void {
    for (let sector = first; sector <= last; sector++) {
      const state = this.#states[sector] ?? 0;
      if ((state & (dirty | stale)) === 0) this.#unsettled.push(sector);
      this.#states[sector] = state | dirty;
    }
    // Sectors that a dsync write or a truncation settled are still listed.
    if (this.#unsettled.length > 4 * this.#states.length) this.#unsettled = this.#listUnsettled();
  }

  /** Makes these sectors durable, and the size as far as `end`. */
  #settle(first: number, last: number, end: number): void {
    // The size that is durable and each change not yet: all after the last one below `end` allow reading.
    let needed = 0;
    for (let i = this.#sizes.length - 1; i >= 0; i--) {
      if ((this.#sizes[i - 1] ?? this.#durableSize) < end) {
        needed = i + 1;
        break;
      }
    }
    this.#commitSizes(needed);
    if (!this.#staleSectors) {
      this.#copy(this.#cache, this.#medium, first, last + 1);
      this.#states.fill(allocated, first, last + 1);
      return;
    }
    for (let sector = first; sector <= last; sector++) {
      if (!isWritable((this.#states[sector] ?? 0) | dirty)) continue;
      this.#copy(this.#cache, this.#medium, sector, sector + 1);
      this.#states[sector] = allocated;
    }
  }

  /** Brings the first `limit` dirty sectors to the medium; the others become stale. */
  #flush(limit: number): void {
    const left: number[] = [];
    let written = 0;
    // Neighbours are copied together.
    let from = 0;
    let to = 0;
    for (const sector of this.#unsettled) {
      const state = this.#states[sector] ?? 0;
      if ((state & (dirty | stale)) === 0) continue;
      if (!isWritable(state) || written >= limit) {
        this.#giveUp(sector);
        left.push(sector);
        continue;
      }
      written++;
      this.#states[sector] = allocated;
      if (sector !== to) {
        this.#copy(this.#cache, this.#medium, from, to);
        from = sector;
      }
      to = sector + 1;
    }
    this.#copy(this.#cache, this.#medium, from, to);
    this.#unsettled = left;
    this.#staleSectors = left.length > 0;
  }

  #giveUp(sector: number): void {
    const state = this.#states[sector] ?? 0;
    if ((state & (dirty | stale)) === 0) this.#unsettled.push(sector);
    this.#states[sector] = (state & allocated) | stale;
    this.#staleSectors = true;
  }

  #listUnsettled(): number[] {
    const found: number[] = [];
    this.#states.forEach((state, sector) => {
      if ((state & (dirty | stale)) !== 0) found.push(sector);
    });
    return found;
  }

  #copy(from: Uint8Array, to: Uint8Array, first: number, end: number): void {
    if (first < end) to.set(from.subarray(first * sectorSize, end * sectorSize), first * sectorSize);
  }
}

/** Whether a sync brings the sector to the medium: dirty, and not a new one that an earlier sync gave up. */
function isWritable(state: number): boolean {
  return (state & dirty) !== 0 && (state & (stale | allocated)) !== stale;
}

function grown(bytes: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(length);
  larger.set(bytes);
  return larger;
}
