/**
 * kill −9 of a process that consumes into SQLite with its checkpoint in the same transaction, again
 * and again; the writer in the same process and in another one that is killed now and then too.
 * SEQLOG_KILLS=1000 kills so many.
 */
import Database from "libsql";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Checkpoint, FileLog } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { AheadWriter } from "./ahead-writer.ts";
import { scratchDirectory } from "./scratch-directory.ts";
import { toldLines } from "./told-lines.ts";

const rounds = Number(process.env["SEQLOG_KILLS"] ?? 25);

/** What the database holds. */
interface Held {
  /** The seqs of the effects, in the order in which they were made. */
  readonly effects: readonly number[];
  readonly wrongData: number;
  /** The checkpoint's next seq. */
  readonly next: number;
}

function readDatabase(path: string): Held {
  if (!existsSync(path)) return { effects: [], wrongData: 0, next: 0 };
  const db = new Database(path);
  try {
    const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[];
    const has = (name: string): boolean => tables.some((table) => table.name === name);
    const rows = has("effect") ? (db.prepare("SELECT seq, data FROM effect ORDER BY rowid").all() as Effect[]) : [];
    const saved = has("seqlog_checkpoint") ? db.prepare("SELECT checkpoint FROM seqlog_checkpoint").get() : undefined;
    return {
      effects: rows.map(({ seq }) => seq),
      wrongData: rows.filter(({ seq, data }) => data !== `event ${seq}`).length,
      next: saved === undefined ? 0 : (JSON.parse((saved as { checkpoint: string }).checkpoint) as Checkpoint).nextSeq,
    };
  } finally {
    db.close();
  }
}

interface Effect {
  readonly seq: number;
  readonly data: string;
}

/** Where retention believes the consumer to be. */
async function mirroredSeq(path: string): Promise<number> {
  const log = await FileLog.open(path, { readOnly: true });
  const [info] = await log.consumers();
  await log.close();
  // A writer that was killed may have made records durable that a reader does not see yet.
  expect(info?.problem ?? "").toMatch(/^$|its writer crashed and has not opened it again$/);
  return info?.nextSeq ?? 0;
}

test(
  `${rounds} times: each record has its effect in the database exactly once, in order`,
  { timeout: 60_000 + rounds * 3000 },
  async () => {
    const directory = scratchDirectory();
    const path = join(directory, "log");
    const database = join(directory, "effects.db");
    const random = new SeededRandom("sqlite kill -9");
    await (await FileLog.open(path, { segmentBytes: 16 * 1024 })).close();
    let writer: AheadWriter | undefined;
    let known = 0;
    let undone = 0;
    for (let round = 0; round < rounds; round++) {
      const writes = (round & 4) === 0;
      if (writes) {
        await writer?.kill();
        writer = undefined;
      } else writer ??= await AheadWriter.open(path, (round & 8) === 0 ? "record" : { intervalMs: 3 });
      // Early, in the middle of opening, and late.
      const killAt = 1 + random.int(round % 5 === 0 ? 8 : 150);
      const { lines, end } = await toldLines("sqlite-worker.mjs", [path, database, String(writes)], {
        killAt,
        onLine: (line) => {
          if (line.startsWith("begin ")) writer?.delivered(Number(line.slice(6)));
        },
      });
      const about = `round ${round}: ${lines.slice(-8).join(", ")}`;
      expect(end, `${about}`).toBe("SIGKILL");
      const { effects, wrongData, next } = readDatabase(database);
      expect(effects, `${about}`).toEqual(effects.map((_, seq) => seq));
      expect(wrongData, `${about}`).toBe(0);
      expect(next, `${about}`).toBe(effects.length);
      // What was committed stays, and what was not is begun again.
      const done = lines.filter((line) => line.startsWith("done ")).length;
      expect(effects.length, `${about}`).toBeGreaterThanOrEqual(known + done);
      expect(effects.length, `${about}`).toBeLessThanOrEqual(known + done + 1);
      if (/^(begin|effect|checkpoint|failed) /.test(lines.at(-1) ?? "") && effects.length === known + done) undone++;
      known = effects.length;
      // The file never passes the database, so retention keeps what is to come.
      expect(await mirroredSeq(path), `${about}`).toBeLessThanOrEqual(next);
    }
    await writer?.kill();
    if (process.env["SEQLOG_KILLS"] !== undefined) {
      console.log(
        `${rounds} kills: ${known} effects, each once; ${undone} kills left a transaction that did not happen`,
      );
    }
    expect(known).toBeGreaterThan(5 * rounds);
    expect(undone).toBeGreaterThan(0);
  },
);
