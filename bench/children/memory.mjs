/** Does one thing with a log in a process of its own, and gives the most memory that it ever had resident. */
import { manyCallersUpTo } from "../lib/drive.mjs";
import { loadSeqlog } from "../lib/load-seqlog.mjs";
import { Payloads } from "../lib/payload.mjs";

const { directory, work, count, size } = JSON.parse(process.argv[2]);
const { openLog } = await loadSeqlog();
const log = await openLog(directory);
const payloads = new Payloads(size);

const works = {
  async callers() {
    await manyCallersUpTo((data) => log.append(data), payloads, count, 4096);
  },
  async batches() {
    const batch = payloads.batches(4096);
    for (let done = 0; done < count; done += 4096) await log.appendBatch(batch(done).slice(0, count - done));
  },
  async readBatches() {
    let records = 0;
    for await (const batch of log.readBatches()) records += batch.count;
    if (records !== count) throw new Error(`${records} records, not ${count}`);
  },
  async read() {
    let records = 0;
    for await (const record of log.read()) records += record.bytes.length === size ? 1 : 0;
    if (records !== count) throw new Error(`${records} records, not ${count}`);
  },
};

await works[work]();
if (log.nextSeq !== count) throw new Error(`${log.nextSeq} records, not ${count}`);
await log.close();
// Of libuv, in KiB.
process.send({ peakBytes: process.resourceUsage().maxRSS * 1024 });
process.disconnect();
