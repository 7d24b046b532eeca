/**
 * `seqlog demo crash`: writers are killed in the middle of their work, and what they were told is
 * durable is compared with what is found.
 */
import { type ChildProcess, spawn } from "node:child_process";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { FileLog, verify } from "../index.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { CliContext } from "./cli-context.ts";
import { isDemoRecord } from "./demo-crash-writer.ts";
import { exitCodes } from "./exit-codes.ts";
import { onInterruption } from "./interruption.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { Output } from "./output.ts";
import { makeScratchDirectory, removeScratchDirectory } from "../storage/node-storage.ts";

export interface DemoCrashOptions {
  readonly dir?: string;
  readonly rounds: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

/** What one round showed. */
interface Round {
  readonly pid: number;
  readonly acknowledged: number;
  /** Acknowledged, and there with the same bytes. */
  readonly found: number;
  readonly missing: number;
  /** Written and whole, though the writer was killed before it could say so. */
  readonly unacknowledged: number;
  /** Left by the write that was interrupted; set aside. */
  readonly tornBytes: number;
  /** Damaged places, and records that nobody wrote. */
  readonly damage: number;
}

/** More than any line of the writer. */
const maxLineBytes = 64 * 1024;

/** The longest that a writer lives after its first acknowledgement. */
const longestLifeMs = 200;

/** Runs the demonstration. */
export async function demoCrash(options: DemoCrashOptions, context: CliContext): Promise<void> {
  const scratch = makeScratchDirectory("seqlog-demo-", options.dir);
  try {
    await killWriters(path.join(scratch, "log"), options, context);
  } finally {
    if (options.keep !== true) removeScratchDirectory(scratch);
  }
}

async function killWriters(log: string, options: DemoCrashOptions, context: CliContext): Promise<void> {
  const say = async (line: string): Promise<void> => {
    if (options.json === true) return;
    context.stdout.line(line);
    await context.stdout.flush();
  };
  let writer: ChildProcess | undefined;
  const interruption = onInterruption(() => writer?.kill("SIGKILL"));
  /** What the writers were told is durable, by seq. */
  const acknowledged = new Map<number, string>();
  const rounds: Round[] = [];
  await say(`${options.rounds} writers append to ${log}; each is killed (SIGKILL) at a random moment`);
  try {
    let nextSeq = 0;
    while (rounds.length < options.rounds) {
      const round = rounds.length + 1;
      writer = startWriter(log, round);
      const told = await listenUntilKilled(writer, context.stderr);
      if (interruption.exitCode !== undefined) break;
      for (const [seq, record] of told) acknowledged.set(seq, record);
      const seen = await inspect(log, nextSeq, told);
      nextSeq = seen.nextSeq;
      rounds.push({ pid: writer.pid ?? 0, ...seen.round });
      await say(describeRound(round, seen.round));
    }
    await summarize(log, rounds, acknowledged, say, options, context);
  } finally {
    interruption.stopListening();
    writer?.kill("SIGKILL");
  }
  if (interruption.exitCode !== undefined) context.exitCode = interruption.exitCode;
}

function startWriter(log: string, round: number): ChildProcess {
  // main.ts from the sources, main.js as installed.
  const main = fileURLToPath(new URL(`./main${path.extname(import.meta.url)}`, import.meta.url));
  return spawn(process.execPath, [main, "demo", "crash-writer", log, String(round)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Kills the writer some time after its first acknowledgement; returns all that it had told by then. */
async function listenUntilKilled(writer: ChildProcess, stderr: Output): Promise<Map<number, string>> {
  const lines = new LineSplitter(maxLineBytes);
  const told: Uint8Array[] = [];
  const complaints: Uint8Array[] = [];
  let started = false;
  writer.stderr?.on("data", (piece: Uint8Array) => complaints.push(piece));
  writer.stdout?.on("data", (piece: Uint8Array) => {
    // A last line that was cut by the kill is not handed out: nobody was told of it.
    lines.push(piece, told);
    if (started) return;
    started = true;
    nodeMachine.clock.after(randomBelow(longestLifeMs), () => writer.kill("SIGKILL"), { keepAlive: true });
  });
  const signal = await new Promise<NodeJS.Signals | null>((resolve, reject) => {
    writer.once("error", reject);
    writer.once("close", (_code, by) => resolve(by));
  });
  if (signal === null) {
    stderr.put(Buffer.concat(complaints));
    throw new Error("the writer of the demonstration ended by itself");
  }
  return new Map(told.map((line) => splitAcknowledgement(Buffer.from(line).toString())));
}

function splitAcknowledgement(line: string): [seq: number, record: string] {
  const space = line.indexOf(" ");
  return [Number(line.slice(0, space)), line.slice(space + 1)];
}

/** What `SIGKILL` left of the round that began at `from`: first as it lies there, then as it opens. */
async function inspect(
  directory: string,
  from: number,
  told: ReadonlyMap<number, string>,
): Promise<{ readonly nextSeq: number; readonly round: Omit<Round, "pid"> }> {
  const { damage, tornBytes } = await verify(directory);
  // Opened as the next writer would be: recovery runs.
  const log = await FileLog.open(directory);
  try {
    let found = 0;
    let foreign = 0;
    for await (const { seq, bytes } of log.read({ from })) {
      const record = Buffer.from(bytes).toString();
      if (told.get(seq) === record) found++;
      else if (!isDemoRecord(record)) foreign++;
    }
    const acknowledged = told.size;
    const missing = acknowledged - found;
    const unacknowledged = log.nextSeq - from - found;
    const round = { acknowledged, found, missing, unacknowledged, tornBytes, damage: damage.length + foreign };
    return { nextSeq: log.nextSeq, round };
  } finally {
    await log.close();
  }
}

function describeRound(number: number, round: Omit<Round, "pid">): string {
  const { acknowledged, found, missing, unacknowledged, tornBytes, damage } = round;
  const whole = missing === 0 && damage === 0;
  return (
    `round ${String(number).padStart(2)}: acknowledged ${acknowledged}, found ${found}` +
    (unacknowledged > 0 ? `, and ${unacknowledged} more that were whole` : "") +
    (tornBytes > 0 ? `; ${tornBytes} torn bytes set aside` : "") +
    (whole ? "" : `; MISSING ${missing}, DAMAGED ${damage}`)
  );
}

/** The last word: everything that was ever acknowledged, read once more from the start. */
async function summarize(
  directory: string,
  rounds: readonly Round[],
  expected: ReadonlyMap<number, string>,
  say: (line: string) => Promise<void>,
  options: DemoCrashOptions,
  context: CliContext,
): Promise<void> {
  const found = rounds.length === 0 ? 0 : await countFound(directory, expected);
  const acknowledged = expected.size;
  const missing = acknowledged - found;
  const isDamaged = rounds.some(({ damage }) => damage > 0);
  if (missing > 0 || isDamaged) context.exitCode = exitCodes.damage;
  await say(`in total: acknowledged ${acknowledged}, found ${found}, missing ${missing}`);
  await say("This shows the death of a process, not the loss of power: the kernel lived on and kept what it had.");
  await say("What a power cut may take is in docs/durability.md.");
  if (options.keep === true) await say(`The log is kept: ${directory}`);
  if (options.json === true) {
    const kept = options.keep === true ? { log: directory } : {};
    context.stdout.line(JSON.stringify({ rounds, acknowledged, found, missing, ...kept }));
  }
}

async function countFound(directory: string, expected: ReadonlyMap<number, string>): Promise<number> {
  const log = await FileLog.open(directory, { readOnly: true });
  try {
    let found = 0;
    for await (const { seq, bytes } of log.read()) {
      if (expected.get(seq) === Buffer.from(bytes).toString()) found++;
    }
    return found;
  } finally {
    await log.close();
  }
}

function randomBelow(limit: number): number {
  const random = new Uint32Array(1);
  nodeMachine.random.fill(new Uint8Array(random.buffer));
  return (random[0] as number) % limit;
}
