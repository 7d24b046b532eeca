/**
 * Opens many logs one after the other, appends to each, and closes it. As logs-at-once.mjs, it tells
 * on standard output where it stands and waits for a line of input to go on.
 */
import { createInterface } from "node:readline";
import { join } from "node:path";
import { FileLog } from "../../dist/index.js";

const [directory, count, records, data] = process.argv.slice(2);
const orders = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function say(word) {
  process.stdout.write(`${word}\n`);
  return orders.next();
}

await say("ready");
for (let i = 0; i < Number(count); i++) {
  const log = await FileLog.open(join(directory, `log-${i}`));
  await log.appendBatch(Array.from({ length: Number(records) }, () => data));
  await log.close();
}
await say("closed");
