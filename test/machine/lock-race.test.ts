/** Several processes race for a log's lock and are killed at any moment: never two hold it, and it is never lost. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { scratchDirectory } from "../crash/scratch-directory.ts";
import { type Acknowledged, reopen } from "./acknowledged.ts";

const program = fileURLToPath(new URL("lock-contender.mjs", import.meta.url));
const contenders = 4;
const kills = Number(process.env["SEQLOG_KILLS"] ?? 30);

/** What a contender says; anything else is an error of its. */
const events = new Set(["waits", "got", "acknowledged", "lets go"]);

/** A line of the journal. */
interface Entry {
  readonly name: string;
  readonly event: "got" | "acknowledged" | "lets go";
  readonly record?: Acknowledged;
}

/** Everything in the journal that could not be with one holder at a time. */
function findSecondHolders(journal: readonly Entry[], killed: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  let holder: string | undefined;
  for (const { name, event } of journal) {
    if (event === "got") {
      if (holder !== undefined && !killed.has(holder)) problems.push(`${name} got the lock that ${holder} held`);
      holder = name;
    } else {
      if (holder !== name) problems.push(`${name} ${event} while ${holder ?? "nobody"} held the lock`);
      if (event === "lets go") holder = undefined;
    }
  }
  return problems;
}

/** Everybody's records lie together in the log: nobody wrote between the records of another's hold. */
async function findMixedHolds(path: string): Promise<string[]> {
  const over = new Set<string>();
  const problems: string[] = [];
  let current = "";
  const log = await FileLog.open(path, { readOnly: true });
  for await (const { seq, bytes } of log.read()) {
    const [hold = ""] = Buffer.from(bytes).toString().split(".");
    if (hold !== current) over.add(current);
    if (over.has(hold)) problems.push(`record ${seq} of ${hold} comes after records of ${current}`);
    current = hold;
  }
  await log.close();
  return problems;
}

test(
  `the lock raced for by ${contenders} writers, ${kills} of them killed: one holder at a time, nothing acknowledged is lost`,
  { timeout: 60_000 + kills * 2000 },
  async () => {
    const directory = scratchDirectory();
    const path = join(directory, "log");
    const journalPath = join(directory, "journal");
    const random = new SeededRandom("lock race");
    const killed = new Set<string>();
    const killedAfter = new Set<string>();
    const running = new Set<ChildProcess>();
    onTestFinished(() => {
      for (const child of running) child.kill("SIGKILL");
    });
    const names = Array.from({ length: kills }, (_, i) => `w${i}`);
    const journalFile = openSync(journalPath, "a");

    /** Lives for some events; a kill lands wherever the process is by then. */
    const contend = async (name: string): Promise<void> => {
      const child = spawn(process.execPath, [program, path, name], { stdio: ["ignore", journalFile, "pipe"] });
      running.add(child);
      const ended = once(child, "close");
      const left = 1 + random.int(14);
      const said: string[] = [];
      for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
        if (!events.has(line)) process.stderr.write(`${name}: ${line}\n`);
        if (said.push(line) === left) child.kill("SIGKILL");
      }
      expect((await ended)[1]).toBe("SIGKILL");
      running.delete(child);
      killed.add(name);
      killedAfter.add(said[left - 1] as string);
    };
    const slot = async (): Promise<void> => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) await contend(name);
    };
    // Each of them gets the lock only when those before it let go or were killed; else this never ends.
    await Promise.all(Array.from({ length: contenders }, slot));
    closeSync(journalFile);

    const journal = readFileSync(journalPath, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Entry);
    const acknowledged = journal.flatMap(({ record }) => record ?? []);
    expect(findSecondHolders(journal, killed)).toEqual([]);
    expect(await findMixedHolds(path)).toEqual([]);
    expect((await reopen(path, acknowledged)).problems).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(kills);
    // Both holders and those who waited were killed.
    expect([...killedAfter]).toEqual(expect.arrayContaining(["waits", "got", "acknowledged"]));
  },
);
