/**
 * kill −9 of a process that appends, again and again on the same log, with readers in other
 * processes. Shows process death, not power loss. SEQLOG_KILLS=1000 kills so many.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { FileLog, type LogRecord, verify } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { newPath } from "./scratch-directory.ts";

const rounds = Number(process.env["SEQLOG_KILLS"] ?? 50);
const durabilities = ["record", "record", "interval", "os"] as const;

/** Records by seq, as lines: seq, id, segment, offset, data. */
type Records = Map<number, string>;

function lineOf({ seq, id, segment, offset, bytes }: LogRecord): string {
  return `${seq} ${id} ${segment} ${offset} ${Buffer.from(bytes).toString()}`;
}

/** A program of this folder that says a record a line; killed at the latest when the test ends. */
class Program {
  /** What it said, but for a last line that the kill may have cut off. */
  readonly said: Records = new Map();
  /** The last thing it said. */
  last = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #onLine: () => void = () => undefined;

  constructor(name: string, ...args: string[]) {
    const program = fileURLToPath(new URL(name, import.meta.url));
    this.#child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const closed = new Promise((resolve) => this.#child.once("close", (code, signal) => resolve(signal ?? code)));
    const read = this.#read();
    this.#ended = closed.then((how) => read.then(() => how));
    onTestFinished(() => {
      this.#child.kill("SIGKILL");
    });
  }

  async #read(): Promise<void> {
    for await (const line of createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })) {
      if (this.last !== "") this.said.set(Number.parseInt(this.last, 10), this.last);
      this.last = line;
      this.#onLine();
    }
    this.#onLine();
  }

  /** Resolves when it said so much that `isEnough`. Not when it ended before. */
  async says(isEnough: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onLine = () => {
        if (isEnough()) resolve();
        else if (this.#child.exitCode !== null) reject(new Error(`it ended with ${this.#child.exitCode}`));
      };
      this.#onLine();
    });
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    const how = await this.#ended;
    if (how !== "SIGKILL") throw new Error(`it ended before, with ${String(how)}`);
  }
}

/** Reads the whole log and says everything that is not as it must be. */
async function findProblems(log: FileLog, acknowledged: Records, served: readonly Records[]): Promise<string[]> {
  const problems: string[] = [];
  const lastOfCaller = new Map<string, number>();
  let nextSeq = 0;
  let found = 0;
  for await (const record of log.read()) {
    const { seq } = record;
    const line = lineOf(record);
    if (seq !== nextSeq) problems.push(`record ${seq} comes where ${nextSeq} should`);
    nextSeq = seq + 1;
    const wanted = acknowledged.get(seq);
    if (wanted !== undefined) found++;
    if (wanted !== undefined && wanted !== line) problems.push(`acknowledged as ${wanted}, is ${line}`);
    for (const records of served) {
      const seen = records.get(seq);
      if (seen !== undefined && seen !== line) problems.push(`a reader was served ${seen}, is ${line}`);
    }
    const [round = "", caller = "", i = ""] = line.slice(line.lastIndexOf(" ") + 1).split(".");
    if (round === "parent") continue;
    // Whole and of a caller that never goes back.
    const name = `${round}.${caller}.${i}.`;
    if (!line.endsWith(` ${name.padEnd(name.length + ((Number(i) * 37 + Number(caller) * 211) % 900), "x")}`)) {
      problems.push(`record ${seq} is torn: ${line}`);
    }
    const before = lastOfCaller.get(`${round}.${caller}`) ?? -1;
    if (Number(i) <= before) problems.push(`record ${seq} is out of order: ${name} after ${before}`);
    lastOfCaller.set(`${round}.${caller}`, Number(i));
  }
  if (nextSeq !== log.nextSeq) problems.push(`the log ends at ${nextSeq}, and says ${log.nextSeq}`);
  if (found !== acknowledged.size) problems.push(`${acknowledged.size - found} acknowledged records are not there`);
  for (const records of served) {
    const past = [...records.keys()].filter((seq) => seq >= nextSeq);
    if (past.length > 0) problems.push(`readers were served the records ${past.join()}, which are not there`);
  }
  return problems;
}

test(
  `${rounds} times: what was acknowledged and what readers were served is there as it was, none is torn or out of order, the log goes on`,
  { timeout: 60_000 + rounds * 2000 },
  async () => {
    const path = newPath();
    const random = new SeededRandom("kill -9");
    const acknowledged: Records = new Map();
    let known = 0;
    await (await FileLog.open(path)).close();
    // One reader lives through it all, the others come beside a writer and go with it.
    const follower = new Program("kill-reader.mjs", path);
    for (let round = 0; round < rounds; round++) {
      // Early and late: in the middle of opening the first segments, and after many rolls.
      const count = 1 + random.int(round % 5 === 0 ? 10 : 150);
      const durability = durabilities[round % durabilities.length] as string;
      const writer = new Program("kill-writer.mjs", path, String(round), durability);
      const reader = round % 5 === 1 ? new Program("kill-reader.mjs", path) : undefined;
      await writer.says(() => writer.said.size >= count);
      await Promise.all([writer.kill(), reader?.kill()]);
      for (const [seq, line] of writer.said) acknowledged.set(seq, line);
      const log = await FileLog.open(path, { segmentBytes: 16 * 1024 });
      const served = [follower.said, reader?.said ?? new Map()];
      expect(await findProblems(log, acknowledged, served)).toEqual([]);
      const last = log.getSync(Number.parseInt(writer.last, 10));
      expect((last === undefined ? "" : lineOf(last)).startsWith(writer.last)).toBe(true);
      expect(log.nextSeq).toBeGreaterThan(known);
      const { seq } = await log.append(`parent.${round}.`);
      acknowledged.set(seq, lineOf(log.getSync(seq) as LogRecord));
      known = seq + 1;
      await log.close();
    }
    expect(acknowledged.size).toBeGreaterThan(30 * rounds);
    // It was served everything, whatever it was in the middle of when a writer was killed.
    await follower.says(() => follower.last.startsWith(`${known - 1} `));
    await follower.kill();
    const log = await FileLog.open(path, { readOnly: true });
    expect(await findProblems(log, acknowledged, [follower.said])).toEqual([]);
    expect(follower.said.size).toBe(known - 1);
    await log.close();
    expect(await verify(path)).toMatchObject({ ok: true, records: known, damage: [] });
  },
);
