import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { localPath } from "./local-path.ts";

test.each([
  "events",
  "./events",
  "../a/b.log",
  "/var/log/x",
  "C:\\logs\\events",
  "C:/logs",
  "a:b",
  "x://y",
  "file.txt",
])("%s is a path", (path) => {
  expect(localPath(path, "the log")).toBe(resolve(path));
});

test("a file: URL object is a path, with its escapes undone", () => {
  expect(localPath(pathToFileURL("/tmp/a b#c%.log"), "the log")).toBe("/tmp/a b#c%.log");
});

test.each([
  ["an empty string", ""],
  ["a NUL character", "a\0b"],
  ["a scheme", "nats://localhost/log"],
  ["an upper-case scheme", "HTTPS://localhost/log"],
  ["a file: URL as text", "file:///tmp/log"],
  ["another URL object", new URL("http://localhost/log")],
  ["nothing", undefined],
  ["null", null],
  ["a number", 5],
  ["a Buffer", Buffer.from("a")],
])("%s is a TypeError that names what it was for", (_, location) => {
  expect(() => localPath(location as string, "the log file")).toThrow(TypeError);
  expect(() => localPath(location as string, "the log file")).toThrow(/^the log file /);
});
