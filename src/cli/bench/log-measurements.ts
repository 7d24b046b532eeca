/** The log: appends of each kind, each in a new log, and the fast way through one that is there. */
import * as path from "node:path";
import { FileLog } from "../../index.ts";
import { nodeMachine } from "../../storage/node-machine.ts";
import { blocking, callersAtOnce, oneAtATime } from "./drive.ts";
import type { Sizes } from "./measurement.ts";
import type { Sample, Span } from "./meter.ts";

/** Different ones in turn, so that a disk which stores equal blocks once gains nothing. */
const payloadCount = 64;

/** For scans: more than a processor's caches hold. */
const scannedBytes = 64 * 1024 * 1024;

function payloads({ size }: Sizes): () => Uint8Array {
  const all = new Uint8Array(payloadCount * size);
  nodeMachine.random.fill(all);
  let next = 0;
  return () => {
    const at = size * (next++ % payloadCount);
    return all.subarray(at, at + size);
  };
}

async function inNewLog(directory: string, measure: (log: FileLog) => Promise<Sample>): Promise<Sample> {
  const log = await FileLog.open(path.join(directory, "log"));
  try {
    return await measure(log);
  } finally {
    await log.close();
  }
}

/** Blocking, one after the other. */
export function appendSync(directory: string, sizes: Sizes, span: Span): Promise<Sample> {
  const next = payloads(sizes);
  return inNewLog(directory, (log) =>
    blocking(() => {
      log.appendSync(next());
      return 1;
    }, span),
  );
}

/** One caller, who waits for each. */
export function append(directory: string, sizes: Sizes, span: Span): Promise<Sample> {
  const next = payloads(sizes);
  return inNewLog(directory, (log) =>
    oneAtATime(async () => {
      await log.append(next());
      return 1;
    }, span),
  );
}

/** Group commit. */
export function appendFrom(callers: number, directory: string, sizes: Sizes, span: Span): Promise<Sample> {
  const next = payloads(sizes);
  return inNewLog(directory, (log) => callersAtOnce(callers, () => log.append(next()), span));
}

/** One caller who has many records at once. */
export function appendBatch(directory: string, sizes: Sizes, span: Span): Promise<Sample> {
  const next = payloads(sizes);
  const batch = Array.from({ length: sizes.batch }, next);
  return inNewLog(directory, (log) =>
    oneAtATime(async () => {
      await log.appendBatch(batch);
      return batch.length;
    }, span),
  );
}

/** Makes the log that is scanned; it lies in the page cache afterwards. */
export async function fillLog(at: string, sizes: Sizes, signal: AbortSignal): Promise<void> {
  const next = payloads(sizes);
  const batch = Array.from({ length: sizes.batch }, next);
  // Closing makes it durable.
  const log = await FileLog.open(at, { durability: "os" });
  try {
    for (let bytes = 0; bytes < scannedBytes && !signal.aborted; bytes += batch.length * sizes.recordBytes) {
      await log.appendBatch(batch);
    }
  } finally {
    await log.close();
  }
}

/** From the start to the end, again and again; every CRC is checked. */
export async function readBatches(at: string, span: Span): Promise<Sample> {
  const log = await FileLog.open(at, { readOnly: true });
  try {
    let batches = log.readBatches();
    const next = async (): Promise<number> => {
      const { value, done } = await batches.next();
      if (done !== true) return value.count;
      batches = log.readBatches();
      return 0;
    };
    return await oneAtATime(next, span);
  } finally {
    await log.close();
  }
}
