/** `seqlog import`: NDJSON, CSV or length-framed bytes into a log. */
import type { Readable } from "node:stream";
import { type Command, InvalidArgumentError, Option } from "commander";
import { SeqlogError } from "../index.ts";
import { type StoredRecords, openForAppending } from "./append-target.ts";
import { BatchFeeder } from "./batch-feeder.ts";
import type { CliContext } from "./cli-context.ts";
import { type InputOptions, importFormats, readerFor } from "./import/reader-for.ts";
import { inputBytes, openInputFile } from "./input-file.ts";
import { type Interruption, onInterruption } from "./interruption.ts";
import { kindOfLog, logArgumentHelp } from "./log-argument.ts";
import { codecOf } from "./log-codec.ts";
import { parseReplicas, replicasHelp } from "./parse-replicas.ts";
import { parseCount } from "./position.ts";
import { printableLine } from "./printable.ts";
import { type Progress, startProgress } from "./progress.ts";
import { readPieces } from "./read-pieces.ts";
import { UsageError } from "./usage-error.ts";

interface Options {
  readonly format: InputOptions["format"];
  readonly exported?: boolean;
  readonly column?: string;
  readonly delimiter?: string;
  readonly codec?: "json" | "text" | "binary";
  readonly replicas?: number;
  readonly skip: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const help = `
ndjson: each line's JSON is a record, as it stands there, without white space around it.
csv: the first row names the columns; each other row is a JSON object of strings, or with --column
  the bytes of that column. UTF-8, RFC 4180; rows may end with CR LF or LF.
frames: [length: 4 bytes, little-endian][bytes].
With --exported, lines and rows are those of \`seqlog export\`: their data is stored, byte for byte as it
was. Seqs, ids and times are made anew. Nothing is guessed: a line is only taken for an exported one when
--exported says so.

At the first fault in the input the command stops (exit code 2). Everything before it is in the log, and
the message says with which --skip to go on. So it does after Ctrl-C. After a crash of the machine, --skip
is what it was in that run, and what nextSeq of \`seqlog stats\` has grown by since. Of a log on servers that
others append to nextSeq says nothing of it: see with \`seqlog tail\` what came last.

Examples:
  seqlog import ./events events.ndjson --format ndjson --dry-run
  seqlog import ./events events.ndjson --format ndjson --exported
  seqlog import ./people people.csv --format csv --codec json`;

/** Defines `import`. */
export function defineImport(command: Command, context: CliContext): void {
  command
    .description("Append the records of an NDJSON, CSV or length-framed input. Memory use does not grow with it.")
    .argument("<LOG>", `${logArgumentHelp}; made when it does not exist`)
    .argument("[FILE]", "what to read; - is standard input", "-")
    .addOption(new Option("--format <format>", "what it is").choices(importFormats).makeOptionMandatory())
    .option("--exported", "ndjson and csv: lines or rows made by `seqlog export`")
    .option("--column <name>", "csv: store this column's bytes, instead of an object of all columns")
    .option("--delimiter <character>", "csv: what stands between fields (default: a comma)", parseDelimiter)
    .addOption(
      new Option("--codec <codec>", "what the log's data is; kept in a log that has none yet").choices([
        "json",
        "text",
        "binary",
      ]),
    )
    .option("--replicas <count>", replicasHelp, parseReplicas)
    .option("--skip <count>", "leave out this many records at the start of the input", parseCount, 0)
    .option("--dry-run", "check the whole input, and write nothing")
    .option("--json", 'print {"dryRun","first","last","count","skipped"}')
    .addHelpText("after", help)
    .action((location: string, file: string, options: Options) => importRecords(location, file, options, context));
}

function parseDelimiter(text: string): string {
  if (text === "\\t") return "\t";
  if (/^[^"\r\n\x80-\uffff]$/.test(text)) return text;
  throw new InvalidArgumentError("It must be one ASCII character such as ; or \\t, and not a quote.");
}

async function importRecords(location: string, file: string, options: Options, context: CliContext): Promise<void> {
  checkOptions(location, options);
  // Opened first: a missing file must not make a LOG.
  const input = file === "-" ? context.stdin : await openInputFile(file, "import");
  const source: Source = { input, totalBytes: file === "-" ? 0 : inputBytes(file) };
  const stop = new AbortController();
  const interruption = onInterruption(() => stop.abort());
  try {
    if (options.dryRun === true) await checkInput(location, source, options, stop, interruption, context);
    else await storeInput(location, source, options, stop, interruption, context);
  } finally {
    interruption.stopListening();
    input.destroy();
  }
}

function checkOptions(location: string, { format, exported, column, delimiter, codec }: Options): void {
  const kind = kindOfLog(location);
  if (codec !== undefined && kind !== "directory") {
    throw new UsageError(
      "--codec is for directory logs: a single .log file has no place to keep it, and of a log on servers the program that opens it says",
    );
  }
  if (exported === true && format === "frames") {
    throw new UsageError("--exported is for ndjson and csv: frames hold nothing but the data anyway");
  }
  if (column !== undefined && format !== "csv") throw new UsageError("--column is for --format csv");
  if (delimiter !== undefined && format !== "csv") throw new UsageError("--delimiter is for --format csv");
  if (column !== undefined && exported === true) {
    throw new UsageError("--column and --exported both say what to store: give one of them");
  }
}

interface Source {
  readonly input: Readable;
  /** 0 when it is not known. */
  readonly totalBytes: number;
}

async function storeInput(
  location: string,
  source: Source,
  options: Options,
  stop: AbortController,
  interruption: Interruption,
  context: CliContext,
): Promise<void> {
  const target = await openForAppending(location, context.stderr, options);
  const stored = (): Stored => ({ ...target.stored, skip: options.skip });
  let skipped = 0;
  try {
    // The next input may be long in coming, and could not be kept.
    const feeder = new BatchFeeder(target, { appended() {}, failed: () => stop.abort() });
    try {
      const codec = codecOf(location);
      skipped = await readInput(source, options, codec, stop.signal, context, "importing", (records) =>
        feeder.add(records),
      );
    } finally {
      await feeder.finish();
    }
  } catch (error) {
    throw await explain(error, stored(), location, context);
  } finally {
    await target.close();
  }
  if (interruption.exitCode === undefined) return reportStored(stored(), skipped, options, context);
  context.exitCode = interruption.exitCode;
  context.stderr.line(`seqlog: interrupted; ${howFar(stored())}`);
}

async function checkInput(
  location: string,
  source: Source,
  options: Options,
  stop: AbortController,
  interruption: Interruption,
  context: CliContext,
): Promise<void> {
  let count = 0;
  let skipped: number;
  try {
    const codec = dryCodec(location, options.codec);
    skipped = await readInput(source, options, codec, stop.signal, context, "checking", (records) => {
      count += records.length;
    });
  } catch (error) {
    throw error instanceof UsageError && error.code === "INVALID_INPUT"
      ? new UsageError(`${error.message}. Nothing was written`, error.code, { ...error.facts, dryRun: true })
      : error;
  }
  if (interruption.exitCode !== undefined) {
    context.exitCode = interruption.exitCode;
    context.stderr.line("seqlog: interrupted; nothing was written");
  } else if (options.json === true) {
    context.stdout.line(JSON.stringify({ dryRun: true, count, skipped }));
  } else context.stdout.line(`the input is fine: ${inRecords(count)} would be imported`);
}

/** What the log would say at opening. */
function dryCodec(location: string, wanted: string | undefined): string | null {
  const kept = codecOf(location);
  if (kept !== null && wanted !== undefined && kept !== wanted) {
    throw new UsageError(`${location}: this log has the codec ${kept}, not ${wanted}`);
  }
  return kept ?? wanted ?? null;
}

/**
 * Reads until the input ends, or `signal` says stop: what was not handed over by then is left out.
 * @returns how many records were skipped
 */
async function readInput(
  { input, totalBytes }: Source,
  options: Options,
  codec: string | null,
  signal: AbortSignal,
  context: CliContext,
  doing: string,
  take: (records: Uint8Array[]) => void | Promise<void>,
): Promise<number> {
  const { exported = false, column, delimiter = "," } = options;
  const reader = await readerFor({ ...options, exported, column, delimiter }, codec);
  // A person who types sees what they type.
  const isTyped = input === context.stdin && context.stdin.isTTY === true;
  const progress: Progress | undefined = isTyped ? undefined : await startProgress(context, doing);
  let readBytes = 0;
  let count = 0;
  const handOver = async (read: (records: Uint8Array[]) => Promise<void>): Promise<void> => {
    const records: Uint8Array[] = [];
    try {
      await read(records);
    } finally {
      // Also before a fault: all that came before it is imported.
      await take(records);
      count += records.length;
    }
  };
  try {
    for await (const piece of readPieces(input, signal)) {
      if (signal.aborted) break;
      readBytes += piece.length;
      await handOver((records) => reader.push(piece, records));
      progress?.update(readBytes, totalBytes, count);
    }
    if (!signal.aborted) await handOver((records) => reader.end(records));
    return reader.skipped;
  } finally {
    progress?.stop();
  }
}

/** What is in the log by now. */
interface Stored extends StoredRecords {
  /** What was to be skipped in this run. */
  readonly replicas?: number;
  readonly skip: number;
}

function inRecords(count: number): string {
  return count === 1 ? "1 record" : `${count} records`;
}

function seqsOf({ first, count }: Stored): string {
  if (count === 0 || first === undefined) return "";
  return count === 1 ? `, seq ${first}` : `, seq ${first} to ${first + count - 1}`;
}

function howFar(stored: Stored): string {
  const { first, count, skip } = stored;
  const were = count === 1 ? "was" : "were";
  const next = first === undefined ? "" : `; the next seq is ${first + count}`;
  if (count + skip === 0) return "nothing was imported";
  return `${inRecords(count)} ${were} imported${seqsOf(stored)}${next}. To go on: --skip ${skip + count}`;
}

function reportStored(stored: Stored, skipped: number, { json }: Options, { stdout }: CliContext): void {
  const { first, count } = stored;
  if (json === true) {
    const ends = count === 0 || first === undefined ? { first: null, last: null } : { first, last: first + count - 1 };
    stdout.line(JSON.stringify({ dryRun: false, ...ends, count, skipped }));
  } else stdout.line(`imported ${inRecords(count)}${seqsOf(stored).replace(",", ":")}`);
}

/** A fault of the input says how far the import came; for other errors a line of its own does. */
async function explain(error: unknown, stored: Stored, location: string, { stderr }: CliContext): Promise<unknown> {
  const { first, count, skip } = stored;
  if (error instanceof UsageError && error.code === "INVALID_INPUT") {
    const next = first === undefined ? {} : { nextSeq: first + count };
    const facts = { ...error.facts, imported: count, ...next, skip: skip + count };
    return new UsageError(`${error.message}. Before that ${howFar(stored)}`, error.code, facts);
  }
  if (kindOfLog(location) === "stream") {
    stderr.line(
      `seqlog: note: ${inRecords(count)} are known to be imported, and some behind them may be. See what came last (\`seqlog tail\`) before you go on with --skip ${skip + count} or more`,
    );
    await stderr.flush();
    return error;
  }
  // After a full disk the log is in order; after another failed write nobody knows before it was opened again.
  const isKnown = !(SeqlogError.is(error, "SEQLOG_POISONED") || SeqlogError.is(error, "SEQLOG_IO"));
  stderr.line(
    printableLine(
      isKnown
        ? `seqlog: note: ${howFar(stored)}`
        : `seqlog: note: at least ${inRecords(count)} were imported. Run \`seqlog repair ${location}\`; then go on with --skip ${skip - (first ?? 0)} + nextSeq of \`seqlog stats\``,
    ),
  );
  await stderr.flush();
  return error;
}
