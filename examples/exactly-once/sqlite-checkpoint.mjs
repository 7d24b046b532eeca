/**
 * Keeps a consumer's checkpoint in SQLite, to be saved in the transaction that does what the record
 * asks for: then both are there, or neither. Copy it into your program as it is.
 */

/** The checkpoint of one consumer. `sqliteCheckpoint(db, name)` is the consumer's `store`. */
export function sqliteCheckpoint(db, name) {
  db.exec("CREATE TABLE IF NOT EXISTS seqlog_checkpoint (name TEXT PRIMARY KEY, checkpoint TEXT NOT NULL)");
  const select = db.prepare("SELECT checkpoint FROM seqlog_checkpoint WHERE name = ?");
  // A handler that outlives its consumer must not do again what another one has done, nor put the place back.
  const upsert = db.prepare(
    `INSERT INTO seqlog_checkpoint VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET checkpoint = excluded.checkpoint
     WHERE json_extract(checkpoint, '$.logId') = json_extract(excluded.checkpoint, '$.logId')
       AND json_extract(checkpoint, '$.generation') = json_extract(excluded.checkpoint, '$.generation')
       AND json_extract(checkpoint, '$.nextSeq') < json_extract(excluded.checkpoint, '$.nextSeq')`,
  );
  return {
    /** Called by seqlog: where the consumer goes on. */
    load() {
      const row = select.get(name);
      return row === undefined ? undefined : JSON.parse(row.checkpoint);
    },

    /**
     * Called by the handler with `delivery.checkpoint`, inside its transaction, which must roll back when
     * this throws: then the record was done elsewhere. (A method `save` would be called by seqlog, outside.)
     */
    saveInTransaction(checkpoint) {
      const { changes } = upsert.run(name, JSON.stringify(checkpoint));
      if (changes === 1) return;
      const stored = select.get(name)?.checkpoint;
      throw new Error(`the consumer ${name} is not before seq ${checkpoint.nextSeq} in the database: ${stored}`);
    },
  };
}
