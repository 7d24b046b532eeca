/** `seqlog export`: the records of a log, for other programs. */
import { type Command, Option } from "commander";
import type { Position, ReadOptions } from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { exportFormat, type ExportFormatName, exportFormats } from "./export/export-format.ts";
import { startExportProgress } from "./export/export-progress.ts";
import { onInterruption } from "./interruption.ts";
import { logArgumentHelp, openForReading, type ReadableLog } from "./log-argument.ts";
import { codecOf } from "./log-codec.ts";
import { contentOf } from "./record-content.ts";
import type { Output } from "./output.ts";
import { OutputFile } from "./output-file.ts";
import { printRecords } from "./print-records.ts";
import { parseCount, parsePosition, parseTime } from "./position.ts";
import { printableLine } from "./printable.ts";
import { positionHelp, readRange } from "./read-options.ts";
import { addCondition, type Condition } from "./where.ts";
import type { RecordFormat } from "./record-format.ts";
import { UsageError } from "./usage-error.ts";

interface Options {
  readonly format: ExportFormatName;
  readonly output: string;
  readonly force?: boolean;
  readonly from?: Position;
  readonly to?: Position;
  readonly since?: Date;
  readonly until?: Date;
  readonly limit?: number;
  readonly where?: readonly Condition[];
  readonly json?: boolean;
}

const help = `
ndjson: one object a line, {"seq","id","time"} and the record as one of
  "data": its JSON as it is stored (of a log with the codec json; in others objects and arrays alone)
  "text": its text, where it is UTF-8 and not that
  "base64": its bytes, where they are not UTF-8
csv: RFC 4180 in UTF-8, columns seq,id,time,encoding,data; encoding is utf8, or base64 for data that is
  not UTF-8 or has control characters other than tab and line ends.
frames: [length: 4 bytes, little-endian][bytes], the data alone.

\`seqlog import\` reads all three: with --exported the first two give back exactly the bytes exported.

A file given with -o has its name only when all of it is on the disk; when anything fails it is not
there, and one that was there before is as it was. At damage the command stops, as \`seqlog cat\` does.

Examples:
  seqlog export ./events -o events.ndjson
  seqlog export ./events --format csv --since 1d > today.csv
  seqlog export ./events --format frames | ssh other 'seqlog import ./events --format frames'`;

/** Defines `export`. */
export function defineExport(command: Command, context: CliContext): void {
  command
    .description("Write records as NDJSON, CSV or length-framed bytes. Works beside a process that appends.")
    .argument("<LOG>", logArgumentHelp)
    .addOption(new Option("--format <format>", "how").choices(exportFormats).default("ndjson"))
    .option("-o, --output <file>", "write this file; - is standard output", "-")
    .option("--force", "replace a file that is there")
    .option("--from <position>", `first record: ${positionHelp}`, parsePosition)
    .option("--to <position>", "end before this record; written as --from", parsePosition)
    .option("--since <time>", "records from this time on: a date, or 30s, 10m, 2h, 1d ago", parseTime)
    .option("--until <time>", "records before this time", parseTime)
    .option("-c, --limit <count>", "end after this many records", parseCount)
    .option("--where <condition>", "JSON records only; as in `seqlog cat`", addCondition)
    .option("--json", 'with -o, print {"records","first","last","bytes"}')
    .addHelpText("after", help)
    .action((location: string, options: Options) => exportLog(location, options, context));
}

async function exportLog(location: string, options: Options, context: CliContext): Promise<void> {
  if (options.output === "-" && options.force === true) throw new UsageError("--force is for a file: name it with -o");
  if (options.output === "-" && options.json === true) {
    throw new UsageError("--json tells of a file that was written: name it with -o");
  }
  const range = readRange(options);
  const log = await openForReading(location, context.stderr);
  try {
    if (options.output === "-") await write(log, range, options, location, context.stdout, context);
    else await writeFile(log, range, options, location, context);
  } finally {
    await log.close();
  }
}

async function writeFile(
  log: ReadableLog,
  range: ReadOptions,
  options: Options,
  location: string,
  context: CliContext,
): Promise<void> {
  let file: OutputFile | undefined;
  // Before there is a file that a signal could leave behind.
  const interruption = onInterruption(() => file?.abort(new Error("interrupted")));
  try {
    file = OutputFile.create(options.output, options.force === true);
    const written = await write(log, range, options, location, file.output, context);
    await file.commit();
    report(written, options, context.stdout);
  } catch (error) {
    if (file === undefined) throw error;
    await file.discard();
    const { stderr } = context;
    if (interruption.exitCode === undefined) {
      stderr.line(printableLine(`seqlog: note: ${options.output} was not written`));
      throw error;
    }
    context.exitCode = interruption.exitCode;
    stderr.line(printableLine(`seqlog: interrupted; ${options.output} was not written`));
  } finally {
    interruption.stopListening();
  }
}

/** What was written. */
interface Written {
  records: number;
  bytes: number;
  first: number | null;
  last: number | null;
}

async function write(
  log: ReadableLog,
  range: ReadOptions,
  options: Options,
  location: string,
  output: Output,
  context: CliContext,
): Promise<Written> {
  const { where = [], limit = Infinity } = options;
  const format = exportFormat(options.format, codecOf(location), output);
  const written: Written = { records: 0, bytes: 0, first: null, last: null };
  const progress = await startExportProgress(log, range, limit, output, context);
  const writeRecord: RecordFormat = (view, to) => {
    format.write(view, to);
    const { seq } = view.record;
    written.records++;
    written.bytes += view.bytes.length;
    written.first ??= seq;
    written.last = seq;
    progress.update(seq, written.bytes, written.records);
  };
  try {
    output.put(format.head);
    await printRecords(
      log,
      range,
      { where, fields: undefined, limit, content: contentOf(location) },
      writeRecord,
      output,
    );
    await output.flush();
  } finally {
    progress.stop();
  }
  return written;
}

function report({ records, bytes, first, last }: Written, options: Options, stdout: Output): void {
  if (options.json === true) {
    stdout.line(JSON.stringify({ records, first, last, bytes }));
    return;
  }
  const seqs = records === 0 ? "" : records === 1 ? `: seq ${first}` : `: seq ${first} to ${last}`;
  stdout.line(printableLine(`exported ${records} ${records === 1 ? "record" : "records"} to ${options.output}${seqs}`));
}
