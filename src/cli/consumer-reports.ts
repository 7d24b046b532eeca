/** `seqlog consumers list` and `show`. */
import type { ConsumerInfo } from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { openForConsumers, requireConsumer } from "./consumers-log.ts";
import { printableLine } from "./printable.ts";
import { formatBytes } from "./progress.ts";
import { formatSpan } from "./record-time.ts";
import { table } from "./table.ts";

interface Options {
  readonly json?: boolean;
}

/** What is told of a consumer; null where something is not known. */
export interface ConsumerAccount {
  readonly name: string;
  readonly nextSeq: number | null;
  readonly lag: { readonly records: number; readonly bytes: number; readonly ms: number | null } | null;
  readonly isActive: boolean;
  /** Its checkpoint is in its program's store, and what the log says of it is a mirror. */
  readonly hasStore: boolean;
  readonly problem: string | null;
}

/** What is in flight is left out: it is known to the process alone that has the consumer open. */
export function accountOf({ name, nextSeq, lag, isActive, hasStore, problem }: ConsumerInfo): ConsumerAccount {
  return {
    name,
    nextSeq: nextSeq ?? null,
    lag: lag === undefined ? null : { records: lag.records, bytes: lag.bytes, ms: lag.ms ?? null },
    isActive,
    hasStore,
    problem: problem ?? null,
  };
}

/** Prints all of them. */
export async function listConsumers(location: string, options: Options, { stdout }: CliContext): Promise<void> {
  const log = await openForConsumers(location);
  try {
    const consumers = await log.consumers();
    if (options.json === true) stdout.line(JSON.stringify({ consumers: consumers.map(accountOf) }));
    else if (consumers.length === 0) stdout.line(printableLine(emptyState(location)));
    else {
      const rows = [["NAME", "NEXT", "LAG", "BYTES", "AGE", "OPEN", "CHECKPOINT", "PROBLEM"], ...consumers.map(cells)];
      for (const line of table(rows, new Set([1, 2, 3, 4]))) stdout.line(line);
    }
  } finally {
    await log.close();
  }
}

/** Prints one. */
export async function showConsumer(
  location: string,
  name: string,
  options: Options,
  { stdout }: CliContext,
): Promise<void> {
  const log = await openForConsumers(location);
  try {
    const info = await requireConsumer(log, location, name);
    if (options.json === true) {
      stdout.line(JSON.stringify(accountOf(info)));
      return;
    }
    const [, next = "", records = "", bytes = "", age = "", open = "", , problem = ""] = cells(info);
    stdout.line(`name     ${name}`);
    stdout.line(`next     ${next}`);
    stdout.line(`lag      ${info.lag === undefined ? "-" : `${records} records, ${bytes}`}`);
    stdout.line(`age      ${age}`);
    stdout.line(`open     ${open}`);
    if (info.hasStore) stdout.line("kept     in a store of its own; the log has a mirror, up to a second behind");
    if (problem !== "") stdout.line(`problem  ${problem}`);
  } finally {
    await log.close();
  }
}

function emptyState(location: string): string {
  return `no consumers yet; \`seqlog tail --consumer NAME ${location}\` makes one, and so does log.consumer(name) in a program`;
}

function cells({ name, nextSeq, lag, isActive, hasStore, problem }: ConsumerInfo): string[] {
  const isBehind = lag !== undefined && lag.records > 0;
  return [
    name,
    nextSeq === undefined ? "-" : String(nextSeq),
    lag === undefined ? "-" : String(lag.records),
    lag === undefined ? "-" : formatBytes(lag.bytes),
    isBehind && lag.ms !== undefined ? formatSpan(lag.ms) : "-",
    isActive ? "yes" : "no",
    hasStore ? "own store (mirror)" : "log",
    printableLine(problem ?? ""),
  ];
}
