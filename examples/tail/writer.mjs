/**
 * Writes a measurement into a log every half second, for tail.mjs to follow. Until Ctrl-C, or so many:
 *
 *   node examples/tail/writer.mjs ./data/tail [COUNT]
 */
import { setTimeout as sleep } from "node:timers/promises";
import { json, openLog } from "seqlog";

const [directory = "./data/tail", count = "Infinity"] = process.argv.slice(2);

const log = await openLog(directory, { codec: json() });
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());

for (let i = 0; i < Number(count) && !stop.signal.aborted; i++) {
  const { seq } = await log.append({ celsius: Number((20 + 3 * Math.sin(i / 5)).toFixed(2)) });
  console.log(`wrote ${seq}`);
  await sleep(500);
}
await log.close();
