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

/** For filling a log that is only read: closing makes it durable. */
export const openToLoad = (dir) => open(dir, { durability: "os" });
