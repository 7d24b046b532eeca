/** Writes a log on a simulated disk, ends without closing it, recovers and reads it; tells what came of it. */
import { crc32 } from "node:zlib";
import { openLog, rebuildIndex, verify } from "../../dist/index.js";
import { SimulatedDisk } from "../../dist/testing/index.js";

const disk = new SimulatedDisk({ seed: 7 });
const dataOf = (i) => Buffer.alloc(i % 300, i);
const writer = disk.boot();
const log = await openLog("/log", { machine: writer });
await log.appendBatch(Array.from({ length: 2000 }, (_, i) => dataOf(i)));
await Promise.all(Array.from({ length: 100 }, (_, i) => log.append(dataOf(i))));
log.appendSync(Buffer.alloc(300_000, 1));
disk.crash();

const machine = disk.boot();
await rebuildIndex("/log", { machine });
const again = await openLog("/log", { machine });
let read = 0;
for await (const batch of again.readBatches()) read += batch.count;
const at = (await again.get(1234)).bytes.length;
await again.close();
const { ok } = await verify("/log", { machine });
let files = 0;
for (const name of machine.storage.listSync("/log").sort()) {
  if (/\.(log|idx)$/.test(name)) files = crc32(disk.readFile(`/log/${name}`), crc32(name, files));
}
const hasWasm = typeof WebAssembly !== "undefined";
process.stdout.write(JSON.stringify({ hasWasm, read, at, ok, files }));
