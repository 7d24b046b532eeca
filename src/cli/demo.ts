/** `seqlog demo`: demonstrations. */
import { type Command, InvalidArgumentError } from "commander";
import type { CliContext } from "./cli-context.ts";
import { demoCrash, type DemoCrashOptions } from "./demo-crash.ts";
import { writeUntilKilled } from "./demo-crash-writer.ts";
import { parseCount } from "./position.ts";

const help = `
This shows the death of a process, not the loss of power: see docs/durability.md.
Exit code 1 when a record that was acknowledged is missing or changed.

Examples:
  seqlog demo crash
  seqlog demo crash --rounds 3 --dir /mnt/disk --keep`;

/** Defines `demo` and what is below it. */
export function defineDemo(command: Command, context: CliContext): void {
  command.description("Demonstrations of what the log promises.");
  command
    .command("crash")
    .summary("kill writers in the middle of their work, and count what is left")
    .description(
      "Start a process whose callers append at once, kill it (SIGKILL) at a random moment, and compare what was acknowledged with what is found. Again and again.",
    )
    .option(
      "--dir <path>",
      "make the directory of the demonstration in here (default: the system's temporary directory)",
    )
    .option("--rounds <count>", "how many writers to kill", parseRounds, 10)
    .option("--keep", "keep the log to look at")
    .option("--json", 'print {"rounds":[…],"acknowledged","found","missing"}')
    .addHelpText("after", help)
    .action((options: DemoCrashOptions) => demoCrash(options, context));
  // The writer that is killed. Not for people.
  command
    .command("crash-writer", { hidden: true })
    .argument("<directory>")
    .argument("<round>", "", parseCount)
    .action((directory: string, round: number) => writeUntilKilled(directory, round, context.stdout));
}

function parseRounds(text: string): number {
  const rounds = parseCount(text);
  if (rounds === 0) throw new InvalidArgumentError("It must be 1 or more.");
  return rounds;
}
