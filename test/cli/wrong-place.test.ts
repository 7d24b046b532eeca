/** A name that is not that of a log costs nothing, and the error says what is there and what to do. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newPath, scratchDirectory } from "../crash/scratch-directory.ts";
import { bytesOf } from "../errors/directory-bytes.ts";
import { runInProcess } from "./run-in-process.ts";

async function refused(args: readonly string[], input = "x\n"): Promise<{ code: number | undefined; message: string }> {
  const { code, text, stderr } = await runInProcess([...args], { input });
  expect(text).toBe("");
  return { code, message: stderr };
}

test.each([
  ["notes.txt", "one\ntwo\n".repeat(100)],
  ["tiny", "hi\n"],
  ["empty.txt", ""],
  ["app.log", "2026-11-28 a line of another kind of log\n"],
])("%s is no log: it is left as it is, and nothing is made beside it", async (name, content) => {
  const directory = scratchDirectory();
  const file = join(directory, name);
  writeFileSync(file, content);
  const before = bytesOf(directory);
  const advice = name.endsWith(".log")
    ? "Name a directory, or another file"
    : "Name a directory, or a file that ends in .log";
  for (const command of ["append", "cat", "tail", "stats"]) {
    const { code, message } = await refused([command, file]);
    expect(code).toBe(2);
    expect(message).toContain(
      `seqlog: ${file} is a file, but not one of a log: it does not begin with a record. ${advice}`,
    );
  }
  expect(bytesOf(directory)).toEqual(before);
});

test("where nothing is, what makes a log is named, and the logs beside it", async () => {
  const directory = scratchDirectory();
  await runInProcess(["append", join(directory, "orders")], { input: "a\n" });
  const { code, message } = await refused(["cat", join(directory, "order")]);
  expect(code).toBe(4);
  expect(message).toBe(
    `seqlog: ${join(directory, "order")}: there is no log here, nor anything else; \`seqlog append\` makes one. Logs beside it: orders\n`,
  );
  expect((await refused(["stats", directory])).message).toBe(
    `seqlog: ${directory}: there is no log here, but logs in it: orders\n`,
  );
  expect(readdirSync(directory)).toEqual(["orders"]);
});

test("a directory that is empty, or holds other files", async () => {
  const directory = newPath();
  mkdirSync(directory);
  expect((await refused(["cat", directory])).message).toBe(
    `seqlog: ${directory}: there is no log here: the directory is empty; \`seqlog append\` makes one\n`,
  );
  for (const name of "gfedcba") writeFileSync(join(directory, name), "");
  expect((await refused(["cat", directory])).message).toBe(
    `seqlog: ${directory}: there is no log here: the directory holds other files (a, b, c, d, e and 2 more)\n`,
  );
});

test("files that are named as input or to be served", async () => {
  const directory = scratchDirectory();
  const file = join(directory, "a.ndjson");
  expect(await refused(["import", join(directory, "log"), file, "--format", "ndjson"])).toEqual({
    code: 4,
    message: `seqlog: ${file}: there is no such file\n`,
  });
  writeFileSync(file, "");
  expect(await refused(["serve", file])).toEqual({
    code: 2,
    message: `seqlog: ${file} is a file; name a directory with logs and streams in it\n`,
  });
});

test.each([
  ["--allow-origin", "*", "an origin that is allowed must be of scheme, host and port"],
  ["--allow-origin", "https://a.example/app", "an origin that is allowed must be of scheme, host and port"],
  ["--allow-host", "http://foo", "a host that the server is reached by must be a name or an address alone"],
])("serve %s %s could never match, and is refused at start", async (flag, value, words) => {
  const { code, message } = await refused(["serve", scratchDirectory(), "--port", "0", flag, value]);
  expect(code).toBe(2);
  expect(message).toContain(`seqlog: ${words}`);
  expect(message).toContain(`got ${JSON.stringify(value)}`);
});

test("a directory as the file of tokens", async () => {
  const directory = scratchDirectory();
  expect(await refused(["serve", directory, "--port", "0", "--token-file", directory])).toEqual({
    code: 2,
    message: `seqlog: ${directory} is a directory; --token-file takes a file\n`,
  });
});
