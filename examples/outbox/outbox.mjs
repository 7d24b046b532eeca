/**
 * An outbox. The program changes its database and says so to the world: an order and its event are
 * written in one SQLite transaction, and a relay brings the events into a log. Killed anywhere, each
 * event of an order that was committed is in the log once.
 *
 *   node examples/outbox/outbox.mjs ./data/outbox
 *
 * Each run places ten orders and relays what waits. Kill it anywhere, run it again.
 */
import { join } from "node:path";
import { json, openLog } from "seqlog";
import { openDatabase, transaction } from "../sqlite/database.mjs";

const directory = process.argv[2] ?? "./data/outbox";

const log = await openLog(join(directory, "events"), {
  codec: json(),
  // The relay may be away for as long as it likes between an append and the removal of its row. Of
  // the relay's own last batch no more than 100 records are in doubt; nobody else appends here.
  keyWindow: { ms: Number.MAX_SAFE_INTEGER, records: 1000 },
});
const db = openDatabase(join(directory, "shop.db"));
db.exec(`
  CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL);
  -- AUTOINCREMENT: the number of a row that was removed never comes again. It is the event's key.
  CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
`);

const insertOrder = db.prepare("INSERT INTO orders (item) VALUES (?)");
const insertEvent = db.prepare("INSERT INTO outbox (event) VALUES (?)");
const oldestEvents = db.prepare("SELECT id, event FROM outbox ORDER BY id LIMIT 100");
const removeEvents = db.prepare("DELETE FROM outbox WHERE id <= ?");

/** The order and its event, or neither. */
function placeOrder(item) {
  transaction(db, () => {
    const { lastInsertRowid } = insertOrder.run(item);
    insertEvent.run(JSON.stringify({ type: "order placed", order: Number(lastInsertRowid), item }));
  });
}

/** Brings events into the log, oldest first, and then takes them out of the outbox; resolves with how many. */
async function relay() {
  const rows = oldestEvents.all();
  if (rows.length === 0) return 0;
  // Killed between here and the removal, the next run appends them again under the same keys, and the
  // log answers with the records that it has.
  await Promise.all(rows.map(({ id, event }) => log.append(JSON.parse(event), { key: `outbox ${id}` })));
  removeEvents.run(rows.at(-1).id);
  return rows.length;
}

for (const item of ["tea", "milk", "bread", "jam", "rice", "salt", "figs", "corn", "peas", "nuts"]) {
  placeOrder(item);
  console.log(`ordered ${item}`);
  // In a service the relay runs beside this: after each transaction, or every few milliseconds.
  if (item === "bread" || item === "salt" || item === "nuts") console.log(`relayed ${await relay()} events`);
}
while ((await relay()) > 0);

console.log(`${db.prepare("SELECT count(*) AS n FROM orders").get().n} orders, ${log.nextSeq} events`);
db.close();
await log.close();
