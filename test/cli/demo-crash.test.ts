/** `seqlog demo crash`: nothing acknowledged is missing, and nothing of the demonstration is left. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seqlog, SeqlogProcess, seqlogJson, temporaryDirectory } from "./seqlog-process.ts";

test("kills writers, finds everything that was acknowledged, and cleans up", async () => {
  const directory = temporaryDirectory();
  const { code, text, stderr } = await seqlog(["demo", "crash", "--rounds", "2", "--dir", directory]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(text.match(/^round +\d+: acknowledged (\d+), found \1/gm)).toHaveLength(2);
  const total = /^in total: acknowledged (\d+), found (\d+), missing 0$/m.exec(text);
  expect(Number(total?.[1])).toBeGreaterThan(0);
  expect(total?.[2]).toBe(total?.[1]);
  expect(text).toMatch(/not the loss of power/);
  expect(readdirSync(directory)).toEqual([]);
});

test("--json tells the same, and --keep keeps a log that is whole", async () => {
  const directory = temporaryDirectory();
  const shown = (await seqlogJson(["demo", "crash", "--rounds", "2", "--keep", "--dir", directory])) as {
    rounds: { acknowledged: number; found: number; unacknowledged: number }[];
    acknowledged: number;
    found: number;
    missing: number;
    log: string;
  };
  expect(shown.rounds).toHaveLength(2);
  expect(shown.missing).toBe(0);
  expect(shown.found).toBe(shown.acknowledged);
  expect(shown.log).toBe(join(directory, readdirSync(directory)[0] ?? "", "log"));
  const records = shown.rounds.reduce((sum, { found, unacknowledged }) => sum + found + unacknowledged, 0);
  expect(await seqlogJson(["verify", shown.log])).toMatchObject({ ok: true, records });
});

test("Ctrl-C ends it and cleans up", async () => {
  const directory = temporaryDirectory();
  const demo = new SeqlogProcess(["demo", "crash", "--rounds", "1000", "--dir", directory]);
  await demo.until(({ stdout }) => stdout.includes("round  1"));
  demo.child.kill("SIGINT");
  expect((await demo.finished).code).toBe(130);
  expect(readdirSync(directory)).toEqual([]);
});
