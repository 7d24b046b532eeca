/**
 * One process beside a writer whose retention is at work, started by retention-load.test.ts:
 * `consumer` acknowledges as many records as each line of its input says; `live` follows the log, and
 * `again` reads from its first record to its end over and over, until their input ends. Each then says
 * how many records it has seen, and how many of them were wrong.
 */
import { createInterface } from "node:readline";
import { SeqlogError, openLog } from "../../dist/index.js";

const [role, path] = process.argv.slice(2);
const log = await openLog(path, { readOnly: true });
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
let seen = 0;
let wrong = 0;
let next = 0;

function take({ seq, bytes }) {
  seen++;
  if (seq < next || Buffer.from(bytes).toString() !== `${seq}.`.padEnd(100 + ((seq * 37) % 200), "x")) wrong++;
  next = seq + 1;
}

const orders = createInterface({ input: process.stdin });

if (role === "consumer") {
  const consumer = await log.consumer("slow");
  say({ nextSeq: consumer.nextSeq });
  for await (const count of orders) {
    let left = Number(count);
    for await (const delivery of consumer) {
      if (delivery.seq !== next) wrong++;
      take(delivery);
      left--;
      const acknowledged = delivery.ack();
      // Those before it are on their way with it.
      if (left % 10 === 0) await acknowledged;
      if (left === 0) break;
    }
    say({ nextSeq: consumer.nextSeq });
  }
} else {
  const stop = new AbortController();
  orders.once("close", () => stop.abort());
  say({});
  const live = role === "live";
  while (!stop.signal.aborted) {
    try {
      if (!live) next = 0;
      // It may have been trimmed meanwhile: then again from what is there.
      for await (const record of log.read({ from: live && next > 0 ? next : "start", live, signal: stop.signal })) {
        take(record);
      }
    } catch (error) {
      if (SeqlogError.is(error, "SEQLOG_TRIMMED")) next = error.facts.firstSeq;
      else if (!stop.signal.aborted) throw error;
    }
  }
}
say({ wrong, seen });
await log.close();
