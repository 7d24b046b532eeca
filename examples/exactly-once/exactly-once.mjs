/**
 * Effects exactly once. Payments in a log move money between accounts in SQLite; the balance and the
 * consumer's checkpoint change in one transaction. So each payment counts once, whenever the process
 * is killed and however often it is started again.
 *
 *   node examples/exactly-once/exactly-once.mjs ./data/exactly-once
 *
 * Each run appends ten payments and consumes what is there. Kill it anywhere, run it again.
 */
import { join } from "node:path";
import { json, openLog } from "seqlog";
import { openDatabase, transaction } from "../sqlite/database.mjs";
import { sqliteCheckpoint } from "./sqlite-checkpoint.mjs";

const directory = process.argv[2] ?? "./data/exactly-once";

const log = await openLog(join(directory, "payments"), { codec: json() });
const db = openDatabase(join(directory, "accounts.db"));
db.exec(
  "CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, cents INTEGER NOT NULL, payments INTEGER NOT NULL)",
);

const names = ["ann", "bob", "cleo"];
const payments = Array.from({ length: 10 }, (_, i) => ({ to: names[i % names.length], cents: 100 * (i + 1) }));
await log.appendBatch(payments);
const end = log.nextSeq;

const checkpoint = sqliteCheckpoint(db, "accounts");
// Not idempotent, on purpose: done twice it would be wrong.
const credit = db.prepare(
  `INSERT INTO account VALUES (?, ?, 1)
   ON CONFLICT (name) DO UPDATE SET cents = cents + excluded.cents, payments = payments + 1`,
);

const consumer = await log.consumer("accounts", { store: checkpoint });
await consumer.run((delivery) => {
  const { to, cents } = delivery.data;
  transaction(db, () => {
    credit.run(to, cents);
    checkpoint.saveInTransaction(delivery.checkpoint);
  });
  console.log(`payment ${delivery.seq}: ${cents} cents to ${to}`);
  // A service would go on; this one stops at what it appended. Not awaited: it waits for this handler.
  if (delivery.seq === end - 1) void consumer.close();
});

for (const { name, cents, payments } of db.prepare("SELECT * FROM account ORDER BY name").all()) {
  console.log(`${name} has ${cents} cents from ${payments} payments`);
}
// In this order: as it closes, the consumer looks into its store once more.
await log.close();
db.close();
