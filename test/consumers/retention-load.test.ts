/**
 * Retention under load, on the real disk: one process appends and lets go of what its limit does not
 * keep; others read live, or again and again from the first record there is; one more consumes, and
 * falls behind.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { newPath } from "../crash/scratch-directory.ts";

const rounds = Number(process.env["SEQLOG_ROUNDS"] ?? 40);
const program = fileURLToPath(new URL("retention-child.mjs", import.meta.url));

/** A process that answers each order with a line of JSON. */
class Child {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(role: string, path: string) {
    const child = spawn(process.execPath, [program, role, path], { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async answer(): Promise<Record<string, number>> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the process ended");
    return JSON.parse(value) as Record<string, number>;
  }

  async order(count: number): Promise<Record<string, number>> {
    this.#child.stdin.write(`${count}\n`);
    return await this.answer();
  }

  /** No more orders: it says what it has seen, and ends. */
  async end(): Promise<Record<string, number>> {
    this.#child.stdin.end();
    return await this.answer();
  }
}

test(
  "no reader sees a wrong record, and no segment goes that a slow consumer needs",
  { timeout: 600_000 },
  async () => {
    const path = newPath();
    const retention = { maxRecords: 300, protect: "consumers" } as const;
    const log = await FileLog.open(path, { segmentBytes: 16 * 1024, retention });
    const consumer = new Child("consumer", path);
    expect(await consumer.answer()).toEqual({ nextSeq: 0 });
    const readers = ["live", "live", "again", "again"].map((role) => new Child(role, path));
    for (const reader of readers) await reader.answer();

    const perRound = 500;
    let acknowledged = 0;
    let mostHeldBack = 0;
    for (let round = 0; round < rounds; round++) {
      // The consumer goes on while the log grows, at half its pace.
      const consuming = consumer.order(perRound / 2);
      for (let done = 0; done < perRound; done += 20) {
        const first = log.nextSeq;
        await log.appendBatch(Array.from({ length: 20 }, (_, i) => recordOf(first + i)));
        expect(log.firstSeq).toBeLessThanOrEqual(acknowledged + perRound / 2);
      }
      const { nextSeq = 0 } = await consuming;
      expect(nextSeq).toBe(acknowledged + perRound / 2);
      // What was removed before this lies behind what it had acknowledged by now.
      expect(log.firstSeq).toBeLessThanOrEqual(nextSeq);
      acknowledged = nextSeq;
      const { heldBack } = (await log.stats()).retention ?? {};
      if (heldBack !== undefined && heldBack.records > 0) expect(heldBack.by?.consumer).toBe("slow");
      mostHeldBack = Math.max(mostHeldBack, heldBack?.records ?? 0);
    }
    // It was far behind, and segments went all the same: those that it had done with.
    expect(mostHeldBack).toBeGreaterThan((rounds * perRound) / 4);
    expect(log.firstSeq).toBeGreaterThan((rounds * perRound) / 4);

    expect(await consumer.order(log.nextSeq - acknowledged)).toEqual({ nextSeq: log.nextSeq });
    expect(await consumer.end()).toEqual({ wrong: 0, seen: log.nextSeq });
    await log.trim();
    // A segment more than the limit at most.
    expect(log.nextSeq - log.firstSeq).toBeLessThan(300 + 2 * 100);
    for (const reader of readers) {
      const { wrong, seen } = await reader.end();
      expect({ wrong, isBusy: (seen ?? 0) > perRound }).toEqual({ wrong: 0, isBusy: true });
    }
    await log.close();
  },
);

function recordOf(seq: number): string {
  return `${seq}.`.padEnd(100 + ((seq * 37) % 200), "x");
}
