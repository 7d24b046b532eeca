/** Places in a log, and times, as they are written on a command line. */
import { InvalidArgumentError } from "commander";
import type { Position } from "../index.ts";
import { asSeq } from "../numbers.ts";
import { nodeMachine } from "../storage/node-machine.ts";

/** A day alone, or a day and a time with or without a zone (RFC 3339; without one: this machine's). */
const datePattern = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/i;
const agoPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/;
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** `--from` and `--to`: a seq, `id:UUID`, `start`, `end`, or a time. */
export function parsePosition(text: string): Position {
  if (text === "start" || text === "end") return text;
  const known = parseSeq(text) ?? parseId(text) ?? readTime(text);
  if (known === undefined) {
    throw new InvalidArgumentError(
      "It must be a seq (42), a time (2026-05-01, 2026-05-01T10:00:00Z, or 10m for ten minutes ago), id:UUID, start or end.",
    );
  }
  return known;
}

/** `--since` and `--until`: a date, or how long ago. */
export function parseTime(text: string): Date {
  const time = readTime(text);
  if (time === undefined) {
    throw new InvalidArgumentError(
      "It must be a time: 2026-05-01, 2026-05-01T10:00:00Z, or how long ago: 30s, 10m, 2h, 1d, 1w.",
    );
  }
  return time;
}

/** `-o`, as kcat has it: `beginning`, `end`, a seq, or `-N` for the last N. */
export function parseStart(text: string): Position {
  if (text === "beginning") return "start";
  if (text.startsWith("-")) {
    const last = parseSeq(text.slice(1));
    if (last !== undefined) return { last };
  }
  const start = text === "end" ? "end" : parseSeq(text);
  if (start === undefined)
    throw new InvalidArgumentError("It must be beginning, end, a seq (42) or -N for the last N.");
  return start;
}

/** `get`: a seq or `id:UUID`. */
export function parseSeqOrId(text: string): number | { readonly id: string } {
  const known = parseSeq(text) ?? parseId(text);
  if (known === undefined) {
    throw new InvalidArgumentError("It must be a seq (42) or id:UUID (id:01890a5d-ac96-774b-bcce-b302099a8057).");
  }
  return known;
}

/** A number of records. */
export function parseCount(text: string): number {
  const count = parseSeq(text);
  if (count === undefined) throw new InvalidArgumentError("It must be a whole number from 0 on.");
  return count;
}

function parseSeq(text: string): ReturnType<typeof asSeq> | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? asSeq(value) : undefined;
}

function parseId(text: string): { readonly id: string } | undefined {
  const id = text.startsWith("id:") ? text.slice(3) : "";
  return uuidPattern.test(id) ? { id: id.toLowerCase() } : undefined;
}

function readTime(text: string): Date | undefined {
  const ago = agoPattern.exec(text);
  if (ago !== null) {
    const [, amount, unit] = ago;
    const time = nodeMachine.clock.now() - Number(amount) * unitMs[unit as keyof typeof unitMs];
    return new Date(Math.max(0, Math.floor(time)));
  }
  if (!datePattern.test(text)) return undefined;
  const time = new Date(text.replace(" ", "T").toUpperCase());
  return Number.isNaN(time.getTime()) ? undefined : time;
}
