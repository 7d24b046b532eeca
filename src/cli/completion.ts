/** `seqlog completion`: a script that has a shell complete commands, options and their values. */
import { Argument, type Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import { bashScript } from "./completion/bash-script.ts";
import { completedCommands } from "./completion/completed-command.ts";
import { fishScript } from "./completion/fish-script.ts";
import { zshScript } from "./completion/zsh-script.ts";

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

type Shell = keyof typeof scripts;

const help = `
It is made from the commands as they are: print it again after an update.

Examples:
  eval "$(seqlog completion bash)"                                        in ~/.bashrc
  source <(seqlog completion zsh)                                         in ~/.zshrc, after compinit
  seqlog completion fish > ~/.config/fish/completions/seqlog.fish`;

/** Defines `completion`. */
export function defineCompletion(command: Command, context: CliContext): void {
  command
    .description("Print a script that completes seqlog's commands and options in a shell.")
    .addArgument(new Argument("<SHELL>", "for which shell").choices(Object.keys(scripts)))
    .addHelpText("after", help)
    .action(async (shell: Shell) => context.stdout.put(scripts[shell](await completedCommands(context))));
}
