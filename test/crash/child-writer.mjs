/** A process that writes a log and does what it is told: a line of JSON in, a line of JSON out. */
import { createInterface } from "node:readline";
import { openLog } from "../../dist/index.js";

const [path, options] = process.argv.slice(2);
const log = await openLog(path, JSON.parse(options));

const orders = {
  append: (data) => log.append(data),
  appendBatch: (data) => log.appendBatch(data),
  trim: (before) => log.trim({ before }),
  reset: () => log.reset(),
  stats: () => log.stats(),
  close: () => log.close(),
};

process.stdout.write('"open"\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [order, argument] = JSON.parse(line);
  process.stdout.write(`${JSON.stringify((await orders[order](argument)) ?? null)}\n`);
}
