/**
 * kill −9 of a process that consumes, again and again under one name: a loop and `run`, at concurrency
 * 1 and 4, both checkpoint policies, the writer in the same process and in another one that is killed
 * now and then too. SEQLOG_KILLS=1000 kills so many.
 */
import { expect, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { AheadWriter } from "./ahead-writer.ts";
import { newPath } from "./scratch-directory.ts";
import { toldLines } from "./told-lines.ts";

const rounds = Number(process.env["SEQLOG_KILLS"] ?? 32);

const maxInFlight = 32;

/** How the process of a round consumes. */
interface Settings {
  readonly way: "loop" | "run";
  readonly concurrency: 1 | 4;
  readonly checkpoint: "every" | { readonly intervalMs: number };
  /** Whether it is the writer too. */
  readonly writes: boolean;
}

/** All combinations in turn; the writer changes every eight rounds. */
function settingsOf(round: number): Settings {
  return {
    way: (round & 1) === 0 ? "loop" : "run",
    concurrency: (round & 2) === 0 ? 1 : 4,
    checkpoint: (round & 4) === 0 ? "every" : { intervalMs: 1 + (round % 16) },
    writes: (round & 8) === 0,
  };
}

/** The seqs in the lines that begin with a word. */
function seqsOf(lines: readonly string[], word: string): number[] {
  return lines.flatMap((line) => (line.startsWith(`${word} `) ? [Number(line.slice(word.length + 1))] : []));
}

/** The first seq from `from` on that is not in the set. */
function firstNotIn(seqs: ReadonlySet<number>, from: number): number {
  let seq = from;
  while (seqs.has(seq)) seq++;
  return seq;
}

/**
 * Where the next process may begin at the lowest, as docs/consumers.md states it, after one that began
 * at `start` and told these lines.
 */
function lowestNext({ way, checkpoint }: Settings, start: number, lines: readonly string[]): number {
  // Each write of the checkpoint holds all that was acknowledged when the write before had ended.
  const lastSaved = lines.findLastIndex((line) => line.startsWith("saved "));
  const savedBefore = lines.slice(0, Math.max(0, lastSaved)).findLastIndex((line) => line.startsWith("saved "));
  const acknowledged = new Set(seqsOf(lines.slice(0, Math.max(0, savedBefore)), "ack"));
  const bounds = [start, firstNotIn(acknowledged, start), ...seqsOf(lines, "saved")];
  if (checkpoint === "every") {
    // At most maxInFlight records are delivered and not behind the checkpoint on the disk.
    bounds.push(Math.max(start, ...seqsOf(lines, "got")) + 1 - maxInFlight);
    // What `ack` resolved for is not forgotten.
    if (way === "loop") bounds.push(firstNotIn(new Set(seqsOf(lines, "acked")), start));
  }
  return Math.max(...bounds);
}

/** Where the consumer stands, as the next process will find it. */
async function checkpointIn(path: string): Promise<number> {
  const log = await FileLog.open(path, { readOnly: true });
  const [info] = await log.consumers();
  await log.close();
  if (info === undefined) return 0;
  // A writer that was killed may have made records durable that a reader does not see yet.
  expect(info.problem ?? "").toMatch(/^$|its writer crashed and has not opened it again$/);
  return info.nextSeq as number;
}

test(
  `${rounds} times: none is skipped, nothing acknowledged is forgotten beyond the window of the policy`,
  { timeout: 60_000 + rounds * 3000 },
  async () => {
    const path = newPath();
    const random = new SeededRandom("consumer kill -9");
    await (await FileLog.open(path, { segmentBytes: 16 * 1024 })).close();
    /** All that a process ever began to acknowledge. */
    const acknowledged = new Set<number>();
    let writer: AheadWriter | undefined;
    let start = 0;
    let forgotten = 0;
    /** How far the checkpoint came, by policy. */
    const kept = { every: 0, interval: 0 };
    let again = 0;
    for (let round = 0; round < rounds; round++) {
      const settings = settingsOf(round);
      const about = `round ${round}, ${JSON.stringify(settings)}`;
      if (settings.writes) {
        await writer?.kill();
        writer = undefined;
      } else writer ??= await AheadWriter.open(path, round % 32 < 16 ? "record" : { intervalMs: 3 });
      // Early, in the middle of opening, and late.
      const killAt = 1 + random.int(round % 5 === 0 ? 8 : 400);
      const { lines, end } = await toldLines(
        "consumer-worker.mjs",
        [path, JSON.stringify({ ...settings, maxInFlight })],
        {
          killAt,
          onLine: (line) => {
            if (line.startsWith("got ")) writer?.delivered(Number(line.slice(4)));
          },
        },
      );
      expect(end, `${about}`).toBe("SIGKILL");
      expect(lines.filter((line) => line.startsWith("wrong"))).toEqual([]);
      const delivered = seqsOf(lines, "got");
      // It went on exactly where the checkpoint said, and new records came in order.
      expect(delivered, `${about}`).toEqual(delivered.map((_, i) => start + i));
      for (const seq of seqsOf(lines, "ack")) acknowledged.add(seq);
      again += seqsOf(lines, "again").length;

      const next = await checkpointIn(path);
      const message = `${about}: the next one begins at ${next}. ${lines.slice(-20).join(", ")}`;
      expect(next, `${message}`).toBeGreaterThanOrEqual(lowestNext(settings, start, lines));
      expect(next, `${message}`).toBeLessThanOrEqual(firstNotIn(acknowledged, start));
      forgotten += seqsOf(lines, "ack").filter((seq) => seq >= next).length;
      kept[settings.checkpoint === "every" ? "every" : "interval"] += next - start;
      start = next;
    }
    await writer?.kill();
    if (process.env["SEQLOG_KILLS"] !== undefined) {
      console.log(
        `${rounds} kills: ${start} records behind the checkpoint, ${forgotten} acknowledged ones within the window delivered again, ${again} retries`,
      );
    }
    expect(kept.every).toBeGreaterThan(5 * rounds);
    expect(kept.interval).toBeGreaterThan(rounds);
    expect(forgotten).toBeGreaterThan(0);
    expect(again).toBeGreaterThan(0);
  },
);
