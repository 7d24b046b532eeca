/** `seqlog cat`: print records and end. */
import type { Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import { logArgumentHelp, openForReading } from "./log-argument.ts";
import { printRecords } from "./print-records.ts";
import { addReadOptions, readOptionsHelp, readRange, type ReadFlags } from "./read-options.ts";
import { contentOf } from "./record-content.ts";
import { chosenFormat, recordFormat } from "./record-format.ts";

const help = `${readOptionsHelp}

Examples:
  seqlog cat ./events --format raw > events.txt
  seqlog cat ./events --since 1h --where status=500 --fields time,path
  seqlog cat ./events -o -10 -c 5 -e --format '%s %t %d'`;

/** Defines `cat`. */
export function defineCat(command: Command, context: CliContext): void {
  command.description("Print records. Works beside a process that appends.").argument("<LOG>", logArgumentHelp);
  addReadOptions(command)
    .addHelpText("after", help)
    .action((location: string, flags: ReadFlags) => cat(location, flags, context));
}

async function cat(location: string, flags: ReadFlags, { stdout, stderr }: CliContext): Promise<void> {
  const range = readRange(flags);
  const format = recordFormat(chosenFormat(flags) ?? "raw", stdout);
  const { where = [], fields, limit = Infinity } = flags;
  const log = await openForReading(location, stderr);
  try {
    const options = { ...range, ...(flags.reverse === true ? { reverse: true as const } : {}) };
    await printRecords(log, options, { where, fields, limit, content: contentOf(location) }, format, stdout);
  } finally {
    await log.close();
  }
}
