/** Completion for zsh: as a file `_seqlog` in a directory of $fpath, or by \`source <(seqlog completion zsh)\`. */
import type { CompletedCommand, CompletedOption, CompletedValue } from "./completed-command.ts";

export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef seqlog
# Completion of seqlog for zsh, made by \`seqlog completion zsh\`.
_seqlog() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C \\
    '(-h --help)'{-h,--help}'[print help]' \\
    '(-V --version)'{-V,--version}'[print the version]' \\
    '1:command:->command' \\
    '*::argument:->argument'
  case $state in
    command)
      local -a commands
      commands=(
${commands.map(({ name, summary }) => `        ${quote(`${name}:${summary}`)}`).join("\n")}
      )
      _describe -t commands command commands
      ;;
    argument)
      case $line[1] in
${commands.map(commandCase).join("\n")}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _seqlog ]]; then _seqlog "$@"; else compdef _seqlog seqlog; fi
`;
}

function commandCase({ name, options, words, takesFiles }: CompletedCommand): string {
  const specs = [
    ...options.map(optionSpec),
    "'(-h --help)'{-h,--help}'[print help]'",
    ...(words.length > 0 ? [`'1:word:(${words.join(" ")})'`] : []),
    ...(takesFiles ? ["'*:file:_files'"] : []),
  ];
  return `        ${name})
          _arguments -s \\
${specs.map((spec) => `            ${spec}`).join(" \\\n")}
          ;;`;
}

/** `'(-o --output)'{-o+,--output=}'[what it does]:value:_files'` */
function optionSpec({ names, description, value }: CompletedOption): string {
  const [first = "", ...others] = names.map((name) =>
    value.kind === "none" ? name : `${name}${name.startsWith("--") ? "=" : "+"}`,
  );
  const what = `[${description.replaceAll(/[[\]\\:]/g, "\\$&")}]${valueSpec(value)}`;
  if (others.length === 0) return quote(first + what);
  return `'(${names.join(" ")})'{${[first, ...others].join(",")}}${quote(what)}`;
}

function valueSpec(value: CompletedValue): string {
  switch (value.kind) {
    case "none":
      return "";
    case "file":
      return ":file:_files";
    case "words":
      return `:value:(${value.words.join(" ")})`;
    case "free":
      return ":value: ";
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
