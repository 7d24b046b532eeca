/**
 * LevelDB by classic-level: `sync: true` on each write. Keys are numbers of 8 bytes, big-endian, so
 * that their order is that of the appends. Compression off, since the data cannot be compressed;
 * a write buffer of 32 MiB, since the default of 4 MiB spends its time on compaction.
 */
import { ClassicLevel } from "classic-level";
import { join } from "node:path";
import { versionOf } from "../lib/package-version.mjs";

export const about = {
  name: "classic-level",
  version: versionOf("classic-level"),
  guarantee: "sync: true: one fsync of LevelDB's log at each write or batch",
  isDurable: true,
};

function keyOf(number) {
  const key = Buffer.allocUnsafe(8);
  key.writeUInt32BE(Math.floor(number / 2 ** 32), 0);
  key.writeUInt32BE(number >>> 0, 4);
  return key;
}

export async function open(dir) {
  const db = new ClassicLevel(join(dir, "level"), {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    compression: false,
    writeBufferSize: 32 * 1024 * 1024,
  });
  await db.open();
  let next = 0;
  const batchOf = (items) => items.map((value) => ({ type: "put", key: keyOf(next++), value }));

  return {
    append: (data) => db.put(keyOf(next++), data, { sync: true }),
    appendMany: (items) => db.batch(batchOf(items), { sync: true }),
    load: (items) => db.batch(batchOf(items)),
    async scanEach() {
      let records = 0;
      let bytes = 0;
      const values = db.values({ highWaterMarkBytes: 1024 * 1024 });
      // nextv hands out what one visit to the thread pool fetched: the fast way of its iterator.
      for (let some = await values.nextv(1000); some.length > 0; some = await values.nextv(1000)) {
        records += some.length;
        for (const data of some) bytes += data.length;
      }
      await values.close();
      return { records, bytes };
    },
    getMany(numbers) {
      let bytes = 0;
      for (const number of numbers) bytes += db.getSync(keyOf(number)).length;
      return bytes;
    },
    get: (number) => db.getSync(keyOf(number)),
    async count() {
      let count = 0;
      for await (const _ of db.keys()) count++;
      return count;
    },
    close: () => db.close(),
  };
}
