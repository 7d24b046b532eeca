/**
 * A process that opens a log, does what it is told and says what became of each record: orders come
 * as lines of JSON on standard input, answers go as lines of JSON to standard output. It catches
 * every error, so that it ends badly only when it is killed. Started by worker.ts.
 */
import { createInterface } from "node:readline";
import { FileLog } from "../../dist/index.js";

const [path, options, name] = process.argv.slice(2);
let made = 0;

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function failure(error) {
  const { code, facts, message } = error;
  return { code: code ?? error.name, errno: facts?.errno, message };
}

/** Data that says whose it is, and its form on the line: what it begins with, and its length. */
function newData(bytes) {
  const start = `${name}.${made++}.`;
  return { start, length: Math.max(bytes, start.length), text: start.padEnd(bytes, "x") };
}

function acknowledge({ start, length }, { seq, id, segment, offset }) {
  say({ acknowledged: { seq, id, segment, offset, start, length } });
}

/** A range tells no ids and offsets: the log does. */
function acknowledgeAll(data, { first }) {
  for (const [i, item] of data.entries()) acknowledge(item, log.getSync(first + i));
}

async function attempt(form, call) {
  try {
    await call();
  } catch (error) {
    say({ refused: { form, ...failure(error) } });
  }
}

const batchLength = 3;

const orders = {
  async append({ count, bytes }) {
    for (let i = 0; i < count; i++) {
      const data = newData(bytes);
      await attempt("append", async () => acknowledge(data, await log.append(data.text)));
    }
  },
  async batch({ count, bytes }) {
    for (let i = 0; i < count; i++) {
      const data = Array.from({ length: batchLength }, () => newData(bytes));
      await attempt("batch", async () => acknowledgeAll(data, await log.appendBatch(data.map(({ text }) => text))));
    }
  },
  async sync({ count, bytes }) {
    for (let i = 0; i < count; i++) {
      const data = newData(bytes);
      await attempt("sync", () => acknowledge(data, log.appendSync(data.text)));
    }
  },
  /** Several callers at the same time. */
  async together(order) {
    const { append, batch } = orders;
    await Promise.all([append(order), append(order), append(order), batch(order)]);
  },
  /** The same, with one that blocks while their writes are in flight. */
  async mixed(order) {
    await Promise.all([orders.together(order), orders.sync(order)]);
  },
  async flush() {
    await attempt("flush", () => log.flush());
  },
  async close() {
    await attempt("close", () => log.close());
  },
};

let log;
try {
  log = await FileLog.open(path, JSON.parse(options));
} catch (error) {
  say({ failed: failure(error) });
}
if (log !== undefined) {
  say({ opened: log.nextSeq });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    await orders[order.do](order);
    say({ done: order.do });
  }
}
