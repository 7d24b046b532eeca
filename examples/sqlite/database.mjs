/**
 * An SQLite database for the examples beside this one. They use `exec`, `prepare` and a statement's
 * `run`, `get` and `all`, so any of three drivers will do; change the import:
 *
 *   import Database from "libsql";                              // npm install libsql
 *   import Database from "better-sqlite3";                      // npm install better-sqlite3
 *   import { DatabaseSync as Database } from "node:sqlite";     // comes with Node.js 22.13 and later
 */
import Database from "libsql";

/** Opens a database in which a transaction is on the disk when it has been committed, as a record of the log is. */
export function openDatabase(path) {
  const db = new Database(path);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000");
  return db;
}

/** Does the work in one transaction: all of it, or, when it throws or the process is killed, nothing. */
export function transaction(db, work) {
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
    db.exec("COMMIT");
  } catch (error) {
    try {
      db.exec("ROLLBACK");
    } catch {
      // After some errors, a full disk among them, SQLite has rolled back by itself.
    }
    throw error;
  }
}
