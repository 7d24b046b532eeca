/** Each exit code, and the one line on standard error that goes with it. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runInProcess } from "./run-in-process.ts";
import { newLogPath, seqlog, SeqlogProcess, temporaryDirectory } from "./seqlog-process.ts";

describe("usage is 2", () => {
  const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [["nonsense"], /unknown command 'nonsense'/],
    [["apend", "x"], /unknown command 'apend' \(Did you mean append\?\)/],
    [["cat"], /missing required argument 'LOG'/],
    [["cat", "a", "b"], /too many arguments/],
    [["cat", "x", "--nope"], /unknown option '--nope'/],
    [["cat", ""], /LOG is empty/],
    [["cat", "https://example.com/log"], /is a URL/],
    [["cat", "x", "--from", "tomorrow"], /must be a seq/],
    [["cat", "x", "--since", "5"], /must be a time/],
    [["cat", "x", "--limit", "many"], /whole number/],
    [["cat", "x", "-o", "middle"], /must be beginning, end/],
    [["cat", "x", "--from", "1", "-o", "2"], /--from and -o say the same/],
    [["cat", "x", "--to", "1", "--until", "1h"], /--to and --until say the same/],
    [["cat", "x", "--format", "yaml"], /raw, json, hex, binary or a pattern/],
    [["cat", "x", "--format", "%y"], /It has %y/],
    [["cat", "x", "--where", "=1"], /is not a path/],
    [["tail", "x", "-f", "--reverse"], /--reverse cannot follow/],
    [["tail", "x", "-n", "5", "--from", "1"], /-n counts from the end/],
    [["tail", "x", "-n", "-5"], /whole number/],
    [["get", "x", "first"], /must be a seq \(42\) or id:UUID/],
    [["append", "x", "--ndjson", "--binary"], /cannot be used with/],
    [["demo", "crash", "--rounds", "0"], /must be 1 or more/],
    [["cat", "x", "--format", "binary", "--limit", "-1"], /whole number/],
    [["cat", "x", "--\x1b[31m"], /unknown option '--\\x1b\[31m'/],
  ];

  test.each(cases)("%j", async (args, message) => {
    const { code, text, stderr } = await runInProcess(args);
    expect({ code, text }).toEqual({ code: 2, text: "" });
    expect(stderr).toMatch(/^seqlog: [^\n]*\n$/);
    expect(stderr).toMatch(message);
  });

  test("with --json it is told as an object", async () => {
    const { code, stderr } = await seqlog(["cat", "x", "--json", "--nope"]);
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toEqual({ error: { code: "USAGE", message: "unknown option '--nope'", facts: {} } });
    const both = await seqlog(["cat", "x", "--json", "--format", "raw"]);
    expect(both.code).toBe(2);
    expect(JSON.parse(both.stderr)).toMatchObject({
      error: { message: "--json is --format json: give one of the two" },
    });
  });

  test("without a command the help is printed as the error", async () => {
    const { code, text, stderr } = await seqlog([]);
    expect({ code, text }).toEqual({ code: 2, text: "" });
    expect(stderr).toMatch(/^Usage: seqlog/);
  });
});

describe("no log is 4, and reading makes none", () => {
  test.each(["cat", "tail", "stats", "verify", "repair", "rebuild-index", "reset"])("%s", async (command) => {
    for (const name of ["log", "events.log"]) {
      const log = newLogPath(name);
      const { code, stderr } = await seqlog([command, log]);
      expect({ command, code }).toEqual({ command, code: 4 });
      expect(stderr).toMatch(/^seqlog: [^\n]*\n$/);
      expect(stderr).toContain(log);
      expect(existsSync(log)).toBe(false);
    }
  });

  test("get", async () => {
    const log = newLogPath();
    expect((await seqlog(["get", log, "0"])).code).toBe(4);
    expect(existsSync(log)).toBe(false);
  });
});

test("what is not a log is told apart from one that is damaged", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "empty"));
  const { code, stderr } = await seqlog(["cat", join(directory, "empty")]);
  expect(code).toBe(4);
  expect(stderr).toMatch(/^seqlog: /);
});

test("a file in the way of a directory is 4", async () => {
  const file = join(temporaryDirectory(), "file");
  writeFileSync(file, "");
  expect((await seqlog(["append", join(file, "log")], "x\n")).code).toBe(4);
});

test("a link to a directory log is followed", async () => {
  const log = newLogPath();
  await seqlog(["append", log], "x\n");
  const link = join(temporaryDirectory(), "link");
  symlinkSync(log, link);
  expect((await seqlog(["cat", link])).text).toBe("x\n");
});

describe("a second writer is 3", () => {
  test("and is told who holds the log and what still works", async () => {
    const log = newLogPath();
    await seqlog(["append", log], "first\n");
    const holder = new SeqlogProcess(["append", log]);
    holder.write("x\n");
    const reader = new SeqlogProcess(["tail", "-f", "-o", "1", "-c", "1", log]);
    await reader.finished;
    const { code, text, stderr } = await seqlog(["append", log], "y\n");
    expect({ code, text }).toEqual({ code: 3, text: "" });
    expect(stderr).toMatch(
      new RegExp(`^seqlog: .*process ${holder.child.pid} on .+, since \\d{4}-.*is writing this log[^\\n]*\\n$`),
    );
    expect(stderr).toContain("let one process own the log");
    const asJson = await seqlog(["append", log, "--json"], "y\n");
    expect(JSON.parse(asJson.stderr)).toMatchObject({
      error: { code: "SEQLOG_LOCKED", facts: { pid: holder.child.pid } },
    });
    for (const command of [["repair"], ["rebuild-index"], ["reset", "--yes"], ["trim", "--before", "1"]]) {
      expect({ command, code: (await seqlog([...command, log])).code }).toEqual({ command, code: 3 });
    }
    for (const command of [["cat"], ["tail"], ["stats"], ["verify"], ["export"], ["consumers", "list"]]) {
      expect({ command, code: (await seqlog([...command, log])).code }).toEqual({ command, code: 0 });
    }
    holder.end();
    expect((await holder.finished).code).toBe(0);
  });
});

test("help and version are 0, and every command has examples", async () => {
  const { code, text } = await seqlog(["--help"]);
  expect(code).toBe(0);
  const commands = [
    "append",
    "cat",
    "tail",
    "get",
    "stats",
    "consumers",
    "export",
    "import",
    "trim",
    "verify",
    "repair",
    "rebuild-index",
    "reset",
    "bench",
    "completion",
    "help",
    "demo",
  ];
  for (const command of commands) expect(text).toMatch(new RegExp(`^  ${command} `, "m"));
  const below = ["list", "show", "seek", "reset", "delete"].map((word) => ["consumers", word]);
  const helps = await Promise.all(
    [...commands.slice(0, -1).map((command) => [command]), ["demo", "crash"], ...below].map((words) =>
      runInProcess([...words, "--help"]),
    ),
  );
  for (const help of helps) {
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.text).toMatch(/\nExamples:\n {2}/);
  }
  const version = await seqlog(["--version"]);
  expect(version).toMatchObject({ code: 0, text: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as unknown });
  expect((await seqlog(["help", "cat"])).text).toBe((await seqlog(["cat", "--help"])).text);
});
