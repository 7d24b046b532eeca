import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { SeqlogError, seqlogErrorCodes } from "../errors.ts";
import { asOffset } from "../numbers.ts";
import { formatReport, reportError } from "./error-report.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { UsageError } from "./usage-error.ts";

test("every code of the library has an exit code", () => {
  expect(Object.keys(exitCodeOf).toSorted()).toEqual([...seqlogErrorCodes].toSorted());
});

test("a lock names its holder, what still works, and the way out", () => {
  const since = new Date("2026-05-01T10:00:00Z");
  const report = reportError(new SeqlogError("SEQLOG_LOCKED", "…", { path: "a/LOCK", pid: 12, host: "h", since }));
  expect(report.exitCode).toBe(3);
  expect(report.message).toContain("process 12 on h, since 2026-05-01T10:00:00.000Z");
  expect(report.message).toContain("cat, tail, get, export, stats, verify");
  expect(JSON.parse(formatReport(report, true))).toMatchObject({
    error: { code: "SEQLOG_LOCKED", facts: { pid: 12 } },
  });
});

test("a message is one line without control characters, whatever a file is called", () => {
  const file = "a\x1b[2J\n\u202e.log";
  const facts = { file, offset: asOffset(32), reason: "r" };
  const report = reportError(new SeqlogError("SEQLOG_DAMAGED", `${file}: damaged`, facts));
  expect(formatReport(report, false)).toBe(String.raw`seqlog: a\x1b[2J\n\u{202e}.log: damaged`);
  const json = formatReport(report, true);
  expect(json).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(json)).toEqual({ error: { code: "SEQLOG_DAMAGED", message: `${file}: damaged`, facts } });
});

test("each kind of error has its exit code", () => {
  const system = Object.assign(new Error("EACCES: permission denied, open 'x'"), { code: "EACCES", syscall: "open" });
  const kinds: readonly (readonly [error: unknown, code: string, exitCode: number])[] = [
    [new UsageError("no"), "USAGE", 2],
    [new UsageError("no", "NO_RECORD"), "NO_RECORD", 2],
    [new CommanderError(1, "commander.unknownOption", "error: unknown option '-x'\n(Did you mean -y?)"), "USAGE", 2],
    [new RangeError("too large"), "USAGE", 2],
    [system, "SEQLOG_IO", 4],
    [new Error("a bug"), "INTERNAL", 4],
    ["thrown text", "INTERNAL", 4],
  ];
  for (const [error, code, exitCode] of kinds) expect(reportError(error)).toMatchObject({ code, exitCode });
  expect(reportError(kinds[2]?.[0]).message).toBe("unknown option '-x' (Did you mean -y?)");
});
