/**
 * SQLite by better-sqlite3, the fastest binding for Node: WAL with synchronous=FULL, which syncs
 * the WAL at each commit. One table whose key is the rowid, so that no second index is kept;
 * prepared statements; groups in one transaction. Reads by `pluck`, the column alone without an
 * object around it, and through a memory map, both faster than the defaults. Pages are of 4 KiB, as SQLite
 * makes them; with 16 KiB (better-sqlite3-16k.mjs) transactions of 4,096 are 1.4 times as fast, and
 * nothing else is: single inserts, transactions of 64, iterate and get are as with 4 KiB.
 */
import Database from "better-sqlite3";
import { join } from "node:path";
import { versionOf } from "../lib/package-version.mjs";

const probed = new Database(":memory:");
const sqlite = probed.prepare("SELECT sqlite_version()").pluck().get();
probed.close();

export const about = {
  name: "better-sqlite3",
  version: `${versionOf("better-sqlite3")} (SQLite ${sqlite})`,
  guarantee: "WAL, synchronous=FULL: one fsync of the WAL at each commit",
  isDurable: true,
};

export function open(dir, { synchronous = "FULL", pageSize = 4096 } = {}) {
  const db = new Database(join(dir, "log.db"));
  db.pragma(`page_size = ${pageSize}`);
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma("mmap_size = 2147418112");
  db.exec("CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)");
  const insert = db.prepare("INSERT INTO log (data) VALUES (?)");
  const select = db.prepare("SELECT data FROM log WHERE seq = ?").pluck();
  const all = db.prepare("SELECT data FROM log ORDER BY seq").pluck();
  const count = db.prepare("SELECT count(*) FROM log").pluck();
  const insertAll = db.transaction((items) => {
    for (const item of items) insert.run(item);
  });

  return {
    appendSync: (data) => void insert.run(data),
    appendManySync: (items) => void insertAll(items),
    load: (items) => void insertAll(items),
    scanEach() {
      let records = 0;
      let bytes = 0;
      for (const data of all.iterate()) {
        records++;
        bytes += data.length;
      }
      return { records, bytes };
    },
    getMany(numbers) {
      let bytes = 0;
      for (const number of numbers) bytes += select.get(number + 1).length;
      return bytes;
    },
    // Its rowids begin with 1.
    get: (number) => select.get(number + 1),
    count: () => count.get(),
    close: () => void db.close(),
  };
}

export const openToLoad = (dir) => open(dir, { synchronous: "OFF" });
