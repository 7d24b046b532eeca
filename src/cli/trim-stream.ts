/** `seqlog trim` of a log on servers: record by record, since it has no segments here. */
import type { Position } from "../index.ts";
import { asSeq } from "../numbers.ts";
import { openStream } from "./log-argument.ts";
import type { Trimmed } from "./trim.ts";

/** What would go is read, to count it. */
export async function trimmableStream(location: string, position: Position): Promise<Trimmed> {
  const log = await openStream(location, { readOnly: true });
  try {
    const before = await log.stats();
    let records = 0;
    let bytes = 0;
    let firstSeq: number = before.firstSeq;
    for await (const batch of log.readBatches({ to: position })) {
      records += batch.count;
      bytes += batch.byteLength;
      firstSeq = batch.first + batch.count;
    }
    const left = {
      ...before,
      firstSeq: asSeq(firstSeq),
      records: before.records - records,
      bytes: before.bytes - bytes,
    };
    return { before, after: left };
  } finally {
    await log.close();
  }
}

export async function removeFromStream(location: string, position: Position): Promise<Trimmed> {
  const log = await openStream(location, { create: false });
  try {
    const before = await log.stats();
    await log.trim({ before: position });
    return { before, after: await log.stats() };
  } finally {
    await log.close();
  }
}
