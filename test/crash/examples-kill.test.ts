/**
 * kill −9 of the examples that may be killed anywhere, again and again on one directory, and what is
 * there when the last one has run to its end. SEQLOG_KILLS=1000 kills each so often.
 */
import Database from "libsql";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileLog, json } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { scratchDirectory } from "./scratch-directory.ts";
import { toldLines } from "./told-lines.ts";

const rounds = Number(process.env["SEQLOG_KILLS"] ?? 15);

const timeout = 60_000 + rounds * 3000;

/** Kills an example at one of its first lines, so often; then lets it run to its end. */
async function killOften(name: string, lines: number, directory: string): Promise<void> {
  const random = new SeededRandom(`kill -9 of ${name}`);
  const run = (killAt: number): ReturnType<typeof toldLines> =>
    toldLines(`../../examples/${name}/${name}.mjs`, [directory], { killAt });
  for (let kills = 0; kills < rounds;) {
    const { end } = await run(1 + random.int(lines));
    // It may have come to its end before the kill.
    if (end === "SIGKILL") kills++;
    else expect(end).toBe(0);
  }
  expect((await run(Infinity)).end).toBe(0);
}

/** All rows of a query. */
function rowsOf<T>(path: string, query: string): T[] {
  const db = new Database(path);
  const rows = db.prepare(query).all() as T[];
  db.close();
  return rows;
}

/** All data of a log of JSON. */
async function dataOf<T>(path: string): Promise<T[]> {
  const log = await FileLog.open(path, { codec: json<T>(), readOnly: true });
  const data: T[] = [];
  for await (const record of log.read()) data.push(record.data);
  await log.close();
  return data;
}

test(
  `the outbox, killed ${rounds} times: the event of each order is in the log once, in order`,
  { timeout },
  async () => {
    const directory = scratchDirectory();
    await killOften("outbox", 12, directory);
    const database = join(directory, "shop.db");
    const orders = rowsOf<{ id: number; item: string }>(database, "SELECT id, item FROM orders ORDER BY id");
    expect(orders.length).toBeGreaterThan(rounds);
    expect(await dataOf(join(directory, "events"))).toEqual(
      orders.map(({ id, item }) => ({ type: "order placed", order: id, item })),
    );
    expect(rowsOf(database, "SELECT * FROM outbox")).toEqual([]);
  },
);

test(`exactly-once, killed ${rounds} times: each payment counts once`, { timeout }, async () => {
  const directory = scratchDirectory();
  await killOften("exactly-once", 10, directory);
  const accounts = new Map<string, { name: string; cents: number; payments: number }>();
  for (const { to, cents } of await dataOf<{ to: string; cents: number }>(join(directory, "payments"))) {
    const account = accounts.get(to) ?? { name: to, cents: 0, payments: 0 };
    accounts.set(to, { name: to, cents: account.cents + cents, payments: account.payments + 1 });
  }
  expect([...accounts.values()].reduce((sum, { payments }) => sum + payments, 0)).toBeGreaterThan(rounds);
  expect(rowsOf(join(directory, "accounts.db"), "SELECT * FROM account ORDER BY name")).toEqual(
    [...accounts.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
});
