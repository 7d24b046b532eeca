/**
 * Bit rot while nobody runs. In a record index it must change nothing; anywhere else it must be
 * found by whoever reads there, named, and left as it is: no record may be wrong, and no byte gone.
 */
import { SeqlogError } from "../../src/errors.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { SimulatedDisk } from "../../src/testing/simulated-disk.ts";

/** A bit. */
export interface Bit {
  readonly path: string;
  readonly offset: number;
  readonly bit: number;
}

/** Opens a log for reading alone or for writing, and gives what reads all of it, checks it and closes it. */
export type OpenAndRead = (forWriting: boolean) => Promise<() => Promise<void>>;

/** Damages a record index in some way, for good. */
export function damageIndex(disk: SimulatedDisk, random: SeededRandom, path: string): void {
  const bytes = disk.readFile(path);
  if (bytes === undefined || bytes.length === 0) return;
  const kind = random.int(4);
  if (kind === 0) disk.flipBit(path, random.int(bytes.length), random.int(8));
  else if (kind === 1) disk.writeFile(path, bytes.slice(0, random.int(bytes.length)));
  else if (kind === 2) disk.writeFile(path, new Uint8Array(0));
  else {
    random.fill(bytes.subarray(random.int(bytes.length)));
    disk.writeFile(path, bytes);
  }
}

/**
 * Turns one bit over, has the log opened and read, without and with the right to write, and turns it back.
 *
 * @throws {Error} when nobody noticed, or when a byte was changed or lost by it
 */
export async function rotOneBit(
  disk: SimulatedDisk,
  directory: string,
  bit: Bit,
  openAndRead: OpenAndRead,
): Promise<void> {
  const { path, offset } = bit;
  const where = `bit ${bit.bit} of byte ${offset} of ${path}`;
  disk.flipBit(path, offset, bit.bit);
  const rotten = disk.readFile(path)?.[offset];
  for (const forWriting of [false, true]) {
    const before = contents(disk, directory);
    let readAll: (() => Promise<void>) | undefined;
    try {
      readAll = await openAndRead(forWriting);
      await readAll();
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
      if (readAll === undefined) ensureSame(before, contents(disk, directory), where);
      if (disk.readFile(path)?.[offset] !== rotten) throw new Error(`${where} is not there any more`, { cause: error });
      continue;
    }
    throw new Error(`${where} was turned over, and nobody noticed; for writing: ${forWriting}`);
  }
  disk.flipBit(path, offset, bit.bit);
}

/** Every file but those of the lock, which says who opened. */
function contents(disk: SimulatedDisk, directory: string): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const name of disk.list(directory)) {
    const bytes = disk.readFile(`${directory}/${name}`);
    if (bytes !== undefined && !/lock$/i.test(name)) found.set(name, bytes);
  }
  return found;
}

function ensureSame(before: Map<string, Uint8Array>, after: Map<string, Uint8Array>, where: string): void {
  for (const [name, bytes] of before) {
    const now = after.get(name);
    if (now === undefined || Buffer.compare(now, bytes) !== 0)
      throw new Error(`${where} was turned over, opening refused, and ${name} is not what it was`);
  }
  for (const name of after.keys())
    if (!before.has(name)) throw new Error(`${where}: opening refused, and made ${name}`);
}
