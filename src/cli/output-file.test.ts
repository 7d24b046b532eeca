import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { OutputFile } from "./output-file.ts";

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "seqlog-output-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test("a file has its name when all of it is written, and not before", async () => {
  const directory = temporaryDirectory();
  const file = OutputFile.create(join(directory, "out"), false);
  file.output.put("a".repeat(100_000));
  await file.output.flush();
  expect(readdirSync(directory)).toEqual([expect.stringMatching(/^\.out\.[0-9a-f]{12}\.tmp$/) as unknown]);
  file.output.put("b");
  await file.commit();
  expect(readdirSync(directory)).toEqual(["out"]);
  expect(readFileSync(join(directory, "out"), "utf8")).toBe(`${"a".repeat(100_000)}b`);
});

test("discarding leaves what was there before", async () => {
  const directory = temporaryDirectory();
  const at = join(directory, "out");
  writeFileSync(at, "before");
  const file = OutputFile.create(at, true);
  file.output.put("after");
  await file.output.flush();
  await file.discard();
  expect(readdirSync(directory)).toEqual(["out"]);
  expect(readFileSync(at, "utf8")).toBe("before");
});

test("an aborted one tells whoever writes, also in the middle of a write", async () => {
  const directory = temporaryDirectory();
  const file = OutputFile.create(join(directory, "out"), false);
  file.output.put(new Uint8Array(8 * 1024 * 1024));
  const flushed = file.output.flush();
  file.abort(new Error("stop"));
  await expect(flushed).rejects.toThrow("stop");
  expect(file.output.signal.aborted).toBe(true);
  await file.discard();
  expect(readdirSync(directory)).toEqual([]);
});

test("what is there is not overwritten: files only when that was asked for, other things never", async () => {
  const directory = temporaryDirectory();
  const file = join(directory, "file");
  writeFileSync(file, "x");
  mkdirSync(join(directory, "directory"));
  symlinkSync(file, join(directory, "link"));
  expect(() => OutputFile.create(file, false)).toThrow("is there already; --force replaces it");
  expect(() => OutputFile.create(join(directory, "directory"), true)).toThrow("is a directory");
  expect(() => OutputFile.create(join(directory, "link"), true)).toThrow("is not a regular file");
  expect(readdirSync(directory).toSorted()).toEqual(["directory", "file", "link"]);
  const late = OutputFile.create(join(directory, "late"), false);
  writeFileSync(join(directory, "late"), "somebody else's");
  await expect(late.commit()).rejects.toThrow("is there already");
  await late.discard();
  expect(readFileSync(join(directory, "late"), "utf8")).toBe("somebody else's");
});
