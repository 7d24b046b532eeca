/**
 * Work that reads, written once and driven either way: `runSync` blocks for each read, `run`
 * awaits it. A plan may write and sync by itself, synchronously; only its reads are handed out.
 */
import type { StorageFile } from "./storage.ts";

/** "Fill this from there": answered with the bytes read, fewer only at the end of the file. */
interface ReadRequest {
  readonly file: StorageFile;
  readonly target: Uint8Array;
  readonly position: number;
}

/** Steps towards a `T`. */
export type Plan<T> = Generator<ReadRequest, T, number>;

/** Runs a plan to its end, blocking. */
export function runSync<T>(plan: Plan<T>): T {
  let step = plan.next();
  while (step.done !== true) {
    const { file, target, position } = step.value;
    let read: number;
    try {
      read = file.readSync(target, position);
    } catch (error) {
      step = plan.throw(error);
      continue;
    }
    step = plan.next(read);
  }
  return step.value;
}

/** Runs a plan to its end; the event loop turns while the disk reads. */
export async function run<T>(plan: Plan<T>): Promise<T> {
  let step = plan.next();
  while (step.done !== true) {
    const { file, target, position } = step.value;
    let read: number;
    try {
      read = await file.read(target, position);
    } catch (error) {
      step = plan.throw(error);
      continue;
    }
    step = plan.next(read);
  }
  return step.value;
}

/** Reads exactly what is asked for, as far as the file goes. */
export function* readAt(file: StorageFile, position: number, length: number): Plan<Uint8Array> {
  const target = new Uint8Array(length);
  const read = yield { file, target, position };
  return read === length ? target : target.subarray(0, read);
}
