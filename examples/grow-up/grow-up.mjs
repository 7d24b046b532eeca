/**
 * A program that outgrows one machine. It places orders and bills each of them once; where its log is
 * kept is one string, and nothing else changes with it:
 *
 *   node examples/grow-up/grow-up.mjs ./data/grow-up
 *   node examples/grow-up/grow-up.mjs nats://127.0.0.1:4222/grow-up
 *
 * `npm run cluster` starts three servers to try the second; `seqlog promote ./data/grow-up nats://…`
 * brings what the directory holds there first. Each run places three orders more.
 */
import { json, openLog } from "seqlog";

/** @typedef {{ item: string, price: number }} Order */

const location = process.argv[2] ?? "./data/grow-up";

/** @type {import("seqlog").Log<Order>} */
const log = await openLog(location, { codec: json() });

const placed = log.nextSeq;
await Promise.all(
  ["tea", "milk", "bread"].map((item, i) => log.append({ item, price: i + 1 }, { key: `order ${placed + i}` })),
);

let total = 0;
for await (const { seq, time, data } of log.read()) {
  total += data.price;
  console.log(`order ${seq}, ${time.toISOString().slice(0, 10)}: ${data.item}, ${data.price} EUR`);
}
console.log(`${log.nextSeq} orders, ${total} EUR in all`);

// A consumer goes on where the last run of this program stopped.
const billing = await log.consumer("billing");
let billed = 0;
await billing.run(({ seq }) => {
  billed++;
  if (seq === log.nextSeq - 1) void billing.close();
});
console.log(`${billed} billed`);
await log.close();
