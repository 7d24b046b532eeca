/**
 * Follows a log that another process writes: the last records first, then each new one when it is on
 * the disk. The writer may end, be killed and start again meanwhile. Until Ctrl-C:
 *
 *   node examples/tail/writer.mjs ./data/tail     # in one terminal
 *   node examples/tail/tail.mjs ./data/tail       # in another one, or in several
 */
import { json, openLog } from "seqlog";

const directory = process.argv[2] ?? "./data/tail";

// Takes no lock and changes nothing. There must be a log: a reader never makes one.
const log = await openLog(directory, { codec: json(), readOnly: true });
// Closing the log ends its live reads.
process.once("SIGINT", () => void log.close());

for await (const { seq, time, data } of log.read({ from: { last: 5 }, live: true })) {
  console.log(`${seq}  ${time.toISOString()}  ${data.celsius} °C`);
}
