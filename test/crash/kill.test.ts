/** kill −9 of a process that appends, again and again on the same log. Shows process death, not power loss. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { FileLog, verify } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { newPath } from "./scratch-directory.ts";

const program = fileURLToPath(new URL("kill-writer.mjs", import.meta.url));
const rounds = 50;
const durabilities = ["record", "record", "interval", "os"] as const;

/** Records by seq. */
type Records = Map<number, string>;

/** What a process had acknowledged before it was killed, as far as it could say. */
interface Told {
  readonly acknowledged: Records;
  /** The last thing it said; the kill may have cut it off. */
  readonly last: { readonly seq: number; readonly start: string };
}

/** Runs a writer and kills it when it has acknowledged `count` records. */
async function appendUntilKilled(path: string, round: number, count: number): Promise<Told> {
  const durability = durabilities[round % durabilities.length] as string;
  const child = spawn(process.execPath, [program, path, String(round), durability], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("close", (_code, signal) => resolve(signal)));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.push(line) === count) child.kill("SIGKILL");
  }
  expect(await ended).toBe("SIGKILL");
  const [seq = "", start = ""] = (lines.pop() as string).split(" ");
  const acknowledged = new Map(lines.map((line) => [Number(line.split(" ")[0]), line.split(" ")[1] as string]));
  return { acknowledged, last: { seq: Number(seq), start } };
}

/** Reads the whole log and says everything that is not as it must be. */
async function findProblems(log: FileLog, acknowledged: Records): Promise<string[]> {
  const problems: string[] = [];
  const lastOfCaller = new Map<string, number>();
  let nextSeq = 0;
  let found = 0;
  for await (const { seq, bytes } of log.read()) {
    const data = Buffer.from(bytes).toString();
    if (seq !== nextSeq) problems.push(`record ${seq} comes where ${nextSeq} should`);
    nextSeq = seq + 1;
    const wanted = acknowledged.get(seq);
    if (wanted !== undefined) found++;
    if (wanted !== undefined && wanted !== data)
      problems.push(`record ${seq} was acknowledged as ${wanted}, is ${data}`);
    const [round = "", caller = "", i = ""] = data.split(".");
    if (round === "parent") continue;
    // Whole and of a caller that never goes back.
    const name = `${round}.${caller}.${i}.`;
    if (data !== name.padEnd(name.length + ((Number(i) * 37 + Number(caller) * 211) % 900), "x")) {
      problems.push(`record ${seq} is torn: ${data}`);
    }
    const before = lastOfCaller.get(`${round}.${caller}`) ?? -1;
    if (Number(i) <= before) problems.push(`record ${seq} is out of order: ${name} after ${before}`);
    lastOfCaller.set(`${round}.${caller}`, Number(i));
  }
  if (nextSeq !== log.nextSeq) problems.push(`the log ends at ${nextSeq}, and says ${log.nextSeq}`);
  if (found !== acknowledged.size) problems.push(`${acknowledged.size - found} acknowledged records are not there`);
  return problems;
}

test(`${rounds} times: every acknowledged record is there with its seq, none is torn or out of order, the log goes on`, async () => {
  const path = newPath();
  const random = new SeededRandom("kill -9");
  const acknowledged: Records = new Map();
  let known = 0;
  for (let round = 0; round < rounds; round++) {
    // Early and late: in the middle of opening the first segments, and after many rolls.
    const told = await appendUntilKilled(path, round, 1 + random.int(round % 5 === 0 ? 10 : 250));
    for (const [seq, data] of told.acknowledged) acknowledged.set(seq, data);
    const log = await FileLog.open(path, { segmentBytes: 16 * 1024 });
    expect(await findProblems(log, acknowledged)).toEqual([]);
    expect(Buffer.from(log.getSync(told.last.seq)?.bytes ?? []).toString()).toMatch(new RegExp(`^${told.last.start}`));
    expect(log.nextSeq).toBeGreaterThan(known);
    const data = `parent.${round}.`;
    const { seq } = await log.append(data);
    acknowledged.set(seq, data);
    known = seq + 1;
    await log.close();
  }
  expect(acknowledged.size).toBeGreaterThan(2000);
  expect(await verify(path)).toMatchObject({ ok: true, records: known, damage: [] });
});
