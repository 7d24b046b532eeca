/**
 * Follows a log live and says each record that it is served on standard output, as kill-writer.mjs
 * says what was acknowledged, until it is killed. Started by kill.test.ts.
 */
import { FileLog } from "../../dist/index.js";

const [path] = process.argv.slice(2);
const log = await FileLog.open(path, { readOnly: true });
for await (const { seq, id, segment, offset, bytes } of log.read({ live: true })) {
  process.stdout.write(`${seq} ${id} ${segment} ${offset} ${Buffer.from(bytes).toString()}\n`);
}
