/**
 * kill −9 of a process that appends with keys, again and again on the same log; each time the next
 * one repeats what nobody can know the fate of, and some of what was acknowledged. SEQLOG_KILLS=1000
 * kills so many.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { newPath } from "./scratch-directory.ts";

const rounds = Number(process.env["SEQLOG_KILLS"] ?? 30);
const program = fileURLToPath(new URL("keyed-writer.mjs", import.meta.url));

/** More than is ever repeated; a small part of the log in the end. */
const windowRecords = 2000;

/** Runs a writer from record `first` on until it gave so many answers; resolves with all it gave. */
async function answersOf(path: string, first: number, enough: number): Promise<string[]> {
  const child = spawn(process.execPath, [program, path, String(first), String(windowRecords)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const closed = new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  const answers: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    answers.push(line);
    if (answers.length === enough) child.kill("SIGKILL");
  }
  expect(await closed).toBe("SIGKILL");
  // The kill may have cut off the last one.
  answers.pop();
  return answers;
}

test(
  `${rounds} times: each key is in the log once, with the same seq and id in every answer`,
  { timeout: 60_000 + rounds * 2000 },
  async () => {
    const path = newPath();
    const random = new SeededRandom("keyed kill -9");
    const answered = new Map<number, string>();
    let duplicates = 0;
    let last = 0;
    for (let round = 0; round < rounds; round++) {
      let known = 0;
      while (answered.has(known)) known++;
      const first = Math.max(0, known - random.int(50));
      for (const line of await answersOf(path, first, 1 + random.int(300))) {
        const [i = "", seq = "", id = "", duplicate = ""] = line.split(" ");
        const place = `${seq} ${id}`;
        expect(answered.get(Number(i)) ?? place, `record ${i} in round ${round}`).toBe(place);
        answered.set(Number(i), place);
        if (duplicate === "true") duplicates++;
        last = Math.max(last, Number(i));
      }
    }
    expect(last).toBeGreaterThan(rounds);
    expect(duplicates).toBeGreaterThan(last);
    const log = await FileLog.open(path);
    const found = new Map<number, string>();
    for await (const { seq, id, bytes } of log.read()) {
      const i = Number.parseInt(Buffer.from(bytes).toString(), 10);
      expect(found.get(i), `record ${i} is there twice`).toBeUndefined();
      found.set(i, `${seq} ${id}`);
    }
    await log.close();
    for (const [i, place] of answered) expect(found.get(i)).toBe(place);
  },
);
