/** What `seqlog` says to who does not know it yet: the commands of the table that have an example. */
import { commandTable } from "./command-table.ts";

export function shortHelp(): string {
  const commands = commandTable.flatMap(({ name, summary, example }) =>
    example === undefined ? [] : [`  ${name.padEnd(10)} ${summary}`, `               ${example}`],
  );
  return [
    "Usage: seqlog <command> LOG [options]",
    "",
    "A durable, sequential record log. LOG is a directory, or a single .log file.",
    "",
    ...commands,
    "",
    "`seqlog help <command>` says all about one of them, `seqlog help --all` lists every command.",
    "",
  ].join("\n");
}
