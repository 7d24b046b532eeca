/**
 * Keeps a consumer's checkpoint in SQLite, to be saved in the transaction that does what the record
 * asks for: then both are there, or neither. Copy it into your program as it is.
 */

/** The checkpoint of one consumer. `sqliteCheckpoint(db, name)` is the consumer's `store`. */
export function sqliteCheckpoint(db, name) {
  db.exec("CREATE TABLE IF NOT EXISTS seqlog_checkpoint (name TEXT PRIMARY KEY, checkpoint TEXT NOT NULL)");
  const select = db.prepare("SELECT checkpoint FROM seqlog_checkpoint WHERE name = ?");
  const upsert = db.prepare(
    "INSERT INTO seqlog_checkpoint VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET checkpoint = excluded.checkpoint",
  );
  return {
    /** Called by seqlog: where the consumer goes on. */
    load() {
      const row = select.get(name);
      return row === undefined ? undefined : JSON.parse(row.checkpoint);
    },

    /** Called by the handler with `delivery.checkpoint`, inside its transaction. (A method `save` would be called by seqlog, outside.) */
    saveInTransaction(checkpoint) {
      upsert.run(name, JSON.stringify(checkpoint));
    },
  };
}
