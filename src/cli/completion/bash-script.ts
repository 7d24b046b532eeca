/** Completion for bash 3.2 and newer, without the package bash-completion. */
import type { CompletedCommand, CompletedOption } from "./completed-command.ts";

/** File names are readline's: `-o default` has it look for them where the function finds nothing. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  return `# Completion of seqlog for bash, made by \`seqlog completion bash\`.
_seqlog() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  # Of --format=csv bash makes three words.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${names} --help --version" -- "$cur"))
    return
  fi
  case $command:$prev in
${commands.flatMap(valueCases).join("\n")}
  esac
  case $command in
${commands.map(commandCase).join("\n")}
  esac
}
complete -o default -F _seqlog seqlog
`;
}

function valueCases({ name, options }: CompletedCommand): string[] {
  return options
    .filter(({ value }) => value.kind !== "none")
    .map(({ names, value }) => {
      const patterns = names.map((option) => `${name}:${option}`).join("|");
      const reply = value.kind === "words" ? ` COMPREPLY=($(compgen -W "${value.words.join(" ")}" -- "$cur"));` : "";
      return `    ${patterns})${reply} return ;;`;
    });
}

function commandCase({ name, options, words }: CompletedCommand): string {
  const optionWords = [...options.flatMap(longest), "--help"].join(" ");
  const others =
    words.length > 0
      ? `elif [[ $COMP_CWORD -eq 2 ]]; then COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$cur")); `
      : "";
  return `    ${name}) if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "${optionWords}" -- "$cur")); ${others}fi ;;`;
}

/** A letter alone says nothing to who asks what there is, but some options are only a letter. */
function longest({ names }: CompletedOption): readonly string[] {
  return names.slice(-1);
}
