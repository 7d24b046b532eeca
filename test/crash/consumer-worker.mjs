/**
 * Consumes a log, without end, until it is killed; started by consumer-kill.test.ts. Tells a line each,
 * by a blocking write, so that the kill takes none:
 *
 *   open        the consumer is open
 *   got SEQ     a record was delivered (of one that is delivered again: `again SEQ`)
 *   ack SEQ     its acknowledgement begins: the handler is about to return, or `ack` to be called
 *   acked SEQ   `ack` resolved
 *   saved SEQ   a write of the checkpoint ended; SEQ is the next one in it
 */
import { writeSync } from "node:fs";
import { openLog, text } from "../../dist/index.js";
import { nodeMachine } from "../../dist/testing/index.js";

const [path, settings] = process.argv.slice(2);
const { way, concurrency, writes, ...options } = JSON.parse(settings);

const tell = (line) => writeSync(1, `${line}\n`);
tell("start");

const log = await openLog(path, {
  codec: text(),
  ...(writes ? { segmentBytes: 16 * 1024 } : { readOnly: true }),
  machine: { ...nodeMachine, storage: tellingOfCheckpoints(nodeMachine.storage) },
});
const consumer = await log.consumer("worker", { retry: { backoffMs: 1 }, ...options });
tell("open");
appendAhead();
await (way === "run" ? runHandler() : loop());

/** A storage that tells of the writes of checkpoints. */
function tellingOfCheckpoints(storage) {
  const bound = (target, name) => (typeof target[name] === "function" ? target[name].bind(target) : target[name]);
  const tellingFile = (file) =>
    new Proxy(file, {
      get: (target, name) =>
        name === "write"
          ? (bytes, position, done) =>
              target.write(bytes, position, (error, written) => {
                // The place of the next seq in a slot: src/format/FORMAT.md.
                if (error === undefined) tell(`saved ${Buffer.from(bytes).readBigUInt64LE(40)}`);
                done(error, written);
              })
          : bound(target, name),
    });
  return new Proxy(storage, {
    get: (target, name) =>
      name === "openSync"
        ? (file, ...rest) => {
            const opened = target.openSync(file, ...rest);
            return file.endsWith(".ckpt") ? tellingFile(opened) : opened;
          }
        : bound(target, name),
  });
}

/** Keeps the log a little ahead of the consumer. */
function appendAhead() {
  if (!writes || log.pendingBytes > 0 || log.nextSeq - consumer.nextSeq > 100) return;
  const data = Array.from({ length: 1 + (log.nextSeq % 40) }, (_, i) => `event ${log.nextSeq + i}`);
  log.appendBatch(data).then(appendAhead);
}

/** Whether this one fails: now and then the first attempt. */
function fails({ seq, attempt }) {
  return attempt === 1 && seq % 11 === 3;
}

function receive({ seq, attempt, data }) {
  if (data !== `event ${seq}`) tell(`wrong ${seq} ${data}`);
  tell(`${attempt === 1 ? "got" : "again"} ${seq}`);
  appendAhead();
}

async function runHandler() {
  const handler = async (delivery) => {
    receive(delivery);
    // So that at a higher concurrency they end in another order.
    for (let turns = delivery.seq % 5; turns > 0; turns--) await new Promise(setImmediate);
    if (fails(delivery)) throw new Error("not this time");
    tell(`ack ${delivery.seq}`);
  };
  await consumer.run(handler, { concurrency });
}

async function acknowledge({ seq, ack }) {
  tell(`ack ${seq}`);
  await ack();
  tell(`acked ${seq}`);
}

async function loop() {
  const held = [];
  for await (const delivery of consumer) {
    receive(delivery);
    if (fails(delivery)) {
      delivery.nack({ delayMs: delivery.seq % 3 });
      continue;
    }
    held.push({ seq: delivery.seq, ack: () => delivery.ack() });
    // One that comes again may be all that the window has room for.
    if (held.length < concurrency && delivery.attempt === 1) continue;
    // The last one first.
    await Promise.all(held.splice(0).reverse().map(acknowledge));
  }
}
