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
  /** To be read at the same time. */
  readonly beside?: BesideRequest;
  /** To be begun as soon as this read has ended. */
  readonly ahead?: AheadRequest | undefined;
}

/**
 * A read that begins before the plan asks for it, where that does not block. The plan asks for it
 * later by yielding it, and does so before it ends in any way when it has begun: until then the
 * read uses the descriptor and the target.
 */
export interface AheadRequest extends ReadRequest {
  /** Set by `run` when it begins. */
  begun: Promise<number> | undefined;
}

/** A second read that goes with another one. */
export interface BesideRequest {
  readonly file: StorageFile;
  readonly target: Uint8Array;
  readonly position: number;
  /** The answer: the bytes read. */
  read: number;
}

/** Steps towards a `T`. */
export type Plan<T> = Generator<ReadRequest | AheadRequest, T, number>;

/** Runs a plan to its end, blocking. */
export function runSync<T>(plan: Plan<T>): T {
  let step = plan.next();
  while (step.done !== true) {
    const { file, target, position, beside } = step.value;
    let read: number;
    try {
      if (beside !== undefined) beside.read = beside.file.readSync(beside.target, beside.position);
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
    const request = step.value;
    let read: number;
    try {
      read = await (("begun" in request ? request.begun : undefined) ?? begin(request));
      if (request.ahead !== undefined) beginAhead(request.ahead);
    } catch (error) {
      step = plan.throw(error);
      continue;
    }
    step = plan.next(read);
  }
  return step.value;
}

function begin({ file, target, position, beside }: ReadRequest): Promise<number> {
  return beside === undefined ? file.read(target, position) : readBoth(file, target, position, beside);
}

function beginAhead(request: AheadRequest): void {
  request.begun = begin(request);
  // An error is thrown when the plan asks for the read; nobody listens before.
  request.begun.catch(() => {});
}

async function readBoth(
  file: StorageFile,
  target: Uint8Array,
  position: number,
  beside: BesideRequest,
): Promise<number> {
  // Both have ended when this returns or throws: their buffers are nobody's then.
  const [one, other] = await Promise.allSettled([
    file.read(target, position),
    beside.file.read(beside.target, beside.position),
  ]);
  if (one.status === "rejected") throw one.reason;
  if (other.status === "rejected") throw other.reason;
  beside.read = other.value;
  return one.value;
}

/** Reads exactly what is asked for, as far as the file goes. */
export function* readAt(file: StorageFile, position: number, length: number): Plan<Uint8Array> {
  const target = new Uint8Array(length);
  const read = yield { file, target, position };
  return read === length ? target : target.subarray(0, read);
}
