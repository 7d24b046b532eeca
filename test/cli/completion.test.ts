/**
 * `completion` and `help`: the scripts know what the commands know. bash completes here; of zsh and fish
 * the words and the quotes are checked everywhere, and the shell's own reading where it is installed.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type CompletedCommand, completedCommands } from "../../src/cli/completion/completed-command.ts";
import { commandTable } from "../../src/cli/command-table.ts";
import { Output } from "../../src/cli/output.ts";
import { PassThrough, Readable } from "node:stream";
import { runInProcess } from "./run-in-process.ts";
import { seqlog, temporaryDirectory } from "./seqlog-process.ts";
import { writeFileSync } from "node:fs";

const scripts: Record<string, string> = {};
let commands: readonly CompletedCommand[] = [];
beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    scripts[shell] = (await runInProcess(["completion", shell])).text;
  }
  const output = new Output(new PassThrough());
  commands = await completedCommands({ stdin: Readable.from([]), stdout: output, stderr: output, exitCode: 0 });
});

test("every command and option of the help is known", async () => {
  expect(commands.map(({ name }) => name)).toEqual(commandTable.map(({ name }) => name));
  for (const { name, options, words } of commands) {
    const helps = [await runInProcess([name, "--help"])];
    if (["consumers", "demo"].includes(name))
      for (const word of words) helps.push(await runInProcess([name, word, "--help"]));
    const shown = helps.flatMap(({ text }) => text.match(/^ {2}-.*?(?= {2}|$)/gm) ?? []);
    const names = shown.flatMap((line) => line.match(/(?<![\w-])--?[a-z-]+/gi) ?? []);
    const known = new Set([...options.flatMap((option) => option.names), "-h", "--help"]);
    expect({ name, known: [...known].toSorted() }).toEqual({ name, known: [...new Set(names)].toSorted() });
  }
});

describe("bash", () => {
  /** What bash offers for the last word of a line. */
  function complete(line: string): string[] {
    const script = `
eval "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
$(complete -p seqlog | sed -E 's/.*-F ([^ ]+) .*/\\1/')
printf '%s\\n' "\${COMPREPLY[@]}"`;
    // As readline has it: an equals sign is a word.
    const words = line.split(" ").flatMap((word) => word.split(/(=)/).filter((part, i) => i === 0 || part !== ""));
    const run = spawnSync("bash", ["--norc", "-c", script, "bash", scripts["bash"] ?? "", ...words], {
      encoding: "utf8",
      cwd: temporaryDirectory(),
    });
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: "" });
    return run.stdout.split("\n").filter((word) => word !== "");
  }

  test("registers itself, and leaves file names to readline", () => {
    const { stdout } = spawnSync(
      "bash",
      ["--norc", "-c", 'eval "$1"; complete -p seqlog', "bash", scripts["bash"] ?? ""],
      {
        encoding: "utf8",
      },
    );
    expect(stdout).toBe("complete -o default -F _seqlog seqlog\n");
  });

  test("completes commands", () => {
    expect(complete("seqlog ")).toEqual([...commandTable.map(({ name }) => name), "--help", "--version"]);
    expect(complete("seqlog re")).toEqual(["repair", "rebuild-index", "reset"]);
    expect(complete("seqlog --v")).toEqual(["--version"]);
    expect(complete("seqlog nothing-like-it")).toEqual([]);
  });

  test("completes options of the command", () => {
    expect(complete("seqlog trim ./events --")).toEqual(["--before", "--force", "--dry-run", "--json", "--help"]);
    expect(complete("seqlog import x --de")).toEqual(["--delimiter"]);
    expect(complete("seqlog demo crash --r")).toEqual(["--rounds"]);
    expect(complete("seqlog consumers seek ./events a --t")).toEqual(["--to"]);
    expect(complete("seqlog tail --co")).toEqual(["--consumer"]);
  });

  test("completes the values of options", () => {
    expect(complete("seqlog export ./events --format ")).toEqual(["ndjson", "csv", "frames"]);
    expect(complete("seqlog export ./events --format c")).toEqual(["csv"]);
    expect(complete("seqlog import --format=")).toEqual(["ndjson", "csv", "frames"]);
    expect(complete("seqlog import --format=f")).toEqual(["frames"]);
    expect(complete("seqlog import --codec ")).toEqual(["json", "text", "binary"]);
  });

  test("completes words, and nothing where a file or something free stands", () => {
    expect(complete("seqlog completion ")).toEqual(["bash", "zsh", "fish"]);
    expect(complete("seqlog help ex")).toEqual(["export"]);
    expect(complete("seqlog demo ")).toEqual(["crash", "help"]);
    expect(complete("seqlog consumers ")).toEqual(["list", "show", "seek", "reset", "delete", "help"]);
    for (const line of ["seqlog consumers list s", "seqlog consumers list ", "seqlog consumers show ./events s"]) {
      expect({ line, offered: complete(line) }).toEqual({ line, offered: [] });
    }
    for (const line of ["seqlog cat ", "seqlog export x -o ", "seqlog cat x --from ", "seqlog nonsense "]) {
      expect({ line, offered: complete(line) }).toEqual({ line, offered: [] });
    }
  });
});

/** The words of a script as the shell would cut them; throws where a quote or bracket is not closed. */
function shellWords(script: string, escapeInSingleQuotes: boolean): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < script.length; at++) {
    const character = script[at] as string;
    if (character === "#" && word === undefined) {
      const end = script.indexOf("\n", at);
      at = end < 0 ? script.length : end;
    } else if (character === "'") {
      word ??= "";
      for (at++; script[at] !== "'"; at++) {
        if (escapeInSingleQuotes && script[at] === "\\") at++;
        if (at >= script.length) throw new Error(`a quote is not closed: ${word}`);
        word += script[at];
      }
    } else if (character === "\\") {
      at++;
      if (script[at] !== "\n") word = (word ?? "") + script[at];
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  return word === undefined ? words : [...words, word];
}

/** The shell reads the script without running it, where there is such a shell. */
function checkSyntax(shell: string, script: string): void {
  const file = join(temporaryDirectory(), "script");
  writeFileSync(file, script);
  const { error, status, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return;
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

test("zsh gets every command, option and value", () => {
  const script = scripts["zsh"] ?? "";
  checkSyntax("zsh", script);
  expect(script.split("\n")[0]).toBe("#compdef seqlog");
  const words = shellWords(script, false);
  for (const { name, summary, options, words: given, takesFiles } of commands) {
    expect(words).toContain(`${name}:${summary}`);
    const start = words.indexOf(`${name})`);
    const specs = words.slice(start, words.indexOf(";;", start));
    expect(specs.includes("*:file:_files")).toBe(takesFiles);
    expect(specs.filter((spec) => spec.startsWith("1:"))).toEqual(
      given.length > 0 ? [`1:word:(${given.join(" ")})`] : [],
    );
    for (const { names, description, value } of options) {
      const [first = ""] = names;
      const escaped = description.replaceAll(/[[\]\\:]/g, "\\$&");
      const spec = specs.find(
        (word) =>
          word.includes(`${first}${value.kind === "none" ? "" : first.startsWith("--") ? "=" : "+"}`) &&
          word.includes(`[${escaped}]`),
      );
      expect({ name, first, spec }).toEqual({ name, first, spec: expect.any(String) as unknown });
      if (value.kind === "words") expect(spec).toContain(`(${value.words.join(" ")})`);
      if (value.kind === "file") expect(spec).toMatch(/:_files$/);
    }
  }
});

test("fish gets every command, option and value", () => {
  const script = scripts["fish"] ?? "";
  checkSyntax("fish", script);
  const lines = script.split("\n").map((line) => shellWords(line, true));
  for (const line of lines.filter(([word]) => word !== undefined))
    expect(line.slice(0, 3)).toEqual(["complete", "-c", "seqlog"]);
  for (const { name, summary, options, words, takesFiles } of commands) {
    if (words.length > 0) {
      const first = `__fish_seen_subcommand_from ${name}; and test (count (commandline -opc)) -eq 2`;
      expect(lines).toContainEqual(["complete", "-c", "seqlog", "-n", first, "-a", words.join(" ")]);
    }
    expect(lines).toContainEqual([
      "complete",
      "-c",
      "seqlog",
      "-n",
      "__fish_use_subcommand",
      "-a",
      name,
      "-d",
      summary,
    ]);
    const own = lines
      .filter((line) => line.includes(`__fish_seen_subcommand_from ${name}`))
      .map((line) => line.slice(5));
    expect(own.some((line) => line[0] === "-F")).toBe(takesFiles);
    for (const { names, description, value } of options) {
      const flags = names.flatMap((option) =>
        option.startsWith("--") ? ["-l", option.slice(2)] : ["-s", option.slice(1)],
      );
      const takes =
        value.kind === "words"
          ? ["-x", "-a", value.words.join(" ")]
          : { none: [], file: ["-r", "-F"], free: ["-x"] }[value.kind];
      expect(own).toContainEqual([...flags, ...takes, "-d", description]);
    }
  }
});

test("another shell is refused with those that there are", async () => {
  const { code, stderr } = await runInProcess(["completion", "tcsh"]);
  expect(code).toBe(2);
  expect(stderr).toContain("bash, zsh, fish");
  expect((await runInProcess(["completion"])).code).toBe(2);
});

describe("help", () => {
  test("without arguments shows the ten commands people need, each with an example that it understands", async () => {
    const { code, text, stderr } = await runInProcess(["help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const shown = commandTable.filter(({ example }) => example !== undefined);
    expect(shown.map(({ name }) => name)).toEqual([
      "append",
      "cat",
      "tail",
      "get",
      "stats",
      "consumers",
      "serve",
      "export",
      "trim",
      "verify",
    ]);
    for (const { name, summary, example = "" } of shown) {
      expect(text).toContain(`\n  ${name.padEnd(10)} ${summary}\n               ${example}\n`);
      const found = /seqlog (\w+) (.*?)(?: &&.*)?$/.exec(example);
      expect(found?.[1]).toBe(name);
      const options = (found?.[2] ?? "").split(" ").filter((word) => word.startsWith("-"));
      const known = commands.find((command) => command.name === name)?.options.flatMap(({ names }) => names);
      for (const option of options) expect(known).toContain(option);
    }
    expect(text.split("\n").every((line) => line.length <= 100)).toBe(true);
    const bare = await seqlog([]);
    expect(bare).toMatchObject({ code: 2, text: "", stderr: text });
  });

  test("--all and --help list every command", async () => {
    const all = await runInProcess(["help", "--all"]);
    expect(all).toEqual(await runInProcess(["--help"]));
    for (const { name, summary } of commandTable)
      expect(all.text).toMatch(new RegExp(`^  ${name} .*${summary.slice(0, 12)}`, "m"));
  });

  test("of one command is its own", async () => {
    for (const words of [["trim"], ["demo"], ["demo", "crash"], ["consumers", "seek"], ["help"]]) {
      expect(await runInProcess(["help", ...words])).toEqual(await runInProcess([...words, "--help"]));
    }
    expect(await runInProcess(["help", "nonsense"])).toMatchObject({ code: 2, text: "" });
    const inner = await runInProcess(["help", "cat", "dog"]);
    expect(inner).toEqual({ code: 2, text: "", stderr: 'seqlog: cat has no command "dog" below it\n' });
  });
});
