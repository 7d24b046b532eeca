/** `seqlog consumers seek`, `reset` and `delete`. */
import {
  type ConsumerInfo,
  type ConsumerSeek,
  type Log,
  type Position,
  type SeekOptions,
  SeqlogError,
} from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { inWordsOfTheCommand } from "./consumer-advice.ts";
import { accountOf } from "./consumer-reports.ts";
import { openForConsumers, requireConsumer } from "./consumers-log.ts";
import { isStreamLocation } from "./log-argument.ts";
import { printableLine } from "./printable.ts";
import { UsageError } from "./usage-error.ts";

/** The options of `seek` and `reset`. */
export interface MoveOptions {
  readonly force?: boolean;
  readonly to: Position;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** The options of `delete`. */
export interface DeleteOptions {
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Moves a consumer that is there, and stands in this log. */
export async function seekConsumer(
  location: string,
  name: string,
  options: MoveOptions,
  context: CliContext,
): Promise<void> {
  checkForce(location, options);
  const log = await openForConsumers(location);
  try {
    const info = await requireConsumer(log, location, name);
    // One with a store has its checkpoint there, whatever became of the mirror: moving it says so.
    if (info.nextSeq === undefined && !info.hasStore) {
      throw new UsageError(
        `${location}: the consumer ${name} has no position to move from: ${info.problem}; \`seqlog consumers reset\` gives it a new one`,
      );
    }
    await move(log, location, info, name, options, context);
  } finally {
    await log.close();
  }
}

/** Gives a consumer a checkpoint, whatever was before. */
export async function resetConsumer(
  location: string,
  name: string,
  options: MoveOptions,
  context: CliContext,
): Promise<void> {
  checkForce(location, options);
  const log = await openForConsumers(location);
  try {
    const info = (await log.consumers()).find((consumer) => consumer.name === name);
    await move(log, location, info, name, options, context);
  } finally {
    await log.close();
  }
}

async function move(
  log: Log,
  location: string,
  info: ConsumerInfo | undefined,
  name: string,
  { to, force = false, dryRun = false, json = false }: MoveOptions,
  { stdout }: CliContext,
): Promise<void> {
  const { before, after } = await sought(log, location, name, to, { dryRun, force });
  if (json) {
    stdout.line(JSON.stringify({ dryRun, name, before: before ?? null, after }));
    return;
  }
  stdout.line(printableLine(`${dryRun ? "would be done: " : ""}${inWords(name, info, after)}`));
  if (dryRun && info?.isActive === true) stdout.line("a process has it open now: end that first");
}

async function sought(
  log: Log,
  location: string,
  name: string,
  to: Position,
  options: SeekOptions,
): Promise<ConsumerSeek> {
  try {
    return await log.seekConsumer(name, to, options);
  } catch (error) {
    // What else may be wrong is about the place to go to.
    throw SeqlogError.is(error, "SEQLOG_CHECKPOINT_ELSEWHERE") ? inWordsOfTheCommand(error, location, name) : error;
  }
}

function inWords(name: string, info: ConsumerInfo | undefined, after: ConsumerSeek["after"]): string {
  const to = after.nextSeq;
  if (info === undefined) return `the consumer ${name} is new, and begins at seq ${to}`;
  const from = info.nextSeq;
  if (from === undefined) return `${name} begins anew at seq ${to}; before: ${info.problem}`;
  if (from === to) return `${name} stays at seq ${to}`;
  const what = to < from ? "will be delivered again" : "will not be delivered to it";
  const count = Math.abs(to - from);
  return `${name} moves from seq ${from} to seq ${to}; ${count} ${count === 1 ? "record" : "records"} ${what}`;
}

/** Forgets a consumer. */
export async function deleteConsumer(
  location: string,
  name: string,
  { yes = false, force = false, json = false }: DeleteOptions,
  { stdout }: CliContext,
): Promise<void> {
  checkForce(location, { force });
  const log = await openForConsumers(location);
  try {
    const info = await requireConsumer(log, location, name);
    const where = info.nextSeq === undefined ? "which has no position" : `whose next record is ${info.nextSeq}`;
    if (!yes) {
      throw new UsageError(
        `${location}: this would delete the consumer ${name}, ${where}, for good${ofStore(info)}; run it again with --yes`,
        "USAGE",
        { wouldDelete: accountOf(info) },
      );
    }
    await log.deleteConsumer(name, { force });
    if (json) stdout.line(JSON.stringify({ deleted: accountOf(info) }));
    else stdout.line(printableLine(`deleted the consumer ${name}, ${where}${ofStore(info)}`));
  } finally {
    await log.close();
  }
}

/** @throws {UsageError} for a directory, where it would do nothing */
function checkForce(location: string, { force }: { readonly force?: boolean }): void {
  if (force !== true || isStreamLocation(location)) return;
  throw new UsageError(
    "--force is for a log on servers, where a consumer may seem to be open in a process that was killed; a directory log knows better",
  );
}

/** A shell reaches the mirror alone. */
function ofStore({ hasStore }: ConsumerInfo): string {
  return hasStore
    ? " (its own store keeps its checkpoint; retention keeps no records for it until it is opened again)"
    : "";
}
