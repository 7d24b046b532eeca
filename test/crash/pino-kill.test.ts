/**
 * The loss windows of docs/pino.md: kill −9 of a process that logs numbered lines with pino, at the
 * moment that a logging call has returned, then what the log holds. SEQLOG_KILLS=1000 kills so many.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { FileLog, json, verify } from "../../src/index.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { newPath } from "./scratch-directory.ts";

const kills = Math.ceil(Number(process.env["SEQLOG_KILLS"] ?? 18) / 6);
const program = fileURLToPath(new URL("pino-writer.mjs", import.meta.url));

/** pino's buffer between the program and the transport's thread, where a line ends in a line feed. */
const thread = { bytes: 4 * 1024 * 1024, perLine: 1 };

/** The bytes that may wait in a log, where each record has a header. */
const buffer = { bytes: 65_536, perLine: 32 };

const nothing = { bytes: 0, perLine: 0 };

/** Runs it until it has said this number, or the next that it says; resolves with the last that it said. */
async function killAt(path: string, mode: string, number: number): Promise<number> {
  const output = `${path}.said`;
  const fd = openSync(output, "w");
  const child = spawn(process.execPath, [program, path, mode, String(number)], { stdio: ["ignore", fd, "inherit"] });
  closeSync(fd);
  onTestFinished(() => void child.kill("SIGKILL"));
  const [, signal] = (await once(child, "close")) as [number | null, string | null];
  if (signal !== "SIGKILL") throw new Error("it ended before it was killed");
  return Number(readFileSync(output, "utf8").trimEnd().split("\n").at(-1));
}

interface Found {
  /** The numbers, when they are 0, 1, 2, … without holes: how many. */
  readonly count: number;
  /** Of the last line. */
  readonly lineBytes: number;
}

async function numbersIn(path: string): Promise<Found> {
  const log = await FileLog.open(path, { codec: json<{ n: number; padding: string }>() });
  let count = 0;
  // Where there is none yet: what one takes at least.
  let lineBytes = 920;
  for await (const { data, bytes } of log.read()) {
    if (data.n !== count++ || data.padding.length !== 900)
      throw new Error(`${data.n} stands where ${count - 1} should`);
    lineBytes = bytes.length;
  }
  await log.append({ n: count, padding: "the log goes on" });
  await log.close();
  expect(await verify(path)).toMatchObject({ ok: true, records: count + 1 });
  return { count, lineBytes };
}

test.each([
  { mode: "sync", window: nothing, most: 300, why: "every line whose call returned is there" },
  { mode: "buffered, in one turn", window: buffer, most: 3000, why: "all but the last 64 KiB are there" },
  { mode: "buffered, in many turns", window: buffer, most: 3000, why: "all but the last 64 KiB are there" },
  {
    mode: "transport, sync",
    window: thread,
    most: 20_000,
    why: "all but the last 4 MiB, and the line in hand, are there",
  },
  { mode: "transport, flush", window: nothing, most: 3000, why: "every line before a flush that called back is there" },
  { mode: "transport, fatal", window: nothing, most: 3000, why: "every line up to a fatal one is there" },
])(
  "$mode, after kill −9: $why, and no line is missing before one that is there",
  { timeout: 60_000 + kills * 10_000 },
  async ({ mode, window, most }) => {
    const random = new SeededRandom(mode);
    for (let kill = 0; kill < kills; kill++) {
      const path = newPath();
      const number = kill === kills - 1 ? most : random.int(most);
      const last = await killAt(path, mode, number);
      expect(last).toBeGreaterThanOrEqual(number);
      const { count: found, lineBytes } = await numbersIn(path);
      const missing = last + 1 - found;
      // A line that lies across the end of pino's buffer is half in the thread already.
      const half = window === thread ? lineBytes : 0;
      expect(missing * (lineBytes + window.perLine)).toBeLessThanOrEqual(window.bytes + half);
      // More was logged by then than the window holds.
      if (kill === kills - 1) expect(found).toBeGreaterThan(0);
    }
  },
);
