/** `seqlog help`: what people need most; all of it with `--all`, one command with its name. */
import { Argument, type Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import { commandTable } from "./command-table.ts";
import { shortHelp } from "./short-help.ts";
import { UsageError } from "./usage-error.ts";

interface Options {
  readonly all?: boolean;
}

const help = `
Examples:
  seqlog help
  seqlog help export
  seqlog help --all`;

/** Defines `help`. */
export function defineHelp(command: Command, context: CliContext): void {
  command
    .description("Print the commands that people need most, with an example each, or all about one command.")
    .addArgument(new Argument("[COMMAND]", "which one").choices(commandTable.map(({ name }) => name)))
    .argument("[SUBCOMMAND]", "and which one below it")
    .option("--all", "every command")
    .addHelpText("after", help)
    .action((name: string | undefined, inner: string | undefined, options: Options) => {
      if (name !== undefined) describe(command.parent, name, inner);
      else if (options.all === true) command.parent?.outputHelp();
      else context.stdout.put(shortHelp());
    });
}

function describe(program: Command | null, name: string, inner: string | undefined): void {
  const found = below(program, name);
  const wanted = inner === undefined ? found : below(found, inner);
  if (wanted === undefined) throw new UsageError(`${name} has no command ${JSON.stringify(inner)} below it`);
  wanted.outputHelp();
}

function below(command: Command | null | undefined, name: string): Command | undefined {
  return command?.commands.find((inner) => inner.name() === name);
}
