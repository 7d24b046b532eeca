/**
 * LMDB by lmdb-js. `overlappingSync: false`: a commit has been synced when it is acknowledged, what
 * `flushed` waits for otherwise, with fewer writes and faster at any number of callers. Numbers as native keys, binary values: its
 * fast options (`useWritemap` is none). Puts of one turn of the event loop share a transaction by themselves.
 */
import { open as openLmdb } from "lmdb";
import { join } from "node:path";
import { versionOf } from "../lib/package-version.mjs";

export const about = {
  name: "lmdb",
  version: versionOf("lmdb"),
  guarantee: "flushed: one fdatasync at each commit, before the acknowledgement",
  isDurable: true,
};

export function open(dir, { noSync = false } = {}) {
  const db = openLmdb({
    path: join(dir, "lmdb"),
    keyIsUint32: true,
    encoding: "binary",
    overlappingSync: false,
    noSync,
  });
  let next = 0;
  const putAll = (items) => {
    for (const item of items) db.put(next++, item);
  };

  return {
    appendSync: (data) => void db.putSync(next++, data),
    append: (data) => db.put(next++, data),
    appendManySync: (items) => void db.transactionSync(() => putAll(items)),
    appendMany: (items) => db.batch(() => putAll(items)),
    load: (items) => db.batch(() => putAll(items)),
    scanEach() {
      let records = 0;
      let bytes = 0;
      for (const { value } of db.getRange({})) {
        records++;
        bytes += value.length;
      }
      return { records, bytes };
    },
    getMany(numbers) {
      let bytes = 0;
      for (const number of numbers) bytes += db.get(number).length;
      return bytes;
    },
    get: (number) => db.get(number),
    count: () => db.getKeysCount(),
    close: () => db.close(),
  };
}

export const openToLoad = (dir) => open(dir, { noSync: true });
