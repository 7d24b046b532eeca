/**
 * Appends without end in every form, from several callers, until it is killed. Says each
 * acknowledged record on standard output, a line each: seq, id, segment, offset and data, with
 * spaces between. Started by kill.test.ts.
 */
import { FileLog } from "../../dist/index.js";

const [path, round, durability] = process.argv.slice(2);
const log = await FileLog.open(path, {
  segmentBytes: 16 * 1024,
  durability: durability === "interval" ? { intervalMs: 5 } : durability,
});

/** Data of many lengths that says whose it is. */
function dataOf(caller, i) {
  const name = `${round}.${caller}.${i}.`;
  return name.padEnd(name.length + ((i * 37 + caller * 211) % 900), "x");
}

function acknowledge({ seq, id, segment, offset }, data) {
  process.stdout.write(`${seq} ${id} ${segment} ${offset} ${data}\n`);
}

/** What a batch resolves to tells no ids and offsets; the log does. */
function acknowledgeAll({ first }, data) {
  for (const [i, item] of data.entries()) acknowledge(log.getSync(first + i), item);
}

async function appender(caller) {
  for (let i = 0; ; i++) {
    const data = dataOf(caller, i);
    acknowledge(await log.append(data), data);
  }
}

async function batcher(caller) {
  for (let i = 0; ; i += 5) {
    const data = Array.from({ length: 1 + (i % 4) }, (_, k) => dataOf(caller, i + k));
    acknowledgeAll(await log.appendBatch(data), data);
  }
}

async function blocker(caller) {
  for (let i = 0; ; i += 3) {
    const data = dataOf(caller, i);
    acknowledge(log.appendSync(data), data);
    const two = [dataOf(caller, i + 1), dataOf(caller, i + 2)];
    acknowledgeAll(log.appendBatchSync(two), two);
    await log.ready();
    await log.flush();
  }
}

await Promise.all([...Array.from({ length: 6 }, (_, caller) => appender(caller)), batcher(6), batcher(7), blocker(8)]);
