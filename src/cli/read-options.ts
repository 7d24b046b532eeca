/** What `cat` and `tail` have in common: which records, and how they are printed. */
import type { Command } from "commander";
import type { Position, ReadOptions } from "../index.ts";
import { type Projection, parseFields } from "./fields.ts";
import { parseCount, parsePosition, parseStart, parseTime } from "./position.ts";
import { formatHelp, type FormatName, parseFormat } from "./record-format.ts";
import { UsageError } from "./usage-error.ts";
import { addCondition, type Condition } from "./where.ts";

/** As commander hands them over. */
export interface ReadFlags {
  readonly from?: Position;
  readonly to?: Position;
  readonly since?: Date;
  readonly until?: Date;
  readonly o?: Position;
  readonly limit?: number;
  readonly e?: boolean;
  readonly reverse?: boolean;
  readonly where?: readonly Condition[];
  readonly fields?: Projection;
  readonly format?: FormatName;
  readonly json?: boolean;
}

/** What a position may be; for the help of every command that takes one. */
export const positionHelp = "a seq, id:UUID, a time (2026-05-01T10:00Z, or 10m for ten minutes ago), start or end";

/** Adds them to a command. */
export function addReadOptions(command: Command): Command {
  return command
    .option("--from <position>", `first record: ${positionHelp}`, parsePosition)
    .option("--to <position>", "end before this record; written as --from", parsePosition)
    .option("--since <time>", "records from this time on: a date, or 30s, 10m, 2h, 1d ago", parseTime)
    .option("--until <time>", "records before this time", parseTime)
    .option("-o <where>", "where to start, as in kcat: beginning, end, a seq, or -N for the last N", parseStart)
    .option("-c, --limit <count>", "end after this many records", parseCount)
    .option("-e", "end at the end of the log (cat always does)")
    .option("--reverse", "newest first")
    .option(
      "--where <condition>",
      "JSON records only: path=value, path!=value, path (is there), !path; may be repeated",
      addCondition,
    )
    .option("--fields <paths>", "show only these parts of JSON records: user.id,status", parseFields)
    .option("--format <format>", formatHelp, parseFormat)
    .option("--json", "same as --format json");
}

/** For the help of both. */
export const readOptionsHelp: string = `
A range contains its start and not its end. A time needs ids that hold one: directory logs have them, single
files as the seed writes them do not. --where looks into JSON: --where user.id=42 --where 'status!=200';
!= also takes the records that have no such field. raw is the record's bytes and a line feed; binary is what
\`seqlog append --binary\` reads; json is one object a line: {seq,offset,segment,id,time,data}.`;

/** Where to read, without what only one of the commands decides. */
export function readRange(flags: Pick<ReadFlags, RangeFlag>): Pick<ReadOptions, "from" | "to"> {
  const from = onlyOne(flags, startNames);
  const to = onlyOne(flags, ["to", "until"]);
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** The option that says where to start, as it was given. */
export function startOption(flags: Pick<ReadFlags, RangeFlag>): string | undefined {
  const name = startNames.find((given) => flags[given] !== undefined);
  return name === undefined ? undefined : asTyped(name);
}

const startNames = ["from", "since", "o"] as const;

function asTyped(name: RangeFlag): string {
  return name === "o" ? "-o" : `--${name}`;
}

type RangeFlag = "from" | "since" | "o" | "to" | "until";

function onlyOne(flags: Pick<ReadFlags, RangeFlag>, names: readonly RangeFlag[]): Position | undefined {
  const given = names.filter((name) => flags[name] !== undefined);
  if (given.length > 1) {
    const options = given.map(asTyped).join(" and ");
    throw new UsageError(`${options} say the same thing: give one of them`);
  }
  const [name] = given;
  return name === undefined ? undefined : flags[name];
}
