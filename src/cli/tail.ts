/** `seqlog tail`: print the last records, and follow what is appended from then on. */
import type { Command } from "commander";
import type { Position, ReadOptions } from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { logArgumentHelp, openForReading, type ReadableLog } from "./log-argument.ts";
import type { Output } from "./output.ts";
import { parseCount } from "./position.ts";
import { printRecords, select, type Selection } from "./print-records.ts";
import { addReadOptions, readOptionsHelp, readRange, type ReadFlags, startOption } from "./read-options.ts";
import { contentOf } from "./record-content.ts";
import { chosenFormat, type RecordFormat, recordFormat } from "./record-format.ts";
import { tailConsumer } from "./tail-consumer.ts";
import { terminalLineFormat } from "./terminal-line.ts";
import { UsageError } from "./usage-error.ts";

interface TailFlags extends ReadFlags {
  readonly lines?: number;
  readonly follow?: boolean;
  readonly consumer?: string;
}

const defaultLines = 10;

const help = `${readOptionsHelp}

On a terminal each record is one line: seq, how long ago, and its data. Into a pipe it is raw.

With --consumer each start goes on where the one before left off: a record is acknowledged once it was
handed to the output, so none is left out, and after a crash some are printed again. A new consumer begins at
the log's start, or at --from, --since or -o; what --where leaves out counts as done. One process at a time.
It ends at the end of the log, unless with -f. \`seqlog consumers\` lists and moves consumers.

Examples:
  seqlog tail -n 20 ./events
  seqlog tail -f ./events --where level=error
  seqlog tail -f -o end -c 1 ./events
  seqlog tail -f --consumer mailer ./events | ./send-mails`;

/** Defines `tail`. */
export function defineTail(command: Command, context: CliContext): void {
  command
    .description("Print the last records; with -f go on with new ones as they become durable.")
    .argument("<LOG>", logArgumentHelp)
    .option(
      "-n, --lines <count>",
      `the last this many records that --where takes (default: ${defaultLines})`,
      parseCount,
    )
    .option("-f, --follow", "go on with new records until interrupted")
    .option("--consumer <name>", "go on where this durable consumer left off; made when there is none");
  addReadOptions(command)
    .addHelpText("after", help)
    .action((location: string, flags: TailFlags) => tail(location, flags, context));
}

async function tail(location: string, flags: TailFlags, context: CliContext): Promise<void> {
  const { stdout, stderr } = context;
  const range = readRange(flags);
  const follow = flags.follow === true && flags.e !== true;
  if (follow && flags.reverse === true) throw new UsageError("--reverse cannot follow: leave out -f");
  if (range.from !== undefined && flags.lines !== undefined) {
    throw new UsageError("-n counts from the end: leave out --from, --since and -o");
  }
  if (flags.consumer !== undefined) refuseForConsumers(flags, range.to);
  const name = chosenFormat(flags);
  const format = name === undefined && stdout.isTerminal ? terminalLineFormat() : recordFormat(name ?? "raw", stdout);
  const selection = {
    where: flags.where ?? [],
    fields: flags.fields,
    limit: flags.limit ?? Infinity,
    content: contentOf(location),
  };
  if (flags.consumer !== undefined) {
    const { from } = range;
    const what = { name: flags.consumer, from, fromOption: startOption(flags), follow, selection };
    return await tailConsumer(location, what, format, context);
  }
  const log = await openForReading(location, stderr);
  try {
    if (range.from !== undefined) {
      const options: ReadOptions = flags.reverse === true ? { ...range, reverse: true } : { ...range, live: follow };
      await printRecords(log, options, selection, format, stdout);
      return;
    }
    const next = log.nextSeq;
    const before = { to: range.to ?? next };
    const last = flags.lines ?? defaultLines;
    const printed = await printLast(log, before, last, flags.reverse === true, selection, format, stdout);
    const left = selection.limit - printed;
    if (follow && left > 0) {
      const options: ReadOptions = { ...range, from: next, live: true };
      await printRecords(log, options, { ...selection, limit: left }, format, stdout);
    }
  } finally {
    await log.close();
  }
}

/** A consumer goes forward, from where it is, to the end. */
function refuseForConsumers({ lines, reverse }: TailFlags, to: Position | undefined): void {
  if (lines !== undefined) {
    throw new UsageError(
      "-n counts from the end, and --consumer goes on where it left off: give -c for so many records",
    );
  }
  if (reverse === true) throw new UsageError("--reverse goes back, and --consumer only forward: give one of them");
  if (to !== undefined) {
    throw new UsageError("--to and --until end a range, and --consumer has none: give -c for so many records");
  }
}

/** Prints the last `count` records that are wanted; only their seqs are held. */
async function printLast(
  log: ReadableLog,
  before: { readonly to: Position },
  count: number,
  newestFirst: boolean,
  selection: Selection,
  format: RecordFormat,
  output: Output,
): Promise<number> {
  const seqs: number[] = [];
  if (count > 0) {
    for await (const record of log.read({ ...before, reverse: true, signal: output.signal })) {
      if (select(record, selection) === undefined) continue;
      seqs.push(record.seq);
      if (seqs.length === count) break;
    }
  }
  if (!newestFirst) seqs.reverse();
  const shown = seqs.slice(0, selection.limit);
  for (const seq of shown) {
    const record = await log.get(seq);
    const view = record === undefined ? undefined : select(record, selection);
    if (view !== undefined) format(view, output);
    if (output.isFull) await output.flush();
    if (output.closed) break;
  }
  await output.flush();
  return shown.length;
}
