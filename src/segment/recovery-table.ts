/**
 * What to do with the last segment of a log at open: evidence in, action out. Pure; the tests go
 * through every row. DESIGN.md, "Recovery", has the same table over the whole directory.
 *
 *   M  the mark: where the record of the last firm index entry ends; what was once durable
 *   E  where the chain of valid records after M ends
 *   Z  where the last byte that is not zero ends (E when there is none past E)
 *   W  the window: the largest span that was ever written past what was durable
 *
 * | row                     | evidence                                         | action |
 * |-------------------------|--------------------------------------------------|--------|
 * | foreign                 | single file: no beginning of a record at 0       | damage |
 * | closed-mismatch         | closed, but the chain is not what close() wrote  | damage |
 * | mark-gone               | the mark's record is cut off or invalid          | damage |
 * | chain-short-of-mark     | walked from the start, the chain ends before M   | damage |
 * | beyond-window           | Z > E + W                                        | damage |
 * | torn                    | E < Z ≤ E + W                                    | set [E, Z) aside, cut at E, redo M..E |
 * | whole                   | Z = E                                            | cut zeros at E, redo M..E |
 *
 * In the last two the record index is rebuilt first where an entry before M is not self-valid.
 */
import { describeProblem } from "../format/record.ts";

/** What `inspect` found. Positions are offsets in the segment. */
export interface Evidence {
  /** The size of the file. */
  readonly size: number;
  /** The mark: seq after its record and M. `undefined`: no firm entry. */
  readonly mark: { readonly nextSeq: number; readonly end: number } | undefined;
  /** Why the mark's record does not stand where its entry says; a sentence. */
  readonly markProblem: string | undefined;
  /** Whether every entry before the mark is self-valid. */
  readonly indexWhole: boolean;
  /** The record boundary from which records may not be durable: M, or E − W where there is no mark. */
  readonly redoFrom: { readonly seq: number; readonly offset: number };
  /** The chain: seq after its last record, E, and what stopped it (a code of `problem`, 0 at the end of the file). */
  readonly chain: { readonly nextSeq: number; readonly end: number; readonly problem: number };
  /** Z. */
  readonly nonZeroEnd: number;
  /** W; Infinity when the log was ever written without waiting for the disk. */
  readonly window: number;
  /** What close() wrote down, when the log was closed. */
  readonly closed: { readonly nextSeq: number; readonly bytes: number } | undefined;
  /** Whether the file does not begin as any log does, not even a torn one: it is somebody's other file. */
  readonly isForeign: boolean;
}

/** What to do with a segment that is not damaged. */
export interface Mend {
  readonly row: "torn" | "whole";
  readonly damage?: undefined;
  /** Whether an entry of a record before `redoFrom` is not self-valid. */
  readonly rebuildIndex: boolean;
  /** The bytes to set aside, or undefined. */
  readonly setAside: { readonly start: number; readonly end: number } | undefined;
  /** The records to make durable again start here; those before are. */
  readonly redoFrom: { readonly seq: number; readonly offset: number };
  /** The segment ends here. */
  readonly end: number;
  readonly nextSeq: number;
}

/** The row that matched and what it asks for. */
export type Action =
  | { readonly row: string; readonly damage: { readonly offset: number; readonly reason: string } }
  | Mend;

/** The table. */
export function decide(evidence: Evidence): Action {
  const { chain, mark, closed } = evidence;
  if (evidence.isForeign) {
    return {
      row: "foreign",
      damage: { offset: 0, reason: "it does not begin with a record, nor with the beginning of one: not a log" },
    };
  }
  if (evidence.markProblem !== undefined && mark !== undefined) {
    // Under a closed log the walk has the better answer: where the first invalid byte is.
    if (closed === undefined) return { row: "mark-gone", damage: { offset: mark.end, reason: evidence.markProblem } };
  }
  if (
    closed !== undefined &&
    (chain.end !== closed.bytes || chain.nextSeq !== closed.nextSeq || evidence.size !== closed.bytes)
  ) {
    const found = `close() left ${closed.bytes} bytes and next seq ${closed.nextSeq}, found ${evidence.size} bytes, valid up to ${chain.end}, next seq ${chain.nextSeq}`;
    const reason = chain.problem === 0 ? found : `${describeProblem(chain.problem)} (${found})`;
    return { row: "closed-mismatch", damage: { offset: chain.end, reason } };
  }
  if (mark !== undefined && closed === undefined && chain.end < mark.end) {
    const reason = `${describeProblem(chain.problem)}, before offset ${mark.end} up to which the record index proves records`;
    return { row: "chain-short-of-mark", damage: { offset: chain.end, reason } };
  }
  if (evidence.nonZeroEnd > chain.end + evidence.window) {
    const reason = `${describeProblem(chain.problem)}, and what follows reaches to ${evidence.nonZeroEnd}: further than any interrupted write of this log (${evidence.window} bytes)`;
    return { row: "beyond-window", damage: { offset: chain.end, reason } };
  }
  const torn = evidence.nonZeroEnd > chain.end;
  return {
    row: torn ? "torn" : "whole",
    rebuildIndex: !evidence.indexWhole,
    setAside: torn ? { start: chain.end, end: evidence.nonZeroEnd } : undefined,
    redoFrom: evidence.redoFrom,
    end: chain.end,
    nextSeq: chain.nextSeq,
  };
}
