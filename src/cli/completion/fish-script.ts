/** Completion for fish. */
import type { CompletedCommand, CompletedOption } from "./completed-command.ts";

export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = [
    "# Completion of seqlog for fish, made by `seqlog completion fish`.",
    "complete -c seqlog -f",
    "complete -c seqlog -s h -l help -d 'print help'",
    "complete -c seqlog -n __fish_use_subcommand -s V -l version -d 'print the version'",
    ...commands.map(
      ({ name, summary }) => `complete -c seqlog -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`,
    ),
    ...commands.flatMap(commandLines),
  ];
  return `${lines.join("\n")}\n`;
}

function commandLines({ name, options, words, takesFiles }: CompletedCommand): string[] {
  const seen = `__fish_seen_subcommand_from ${name}`;
  const head = `complete -c seqlog -n '${seen}'`;
  // Words that are complete: seqlog and the command alone, so that the first argument is being written.
  const first = `complete -c seqlog -n '${seen}; and test (count (commandline -opc)) -eq 2'`;
  return [
    ...(takesFiles ? [`${head} -F`] : []),
    ...(words.length > 0 ? [`${first} -a ${quote(words.join(" "))}`] : []),
    ...options.map((option) => `${head} ${optionFlags(option)} -d ${quote(option.description)}`),
  ];
}

function optionFlags({ names, value }: CompletedOption): string {
  const flags = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  switch (value.kind) {
    case "none":
      break;
    case "file":
      flags.push("-r -F");
      break;
    case "words":
      flags.push(`-x -a ${quote(value.words.join(" "))}`);
      break;
    case "free":
      flags.push("-x");
  }
  return flags.join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
