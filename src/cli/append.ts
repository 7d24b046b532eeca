/** `seqlog append`: input to records, each durable before the command says so. */
import { type Command, Option } from "commander";
import { defaultMaxRecordBytes } from "../segment/log-writer.ts";
import { openForAppending } from "./append-target.ts";
import { type Appended, BatchFeeder } from "./batch-feeder.ts";
import type { CliContext } from "./cli-context.ts";
import { FrameSplitter } from "./frame-splitter.ts";
import { inputBytes, openInputFile } from "./input-file.ts";
import { onInterruption } from "./interruption.ts";
import { LineSplitter } from "./line-splitter.ts";
import { logArgumentHelp } from "./log-argument.ts";
import { NdjsonSplitter } from "./ndjson-splitter.ts";
import { startProgress } from "./progress.ts";
import { parseReplicas, replicasHelp } from "./parse-replicas.ts";
import { readPieces } from "./read-pieces.ts";
import type { RecordSplitter } from "./record-splitter.ts";

interface AppendOptions {
  readonly file?: string;
  readonly ndjson?: boolean;
  readonly binary?: boolean;
  readonly replicas?: number;
  readonly json?: boolean;
}

const help = `
Each line of the input is a record, without its line feed; a carriage return belongs to the record and
an empty line is an empty record. A last line without a line feed is a record too: \`seqlog cat\` gives the
same bytes back, and then one line feed that the input did not have.

Where there is no LOG yet it is made: a single file when the name ends in .log (with its record index
beside it, in .idx), a stream on servers for nats:// (with --replicas copies of each record), else a
directory. With --ndjson and --binary the command stops at the first fault
(exit code 2); everything before it is in the log.

On Ctrl-C what was read is made durable and counted; an unfinished line is left out.

Examples:
  seqlog append ./events < /var/log/dpkg.log
  tail -F app.log | seqlog append ./events
  seqlog append ./events --ndjson --file export.ndjson --json`;

/** Defines `append`. */
export function defineAppend(command: Command, context: CliContext): void {
  command
    .description("Append each line of standard input as a record. Prints what was appended when all of it is durable.")
    .argument("<LOG>", `${logArgumentHelp}; made when it does not exist`)
    .option("--file <path>", "read this file instead of standard input")
    .addOption(new Option("--ndjson", "check that each line is JSON").conflicts("binary"))
    .option("--binary", "read records as [length: 4 bytes, little-endian][bytes] instead of lines")
    .option("--replicas <count>", replicasHelp, parseReplicas)
    .option("--json", 'print {"first","last","count"}')
    .addHelpText("after", help)
    .action((location: string, options: AppendOptions) => append(location, options, context));
}

async function append(location: string, options: AppendOptions, context: CliContext): Promise<void> {
  // Opened first: a LOG that cannot be opened must not swallow input, and a missing file not make a LOG.
  const input = options.file === undefined ? context.stdin : await openInputFile(options.file, "--file");
  const target = await openForAppending(location, context.stderr, options).catch((error: unknown) => {
    input.destroy();
    throw error;
  });
  // A person who types sees what they type.
  const typed = context.stdin.isTTY === true && options.file === undefined;
  const progress = typed ? undefined : await startProgress(context, "appending");
  const totalBytes = inputBytes(options.file);
  const splitter = splitterFor(options);
  const stop = new AbortController();
  let readBytes = 0;
  const feeder = new BatchFeeder(target, {
    appended: (count) => progress?.update(readBytes, totalBytes, count),
    // The next input may be long in coming, and could not be kept.
    failed: () => stop.abort(),
  });
  const interruption = onInterruption(() => stop.abort());
  try {
    for await (const piece of readPieces(input, stop.signal)) {
      readBytes += piece.length;
      await split(feeder, (records) => splitter.push(piece, records));
    }
    if (!stop.signal.aborted) await split(feeder, (records) => splitter.end(records));
  } finally {
    try {
      await feeder.finish();
    } finally {
      interruption.stopListening();
      progress?.stop();
      report(feeder.result, options, context);
      await target.close();
    }
  }
  if (interruption.exitCode !== undefined) {
    context.exitCode = interruption.exitCode;
    reportInterruption(splitter.unfinishedBytes, context);
  }
}

/** Hands over what `take` found, also when it stops at a fault. */
async function split(feeder: BatchFeeder, take: (records: Uint8Array[]) => void): Promise<void> {
  const records: Uint8Array[] = [];
  try {
    take(records);
  } finally {
    await feeder.add(records);
  }
}

function splitterFor(options: AppendOptions): RecordSplitter {
  if (options.binary === true) return new FrameSplitter(defaultMaxRecordBytes);
  if (options.ndjson === true) return new NdjsonSplitter(defaultMaxRecordBytes);
  return new LineSplitter(defaultMaxRecordBytes);
}

function report({ first, last, count }: Appended, options: AppendOptions, { stdout }: CliContext): void {
  if (options.json === true) stdout.line(JSON.stringify({ first, last, count }));
  else if (count === 0) stdout.line("appended 0 records");
  else if (count === 1) stdout.line(`appended 1 record: seq ${first}`);
  else stdout.line(`appended ${count} records: seq ${first} to ${last}`);
}

function reportInterruption(unfinishedBytes: number, { stderr }: CliContext): void {
  const left = unfinishedBytes > 0 ? `; ${unfinishedBytes} bytes of an unfinished record were left out` : "";
  stderr.line(`seqlog: interrupted; what was read is in the log${left}`);
}
