/** From whatever was thrown to one line on standard error and an exit code. */
import { CommanderError } from "commander";
import { SeqlogError } from "../errors.ts";
import { withoutLogins } from "../jetstream/jetstream-location.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-codes.ts";
import { isStreamLocation } from "./log-argument.ts";
import { adviceWhereNoLogIs } from "./no-log-here.ts";
import { printableJson, printableLine } from "./printable.ts";
import { UsageError } from "./usage-error.ts";

/** What is told about an error, in text and in JSON. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly exitCode: ExitCode;
}

/** Describes an error of any kind. */
export function reportError(error: unknown): ErrorReport {
  if (SeqlogError.is(error, "SEQLOG_LOCKED")) return lockedReport(error);
  if (error instanceof SeqlogError) {
    const { code, facts }: SeqlogError = error;
    return { code, message: messageOf(error), facts: { ...facts }, exitCode: exitCodeOf[code] };
  }
  if (error instanceof UsageError) {
    const { code, message, facts } = error;
    return { code, message, facts, exitCode: exitCodes.usage };
  }
  if (error instanceof CommanderError) {
    return { code: "USAGE", message: tidyCommanderMessage(error.message), facts: {}, exitCode: exitCodes.usage };
  }
  if (isSystemError(error)) {
    const { code, syscall, path } = error;
    return {
      code: "SEQLOG_IO",
      message: systemMessage(error),
      facts: { path, syscall, errno: code },
      exitCode: exitCodes.io,
    };
  }
  // The library refuses a value with these two: an argument of the command line got that far.
  if (error instanceof TypeError || error instanceof RangeError) {
    return { code: "USAGE", message: error.message, facts: {}, exitCode: exitCodes.usage };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "INTERNAL", message, facts: {}, exitCode: exitCodes.io };
}

/** The report as it is printed: `seqlog: message`, or an object for `--json`. */
export function formatReport(report: ErrorReport, json: boolean): string {
  if (!json) return `seqlog: ${printableLine(withoutLogins(report.message))}`;
  const { code, message, facts } = report;
  return printableJson(JSON.stringify({ error: { code, message, facts } }, shown));
}

/** What the library says, and what a person at a shell can do. */
function messageOf(error: SeqlogError): string {
  const { message } = error;
  if (SeqlogError.is(error, "SEQLOG_NOT_FOUND") && message.endsWith("there is no log here")) {
    return message + adviceWhereNoLogIs(error.facts.path);
  }
  if (SeqlogError.is(error, "SEQLOG_DAMAGED") && message.includes("`seqlog verify`")) {
    return `${message}; \`seqlog salvage\` copies every whole record to a new log`;
  }
  return message;
}

/** Node's own words for what goes wrong most. */
function systemMessage({ code, message, path }: NodeJS.ErrnoException): string {
  if (code === "ENOENT" && path !== undefined) return `${path}: there is no such file`;
  if (code === "EADDRINUSE") {
    const where = /(\S+)$/.exec(message)?.[1] ?? "this port";
    return `${where} is in use by another program, perhaps another \`seqlog serve\`. Choose a port with --port; 0 takes any that is free`;
  }
  return message;
}

/** The library's own words speak of its options; a person at a shell needs the commands. */
function lockedReport(error: SeqlogError<"SEQLOG_LOCKED">): ErrorReport {
  const { path, pid, host, since, consumer } = error.facts;
  // On servers it is another question: nobody holds a lock there that a killed process would lose.
  if (consumer !== undefined && isStreamLocation(path)) {
    return { code: error.code, message: error.message, facts: { ...error.facts }, exitCode: exitCodes.locked };
  }
  const holder = pid > 0 ? `process ${pid} on ${host}, since ${since.toISOString()},` : "another process";
  const message =
    consumer === undefined
      ? `${path.replace(/[/\\]LOCK$|\.lock$/, "")}: ${holder} is writing this log. ` +
        "Commands that only read it (cat, tail, get, export, stats, verify, consumers) work beside it; " +
        "to append from several processes, let one process own the log and send the records to it, as in examples/cluster"
      : `${path}: ${holder} has the consumer ${consumer} open. End that process first, or use another name; ` +
        "`seqlog consumers list` and show work beside it, and so does --dry-run";
  return { code: error.code, message, facts: { ...error.facts }, exitCode: exitCodes.locked };
}

function tidyCommanderMessage(message: string): string {
  return message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

function shown(_key: string, value: unknown): unknown {
  if (typeof value === "string") return withoutLogins(value);
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value;
}
