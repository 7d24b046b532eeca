/** `seqlog reset`: remove every record. */
import type { Command } from "commander";
import { FileLog, LogWriter, RecordIndex } from "../index.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import type { CliContext } from "./cli-context.ts";
import { kindOfLog, logArgumentHelp, openForReading, openStream } from "./log-argument.ts";
import type { Output } from "./output.ts";
import { UsageError } from "./usage-error.ts";

interface ResetOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
}

const help = `
There is no way back: copy the log first if you are not sure. Without --yes nothing is removed, and
the command says what would be (exit code 2).

Examples:
  seqlog reset ./events
  seqlog reset ./events --yes`;

/** Defines `reset`. */
export function defineReset(command: Command, context: CliContext): void {
  command
    .description("Remove every record. The next one gets seq 0 again.")
    .argument("<LOG>", logArgumentHelp)
    .option("--yes", "really do it")
    .option("--json", 'print {"removed":{"records","bytes","segments"}}')
    .addHelpText("after", help)
    .action((location: string, options: ResetOptions) => reset(location, options, context));
}

async function reset(location: string, options: ResetOptions, { stdout, stderr }: CliContext): Promise<void> {
  const kind = kindOfLog(location);
  // Opened for reading first: reset never makes a log where there is none.
  const removed = await countRecords(location, stderr);
  if (options.yes !== true) {
    const { records, bytes } = removed;
    throw new UsageError(
      `${location}: this would remove ${records} records (${bytes} bytes) for good; run it again with --yes`,
      "USAGE",
      { wouldRemove: removed },
    );
  }
  if (kind === "file") await resetFile(location);
  else await resetLog(kind, location);
  if (options.json === true) stdout.line(JSON.stringify({ removed }));
  else stdout.line(`removed ${removed.records} records (${removed.bytes} bytes); the next seq is 0`);
}

interface Removed {
  readonly records: number;
  readonly bytes: number;
  readonly segments: number;
}

async function countRecords(location: string, notes: Output): Promise<Removed> {
  const log = await openForReading(location, notes);
  try {
    const { records, bytes, segments } = await log.stats();
    return { records, bytes, segments };
  } finally {
    await log.close();
  }
}

async function resetLog(kind: "directory" | "stream", location: string): Promise<void> {
  const options = { create: false };
  const log = kind === "stream" ? await openStream(location, options) : await FileLog.open(location, options);
  try {
    await log.reset();
  } finally {
    await log.close();
  }
}

async function resetFile(location: string): Promise<void> {
  const recordIndex = await RecordIndex.open(indexPathOf(location));
  try {
    const writer = await LogWriter.open(location, recordIndex);
    try {
      await writer.reset();
    } finally {
      await writer.close();
    }
  } finally {
    await recordIndex.close();
  }
}
