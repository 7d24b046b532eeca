/**
 * Opens many logs for writing at once, appends to each, and waits: on standard input "close" closes
 * them, the end ends the process. Started by many-logs.test.ts, which measures it from outside.
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
const logs = [];
for (let i = 0; i < Number(count); i++) logs.push(await FileLog.open(join(directory, `log-${i}`)));
for (let k = 0; k < Number(records); k++) await Promise.all(logs.map((log) => log.append(data)));
await say("open");
await Promise.all(logs.map((log) => log.close()));
await say("closed");
