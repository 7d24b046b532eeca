/** `seqlog stats`: how much is in a log. */
import type { Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import { logArgumentHelp, openForReading } from "./log-argument.ts";
import { formatBytes } from "./progress.ts";

const help = `
Bytes are those of the records with their headers.

Examples:
  seqlog stats ./events
  seqlog stats ./events --json`;

/** Defines `stats`. */
export function defineStats(command: Command, context: CliContext): void {
  command
    .description("Count records, bytes and segments. Works beside a process that appends.")
    .argument("<LOG>", logArgumentHelp)
    .option("--json", 'print {"firstSeq","nextSeq","records","bytes","segments"}')
    .addHelpText("after", help)
    .action((location: string, options: { readonly json?: boolean }) =>
      stats(location, options.json === true, context),
    );
}

async function stats(location: string, json: boolean, { stdout, stderr }: CliContext): Promise<void> {
  const log = await openForReading(location, stderr);
  try {
    const { firstSeq, nextSeq, records, bytes, segments } = await log.stats();
    if (json) {
      stdout.line(JSON.stringify({ firstSeq, nextSeq, records, bytes, segments }));
      return;
    }
    stdout.line(`records   ${records}`);
    stdout.line(`firstSeq  ${firstSeq}`);
    stdout.line(`nextSeq   ${nextSeq}`);
    stdout.line(`bytes     ${bytes}${bytes < 1024 ? "" : ` (${formatBytes(bytes)})`}`);
    stdout.line(`segments  ${segments}`);
  } finally {
    await log.close();
  }
}
