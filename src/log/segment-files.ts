/** The files of a directory log by their names. */
import { join } from "node:path";
import { segmentSeed } from "../format/index-entry.ts";
import { parseId } from "../format/uuid.ts";
import type { Storage } from "../storage/storage.ts";
import type { Manifest } from "./manifest.ts";

/** `<seq, 20 digits>` or `<seq>.g<N>` for generation N ≥ 1, then what it is. */
const segmentName = /^(\d{20})(?:\.g([1-9]\d*))?\.(log|idx|log\.tail)$/;

/** Left by a step that was interrupted before its rename. */
const temporaryName = /^(?:MANIFEST|\d{20}(?:\.g[1-9]\d*)?\.(?:idx|log\.(?:tail|\d+(?:-\d+)?\.torn)))\.tmp$/;

/** The names of one segment. */
export interface SegmentName {
  readonly base: number;
  readonly generation: number;
}

/** What is in the directory. Files that are none of ours are not mentioned, and never touched. */
export interface Listing {
  /** All `.log` files, by generation and base. */
  readonly logs: readonly SegmentName[];
  readonly indexes: readonly SegmentName[];
  readonly tails: readonly SegmentName[];
  readonly temporaries: readonly string[];
}

function stem({ base, generation }: SegmentName): string {
  return String(base).padStart(20, "0") + (generation === 0 ? "" : `.g${generation}`);
}

/** The path of a segment. */
export function logPath(directory: string, name: SegmentName): string {
  return join(directory, `${stem(name)}.log`);
}

/** The path of its record index. */
export function indexPath(directory: string, name: SegmentName): string {
  return join(directory, `${stem(name)}.idx`);
}

/** What the entries of its record index are seeded with. */
export function seedOf(manifest: Manifest, base: number): number {
  return segmentSeed(parseId(manifest.logId), manifest.generation, base);
}

/** Sorts the names in the directory. */
export function listDirectory(storage: Storage, directory: string): Listing {
  const logs: SegmentName[] = [];
  const indexes: SegmentName[] = [];
  const tails: SegmentName[] = [];
  const temporaries: string[] = [];
  for (const name of storage.listSync(directory)) {
    if (temporaryName.test(name)) temporaries.push(join(directory, name));
    const found = segmentName.exec(name);
    if (found === null) continue;
    const segment = { base: Number(found[1]), generation: Number(found[2] ?? 0) };
    // Else the name that is made of them would be another one.
    if (!Number.isSafeInteger(segment.base) || !Number.isSafeInteger(segment.generation)) continue;
    (found[3] === "log" ? logs : found[3] === "idx" ? indexes : tails).push(segment);
  }
  const order = (a: SegmentName, b: SegmentName): number => a.generation - b.generation || a.base - b.base;
  return { logs: logs.sort(order), indexes: indexes.sort(order), tails: tails.sort(order), temporaries };
}
