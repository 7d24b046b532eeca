import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { newPath, scratchDirectory } from "../../test/crash/scratch-directory.ts";
import { namesIn } from "../../test/errors/directory-bytes.ts";
import { openLog } from "../open.ts";
import { FileLog } from "./file-log.ts";

test("a path is made absolute, and directories above it are made", async () => {
  const path = join(scratchDirectory(), "a", "b", "log");
  const log = await openLog(relative(process.cwd(), path));
  expect(log.location).toBe(path);
  await log.append("x");
  await log.close();
});

test("a file: URL object is a path; as text it is a TypeError like every other scheme", async () => {
  const path = newPath("with space");
  const log = await openLog(pathToFileURL(path));
  expect(log.location).toBe(path);
  await log.close();
  await expect(async () => openLog(String(pathToFileURL(path)))).rejects.toBeInstanceOf(TypeError);
});

test.each(["http://localhost/events", "s3://bucket/events", "FILE:///events", "my.scheme+x://events"])(
  "%s is a TypeError that names the scheme",
  async (location) => {
    const scheme = location.slice(0, location.indexOf("://") + 3);
    await expect(async () => openLog(location)).rejects.toThrow(TypeError);
    await expect(async () => openLog(location)).rejects.toThrow(scheme);
  },
);

test.each([
  ["an empty string", ""],
  ["a NUL character", "a\0b"],
  ["a number", 7],
  ["undefined", undefined],
  ["a URL of another scheme", new URL("http://localhost/events")],
])("%s is a TypeError", async (_name, location) => {
  await expect(async () => openLog(location as string)).rejects.toBeInstanceOf(TypeError);
  expect(() => FileLog.openSync(location as string)).toThrow(TypeError);
});

test("what looks like a scheme only at second sight is a path", async () => {
  const directory = scratchDirectory();
  for (const name of ["C:", "nats:", "a:b", "http:"]) {
    const log = await openLog(join(directory, name, "log"));
    expect(log.location).toBe(join(directory, name, "log"));
    await log.close();
  }
});

test("nothing is made where readOnly or create: false finds no log", async () => {
  const path = newPath();
  const notFound = { code: "SEQLOG_NOT_FOUND", facts: { path } };
  await expect(openLog(path, { readOnly: true })).rejects.toMatchObject(notFound);
  await expect(openLog(path, { create: false })).rejects.toMatchObject(notFound);
  expect(() => FileLog.openSync(path, { create: false })).toThrow(expect.objectContaining(notFound));
  expect(existsSync(path)).toBe(false);
  mkdirSync(path);
  await expect(openLog(path, { readOnly: true })).rejects.toMatchObject(notFound);
  expect(namesIn(path)).toEqual([]);
  await expect(openLog(path, { create: false })).rejects.toMatchObject(notFound);
  expect(namesIn(path)).toEqual([]);
});

test("a directory that is no log is left without a LOCK by create: false", async () => {
  const directory = scratchDirectory();
  await expect(openLog(directory, { create: false })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
  expect(existsSync(join(directory, "LOCK"))).toBe(false);
});

test("a file in place of the directory is an error that names it", async () => {
  const path = newPath();
  writeFileSync(path, "data");
  await expect(openLog(path)).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { path } });
  await expect(openLog(join(path, "log"))).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { errno: "ENOTDIR" } });
  await expect(openLog(path, { readOnly: true })).rejects.toHaveProperty("name", "SeqlogError");
});

test("a link to the directory is followed: it is the user's", async () => {
  const directory = scratchDirectory();
  const link = join(directory, "link");
  symlinkSync(join(directory, "real"), link);
  mkdirSync(join(directory, "real"));
  const log = await openLog(link);
  await log.append("x");
  await log.close();
  expect(namesIn(join(directory, "real"))).toContain("MANIFEST");
  const reader = await openLog(link, { readOnly: true });
  expect(reader.nextSeq).toBe(1);
  await reader.close();
});

test("openSync opens as open does, but neither reads only nor waits", async () => {
  const log = FileLog.openSync(newPath());
  log.appendSync("x");
  log.closeSync();
  expect(() => FileLog.openSync(log.location, { readOnly: true })).toThrow(TypeError);
  expect(() => FileLog.openSync(log.location, { lockTimeoutMs: 1 })).toThrow(TypeError);
  const again = FileLog.openSync(log.location);
  expect(again.recovery).toEqual({ records: 1, tornBytes: 0, redone: 0, indexRebuilt: false });
  again.closeSync();
});
