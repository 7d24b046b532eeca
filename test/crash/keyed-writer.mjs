/**
 * Appends records with keys, from one number on, without end, until it is killed: several callers,
 * each record twice at the same time, some of them blocking. Says each answer on standard output:
 * number, seq, id and whether it was a duplicate. Started by keyed-kill.test.ts.
 */
import { FileLog } from "../../dist/index.js";

const [path, first, keyWindowRecords] = process.argv.slice(2);
const log = await FileLog.open(path, {
  segmentBytes: 16 * 1024,
  keyWindow: { records: Number(keyWindowRecords) },
});

let next = Number(first);

function say(i, { seq, id, duplicate }) {
  process.stdout.write(`${i} ${seq} ${id} ${duplicate}\n`);
}

async function caller() {
  for (;;) {
    const i = next++;
    const data = `${i}.`.padEnd(10 + ((i * 37) % 300), "x");
    const options = { key: `key ${i}` };
    const twice = [log.append(data, options), log.append(data, options)];
    if (i % 7 === 0) {
      say(i, log.appendSync(data, options));
      // Blocking calls answer the others too: without a turn for the loop nothing that was said would ever leave.
      await new Promise(setImmediate);
    }
    for (const appended of await Promise.all(twice)) say(i, appended);
  }
}

await Promise.all(Array.from({ length: 8 }, caller));
