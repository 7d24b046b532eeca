/** Follows a log from another process and gives, for each record, when it came. */
import { loadSeqlog } from "../lib/load-seqlog.mjs";

const { directory, count } = JSON.parse(process.argv[2]);
const { openLog } = await loadSeqlog();
const log = await openLog(directory, { readOnly: true });
const times = [];
process.send({ isFollowing: true });
for await (const record of log.read({ live: true })) {
  times[record.seq] = process.hrtime.bigint();
  process.send({ seen: record.seq });
  if (record.seq === count - 1) break;
}
await log.close();
process.send({ times: times.map(String) });
process.disconnect();
