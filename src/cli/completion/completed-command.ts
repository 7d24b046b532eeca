/** What can be completed, from the commands themselves: so it has every option that they have. */
import { type Argument, Command, type Option } from "commander";
import type { CliContext } from "../cli-context.ts";
import { commandTable } from "../command-table.ts";

/** A command, with the options of those below it. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** Words that the first argument may be. */
  readonly words: readonly string[];
  /** Whether an argument is a file or directory. */
  readonly takesFiles: boolean;
}

/** An option. */
export interface CompletedOption {
  /** `-o` and `--output`, or one of the two. */
  readonly names: readonly string[];
  readonly description: string;
  readonly value: CompletedValue;
}

/** What stands behind an option: nothing, a file, one of some words, or something that cannot be guessed. */
export type CompletedValue =
  | { readonly kind: "none" | "file" | "free" }
  | { readonly kind: "words"; readonly words: readonly string[] };

/** Names of arguments and values that are files. */
const fileNames = /^(?:log|dir|directory|file|path)$/i;

/** Every command, in the order of the help. */
export async function completedCommands(context: CliContext): Promise<readonly CompletedCommand[]> {
  const commands: CompletedCommand[] = [];
  for (const { name, summary, load } of commandTable) {
    const command = new Command(name);
    (await load())(command, context);
    commands.push(describe(command, summary));
  }
  return commands;
}

function describe(command: Command, summary: string): CompletedCommand {
  // Hidden ones are not in the help either.
  const below = command.createHelp().visibleCommands(command);
  const all = [command, ...below];
  const taken = all.flatMap(({ registeredArguments }) => registeredArguments);
  return {
    name: command.name(),
    summary,
    options: all.flatMap(({ options }) => options.filter(({ hidden }) => !hidden).map(describeOption)).filter(isFirst),
    words: [...below.map((inner) => inner.name()), ...taken.flatMap(({ argChoices = [] }) => argChoices)],
    takesFiles: taken.some((argument) => argument.argChoices === undefined && fileNames.test(nameOf(argument))),
  };
}

/** Of options of the same name, of commands side by side. */
function isFirst({ names }: CompletedOption, at: number, options: readonly CompletedOption[]): boolean {
  return options.findIndex((other) => other.names.at(-1) === names.at(-1)) === at;
}

function nameOf(argument: Argument): string {
  return argument.name();
}

function describeOption(option: Option): CompletedOption {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  return { names, description: option.description, value: valueOf(option) };
}

function valueOf({ required, optional, argChoices, flags }: Option): CompletedValue {
  if (!required && !optional) return { kind: "none" };
  if (argChoices !== undefined) return { kind: "words", words: argChoices };
  const name = /[<[](.*?)(?:\.\.\.)?[>\]]/.exec(flags)?.[1] ?? "";
  return { kind: fileNames.test(name) ? "file" : "free" };
}
