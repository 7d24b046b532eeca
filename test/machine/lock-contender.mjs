/**
 * Takes a log's lock, appends a few records, lets go, and again, until it is killed. Standard output
 * is a journal that all contenders share, a file opened for appending: each line is one write, so it
 * has them in the order in which they happened. Says each event on standard error too, for the one
 * who kills. Started by lock-race.test.ts.
 */
import { FileLog } from "../../dist/index.js";

const [path, name] = process.argv.slice(2);

function note(event, record) {
  process.stdout.write(`${JSON.stringify({ name, event, record })}\n`);
  process.stderr.write(`${event}\n`);
}

for (let hold = 0; ; hold++) {
  process.stderr.write("waits\n");
  const log = await FileLog.open(path, { segmentBytes: 4096, lockTimeoutMs: 2 ** 31 - 1 });
  note("got");
  for (let i = 0; i < 4; i++) {
    const start = `${name}-${hold}.${i}.`;
    const length = start.length + ((hold * 37 + i * 211) % 600);
    const { seq, id, segment, offset } = await log.append(start.padEnd(length, "x"));
    note("acknowledged", { seq, id, segment, offset, start, length });
  }
  note("lets go");
  await log.close();
}
