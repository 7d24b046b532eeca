/** seqlog with its defaults. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadSeqlog } from "../lib/load-seqlog.mjs";

export const about = {
  name: "seqlog",
  version: JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version,
  guarantee: "one O_DSYNC write (elsewhere write + fsync) before the acknowledgement; UUID and CRC-32 in every record",
  isDurable: true,
};

export const logDirectory = (dir) => join(dir, "log");

export async function open(dir, options = {}) {
  const { openLog } = await loadSeqlog();
  const log = await openLog(logDirectory(dir), options);
  return {
    log,
    appendSync: (data) => void log.appendSync(data),
    append: (data) => log.append(data),
    appendManySync: (items) => void log.appendBatchSync(items),
    appendMany: (items) => log.appendBatch(items),
    load: (items) => log.appendBatch(items),
    // CRCs are checked either way; here nobody looks at the single records.
    async scan() {
      let records = 0;
      let bytes = 0;
      for await (const batch of log.readBatches()) {
        records += batch.count;
        bytes += batch.byteLength - 32 * batch.count;
      }
      return { records, bytes };
    },
    async scanBytesAt() {
      let records = 0;
      let bytes = 0;
      for await (const batch of log.readBatches()) {
        const { count } = batch;
        for (let i = 0; i < count; i++) bytes += batch.bytesAt(i).length;
        records += count;
      }
      return { records, bytes };
    },
    async scanEach() {
      let records = 0;
      let bytes = 0;
      for await (const record of log.read()) {
        records++;
        bytes += record.bytes.length;
      }
      return { records, bytes };
    },
    consume: () => consume(log, "every"),
    consumeLazily: () => consume(log, { intervalMs: 1000 }),
    getMany(numbers) {
      let bytes = 0;
      for (const number of numbers) bytes += log.getSync(number).bytes.length;
      return bytes;
    },
    get: (number) => log.getSync(number)?.bytes,
    count: () => log.nextSeq,
    close: () => log.close(),
  };
}

/** A consumer from the first record to the last; all of them are durably acknowledged in the end. */
async function consume(log, checkpoint) {
  const end = log.nextSeq;
  let records = 0;
  let bytes = 0;
  const consumer = await log.consumer("bench", { checkpoint });
  await consumer.run((delivery) => {
    bytes += delivery.bytes.length;
    if (++records === end) void consumer.close();
  });
  await consumer.close();
  const [{ nextSeq }] = await log.consumers();
  if (nextSeq !== end) throw new Error(`the consumer stands at ${nextSeq}, the log ends before ${end}`);
  await log.deleteConsumer("bench");
  return { records, bytes };
}

/** For filling a log that is only read: closing makes it durable. */
export const openToLoad = (dir) => open(dir, { durability: "os" });
