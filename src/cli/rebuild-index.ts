/** `seqlog rebuild-index`: write the record index again from the records. */
import type { Command } from "commander";
import { rebuildIndex as rebuildLogIndex } from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { filesArgumentHelp, requireFiles } from "./log-argument.ts";
import { printableLine } from "./printable.ts";

const help = `
Opening a log does this by itself where it is needed; the command is for a record index that was copied from
elsewhere or is not trusted.

Examples:
  seqlog rebuild-index ./events
  seqlog rebuild-index ./events.log --json`;

/** Defines `rebuild-index`. */
export function defineRebuildIndex(command: Command, context: CliContext): void {
  command
    .description("Write the record index again from the records. Nothing else is changed.")
    .argument("<LOG>", filesArgumentHelp)
    .option("--json", 'print {"records","files":[…]}')
    .addHelpText("after", help)
    .action((location: string, options: { readonly json?: boolean }) =>
      rebuildIndex(location, options.json === true, context),
    );
}

async function rebuildIndex(location: string, json: boolean, { stdout }: CliContext): Promise<void> {
  requireFiles(location, "there is no record index to rebuild");
  const { records, files } = await rebuildLogIndex(location);
  if (json) {
    stdout.line(JSON.stringify({ records, files }));
    return;
  }
  for (const file of files) stdout.line(printableLine(`wrote ${file}`));
  stdout.line(`${records} records`);
}
