import { expect, test } from "vitest";
import { ioError, notRegular } from "./io-error.ts";
import { shortWriteError } from "./write-fully.ts";

const cause = new Error("from the system");

test.each(["ENOSPC", "EDQUOT", "EFBIG"])("%s is want of space", (errno) => {
  expect(ioError(errno, "write", "/a", cause)).toMatchObject({
    code: "SEQLOG_NO_SPACE",
    facts: { path: "/a", errno },
    cause,
    message: expect.stringContaining("Free space"),
  });
});

test.each([
  ["ELOOP", "a symbolic link"],
  ["EISDIR", "a directory"],
  [notRegular, "a FIFO, device or socket"],
])("%s is something else than a file", (errno, found) => {
  expect(ioError(errno, "open", "/a")).toMatchObject({
    code: "SEQLOG_DAMAGED",
    facts: { file: "/a", offset: 0, reason: `is ${found}, not a regular file` },
  });
});

test("ENOENT is nothing there", () => {
  expect(ioError("ENOENT", "open", "/a")).toMatchObject({ code: "SEQLOG_NOT_FOUND", facts: { path: "/a" } });
});

test.each([
  ["EIO", /kernel's log/],
  ["EACCES", /rights/],
  ["EPERM", /rights/],
  ["EROFS", /read-only/],
  ["EMFILE", /ulimit -n/],
  ["ENFILE", /ulimit -n/],
  ["ENOTDIR", /not a directory/],
  ["EXYZ", /failed with EXYZ$/],
])("%s is an I/O error that says what to do", (errno, hint) => {
  expect(ioError(errno, "fsync", "/a", cause)).toMatchObject({
    code: "SEQLOG_IO",
    facts: { path: "/a", syscall: "fsync", errno },
    cause,
    message: expect.stringMatching(hint),
  });
});

test("an error without a cause has none", () => {
  expect("cause" in ioError("EIO", "read", "/a")).toBe(false);
});

test("a short write is want of space, with its counts", () => {
  expect(shortWriteError("/a", 5, 9)).toMatchObject({
    code: "SEQLOG_NO_SPACE",
    message: expect.stringContaining("only 5 of 9 bytes"),
  });
});
