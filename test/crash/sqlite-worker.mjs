/**
 * Consumes a log into SQLite, with the checkpoint of examples/exactly-once in the same transaction,
 * without end, until it is killed; started by sqlite-kill.test.ts. Each record's effect is a row of a
 * table that takes any number of them. Tells a line each, by a blocking write, so that the kill takes
 * none; they are as many places to be killed at:
 *
 *   start, open, begin SEQ, effect SEQ, checkpoint SEQ, done SEQ, failed SEQ
 */
import { writeSync } from "node:fs";
import { openLog, text } from "../../dist/index.js";
import { sqliteCheckpoint } from "../../examples/exactly-once/sqlite-checkpoint.mjs";
import { openDatabase, transaction } from "../../examples/sqlite/database.mjs";

const [path, databasePath, writes] = process.argv.slice(2);

const tell = (line) => writeSync(1, `${line}\n`);
tell("start");

const isWriter = writes === "true";
const log = await openLog(path, { codec: text(), ...(isWriter ? { segmentBytes: 16 * 1024 } : { readOnly: true }) });
const db = openDatabase(databasePath);
db.exec("CREATE TABLE IF NOT EXISTS effect (seq INTEGER NOT NULL, data TEXT NOT NULL)");
const checkpoint = sqliteCheckpoint(db, "effects");
const insert = db.prepare("INSERT INTO effect VALUES (?, ?)");

const consumer = await log.consumer("effects", { store: checkpoint, retry: { backoffMs: 1 } });
tell("open");
appendAhead();
await consumer.run((delivery) => {
  const { seq, data, attempt } = delivery;
  appendAhead();
  try {
    transaction(db, () => {
      tell(`begin ${seq}`);
      insert.run(seq, data);
      tell(`effect ${seq}`);
      // Now and then the first attempt fails in the middle of its transaction.
      if (attempt === 1 && seq % 7 === 3) throw new Error("not this time");
      checkpoint.saveInTransaction(delivery.checkpoint);
      tell(`checkpoint ${seq}`);
    });
  } catch (error) {
    tell(`failed ${seq}`);
    throw error;
  }
  tell(`done ${seq}`);
});

/** Keeps the log a little ahead of the consumer. */
function appendAhead() {
  if (!isWriter || log.pendingBytes > 0 || log.nextSeq - consumer.nextSeq > 100) return;
  const data = Array.from({ length: 1 + (log.nextSeq % 40) }, (_, i) => `event ${log.nextSeq + i}`);
  log.appendBatch(data).then(appendAhead);
}
