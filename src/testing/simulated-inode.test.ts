import { expect, test } from "vitest";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedInode, sectorSize } from "./simulated-inode.ts";

function newInode(): SimulatedInode {
  return new SimulatedInode(1, { capacity: Number.POSITIVE_INFINITY, used: 0 });
}

function bytesOf(value: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

/** The bytes as text: "100×1 50×0" is a hundred ones and fifty zeros. */
function runs(bytes: Uint8Array): string {
  const found: string[] = [];
  for (let from = 0, to = 0; from < bytes.length; from = to) {
    while (to < bytes.length && bytes[to] === bytes[from]) to++;
    found.push(`${to - from}×${bytes[from]}`);
  }
  return found.join(" ");
}

/** The first byte of each sector. */
function sectors(bytes: Uint8Array): number[] {
  const firsts: number[] = [];
  for (let at = 0; at < bytes.length; at += sectorSize) firsts.push(bytes[at] ?? -1);
  return firsts;
}

function crashed(inode: SimulatedInode, keep: number, seed = 1): Uint8Array {
  inode.crash(new SeededRandom(seed), keep);
  const left = inode.cachedBytes();
  if (runs(left) !== runs(inode.durableBytes())) throw new Error("cache and medium differ after a crash");
  return left;
}

test("what was not synced is gone, with the size", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 100), 0, false);
  inode.sync();
  inode.write(bytesOf(2, 1000), 100, false);
  expect(inode.size).toBe(1100);
  expect(runs(crashed(inode, 0))).toBe("100×1");
});

test("each unsynced sector is kept or lost by itself: lost new ones read as zeros, overwritten ones as before", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const inode = newInode();
    inode.write(bytesOf(1, 2 * sectorSize), 0, false);
    inode.sync();
    inode.write(bytesOf(2, 3 * sectorSize), sectorSize, false);
    seen.add(sectors(crashed(inode, 0.5, seed)).join());
  }
  const grown = [1, 2].flatMap((b) => [0, 2].flatMap((c) => [0, 2].map((d) => [1, b, c, d].join())));
  // The size is one change: as before, or all of it.
  expect([...seen].sort()).toEqual(["1,1", "1,2", ...grown].sort());
});

test("the size may be that after any of the unsynced writes", () => {
  const sizes = new Set<number>();
  for (let seed = 0; seed < 200; seed++) {
    const inode = newInode();
    for (const end of [100, 200, 300]) inode.write(bytesOf(1, 100), end - 100, false);
    sizes.add(crashed(inode, 0.5, seed).length);
  }
  expect([...sizes].sort((a, b) => a - b)).toEqual([0, 100, 200, 300]);
});

test("a dsync write is durable, an unsynced sector beside it is not", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 4 * sectorSize), 0, false);
  inode.write(bytesOf(2, 10), 2 * sectorSize, true);
  const left = crashed(inode, 0);
  expect(runs(left.subarray(0, 2 * sectorSize + 10))).toBe("1024×0 10×2");
});

test("a dsync write into zeros laid ahead needs no more of them to be durable", () => {
  const inode = newInode();
  inode.write(bytesOf(1, sectorSize), 0, true);
  inode.write(bytesOf(0, 8 * sectorSize), sectorSize, false);
  inode.write(bytesOf(2, sectorSize), sectorSize, true);
  inode.write(bytesOf(3, sectorSize), 2 * sectorSize, false);
  const left = crashed(inode, 0);
  expect(sectors(left).slice(0, 3)).toEqual([1, 2, 0]);
});

test("a dsync write after an unsynced truncation makes the truncation durable where its size needs it", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 1000), 0, false);
  inode.sync();
  inode.truncate(100);
  inode.write(bytesOf(2, 50), 100, true);
  expect(runs(crashed(inode, 0))).toBe("100×1 50×2");
  inode.truncate(120);
  inode.write(bytesOf(3, 20), 10, true);
  expect(crashed(inode, 0).length).toBe(150);
});

test("a truncation that was not synced may be undone, with the bytes it took", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 3000), 0, false);
  inode.sync();
  inode.truncate(700);
  expect(inode.size).toBe(700);
  expect(runs(crashed(inode, 0))).toBe("3000×1");
  inode.truncate(700);
  expect(runs(crashed(inode, 1))).toBe("700×1");
  inode.truncate(3000);
  expect(runs(inode.cachedBytes())).toBe("700×1 2300×0");
});

test("a synced truncation stays, and what it took never shows again", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 3000), 0, false);
  inode.sync();
  inode.truncate(700);
  inode.sync();
  inode.truncate(2000);
  inode.sync();
  expect(runs(crashed(inode, 0))).toBe("700×1 1300×0");
});

test("after a failed fsync reads show the bytes, later fsyncs succeed, and a crash loses them", () => {
  const inode = newInode();
  inode.write(bytesOf(1, sectorSize), 0, false);
  inode.sync();
  inode.write(bytesOf(2, sectorSize), sectorSize, false);
  inode.failSync(0);
  expect(sectors(inode.cachedBytes())).toEqual([1, 2]);
  inode.sync();
  inode.sync();
  expect(sectors(inode.cachedBytes())).toEqual([1, 2]);
  expect(sectors(crashed(inode, 1))).toEqual([1, 0]);
});

test("after a failed fsync, writing again helps an old sector but not a new one until it is cut off", () => {
  const inode = newInode();
  inode.write(bytesOf(1, sectorSize), 0, false);
  inode.sync();
  inode.write(bytesOf(2, 2 * sectorSize), 0, false);
  inode.failSync(0);
  inode.write(bytesOf(3, 2 * sectorSize), 0, false);
  inode.sync();
  inode.write(bytesOf(3, 2 * sectorSize), 0, true);
  expect(sectors(inode.cachedBytes())).toEqual([3, 3]);
  expect(sectors(inode.durableBytes())).toEqual([3, 0]);
  inode.truncate(sectorSize);
  inode.sync();
  inode.write(bytesOf(4, sectorSize), sectorSize, false);
  inode.sync();
  expect(sectors(crashed(inode, 0))).toEqual([3, 4]);
});

test("cutting inside a stale sector and writing its rest again brings it to the medium", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 100), 0, false);
  inode.sync();
  inode.write(bytesOf(2, 100), 100, false);
  inode.failSync(0);
  inode.truncate(100);
  inode.sync();
  inode.write(bytesOf(3, 100), 100, false);
  inode.sync();
  expect(runs(crashed(inode, 0))).toBe("100×1 100×3");
});

test("cutting inside a stale sector makes the rest of it dirty again", () => {
  const inode = newInode();
  inode.write(bytesOf(1, sectorSize), 0, false);
  inode.sync();
  inode.write(bytesOf(2, sectorSize), 0, false);
  inode.failSync(0);
  inode.truncate(100);
  inode.sync();
  expect(runs(crashed(inode, 0))).toBe("100×2");
});

test("sectors kept beyond a size that was lost never show again", () => {
  for (let seed = 0; seed < 50; seed++) {
    const inode = newInode();
    inode.write(bytesOf(1, 2 * sectorSize), 0, false);
    if (crashed(inode, 0.9, seed).length > 0) continue;
    inode.truncate(2 * sectorSize);
    inode.sync();
    expect(runs(crashed(inode, 0))).toBe("1024×0");
  }
});

test("a failed fsync may have brought a part of it to the medium", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 3 * sectorSize), 0, false);
  inode.failSync(2);
  inode.sync();
  expect(sectors(crashed(inode, 0))).toEqual([1, 1, 0]);
});

test("dropping clean pages shows what the medium has, but for what is dirty", () => {
  const inode = newInode();
  inode.write(bytesOf(1, 2 * sectorSize), 0, false);
  inode.sync();
  inode.write(bytesOf(2, sectorSize), 0, false);
  inode.failSync(0);
  inode.write(bytesOf(3, sectorSize), sectorSize, false);
  inode.dropCleanPages();
  expect(sectors(inode.cachedBytes())).toEqual([1, 3]);
  inode.sync();
  expect(sectors(crashed(inode, 0))).toEqual([1, 3]);
});

test("many small writes without a sync stay cheap and may still be lost", () => {
  const inode = newInode();
  for (let i = 0; i < 5000; i++) inode.write(bytesOf(1, 100), i * 100, false);
  expect(crashed(inode, 0).length).toBe(0);
  for (let i = 0; i < 5000; i++) inode.write(bytesOf(1, 100), i * 100, i % 2 === 0);
  expect(runs(crashed(inode, 1))).toBe("500000×1");
});

test("whatever was done: synced bytes survive, and nothing shows that was never written there", () => {
  const complaints: string[] = [];
  for (let seed = 0; seed < 2000; seed++) {
    const random = new SeededRandom(`model ${seed}`);
    const inode = newInode();
    const model = new ByteModel();
    const crash = (): void => {
      const left = crashed(inode, random.pick([0, 0.5, 1]), random.uint32());
      complaints.push(...model.complaints(left).map((complaint) => `seed ${seed}: ${complaint}`));
      model.restart(left);
    };
    for (let step = random.int(12) + 1; step > 0; step--) {
      const position = random.int(2500);
      const length = random.int(1200) + 1;
      const kind = random.int(7);
      if (kind <= 2) {
        const value = random.int(30) + 1;
        inode.write(bytesOf(value, length), position, kind === 2);
        model.write(value, position, length, kind === 2);
      } else if (kind === 3) {
        inode.truncate(position);
        model.truncate(position);
      } else if (kind === 4) {
        inode.sync();
        model.sync();
      } else if (kind === 5 && random.chance(0.3)) {
        inode.failSync(0);
        model.failSync();
      } else if (kind === 6) {
        crash();
      }
      if (runs(inode.cachedBytes()) !== runs(model.cache())) complaints.push(`seed ${seed}: reads differ`);
    }
    crash();
  }
  expect(complaints).toEqual([]);
});

/**
 * Byte by byte: what the cache has, a mask of the values (0 to 30) that were there since the last
 * time it was certain, and whether it is.
 */
class ByteModel {
  #bytes: number[] = [];
  #possible: number[] = [];
  #certain: boolean[] = [];
  /** All sizes since the last sync were at least this. */
  #certainSize = 0;
  /** After a failed sync nothing becomes certain any more: which sectors it gave up is not modelled. */
  #failed = false;

  write(value: number, position: number, length: number, durable: boolean): void {
    while (this.#bytes.length < position + length) this.#grow();
    const certain = durable && !this.#failed;
    for (let i = position; i < position + length; i++) {
      this.#bytes[i] = value;
      this.#certain[i] = certain;
      this.#possible[i] = certain ? 1 << value : (this.#possible[i] ?? 0) | (1 << value);
    }
    if (durable) this.#certainSize = Math.max(this.#certainSize, position + length);
  }

  truncate(length: number): void {
    while (this.#bytes.length < length) this.#grow();
    this.#bytes.length = length;
    this.#certainSize = Math.min(this.#certainSize, length);
    for (let i = length; i < this.#possible.length; i++) {
      this.#certain[i] = false;
      this.#possible[i] = (this.#possible[i] ?? 0) | 1;
    }
  }

  sync(): void {
    if (this.#failed) return;
    this.#possible = this.#bytes.map((byte) => 1 << byte);
    this.#certain = this.#bytes.map(() => true);
    this.#certainSize = this.#bytes.length;
  }

  failSync(): void {
    this.#failed = true;
  }

  cache(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** What a crash must not have left. */
  complaints(left: Uint8Array): string[] {
    const found: string[] = [];
    if (left.length < this.#certainSize) found.push(`size ${left.length}, but ${this.#certainSize} was durable`);
    left.forEach((byte, i) => {
      if (((this.#possible[i] ?? 0) & (1 << byte)) === 0) found.push(`byte ${i} never was ${byte}`);
      if (i < this.#certainSize && this.#certain[i] === true && this.#bytes[i] !== byte) {
        found.push(`byte ${i} was durable as ${this.#bytes[i]} and is ${byte}`);
      }
    });
    return found;
  }

  restart(left: Uint8Array): void {
    this.#failed = false;
    this.#bytes = [...left];
    this.sync();
  }

  #grow(): void {
    const i = this.#bytes.length;
    this.#bytes.push(0);
    this.#certain[i] = false;
    this.#possible[i] = (this.#possible[i] ?? 0) | 1;
  }
}
