/**
 * Holds everything that seqlog says of a damaged log against what it must say. Every check throws
 * where a promise is broken; the figures tell how often each outcome was seen.
 */
import { SeqlogError } from "../../src/errors.ts";
import { verify } from "../../src/log/verify.ts";
import { type Sample, type SampleSegment, directory, single } from "./logs.ts";
import { type Files, MemoryMachine } from "./memory-machine.ts";
import { type OracleRecord, chainOf } from "./oracle.ts";
import {
  type Expected,
  type Outcome,
  type Way,
  type WriterOutcome,
  checkRecord,
  openReader,
  readOnly,
  writeDirectory,
  writeFile,
} from "./reading.ts";

/** How often each outcome was seen. */
export interface Figures {
  /** Damaged copies that were judged. */
  copies: number;
  /** Reported when the log was opened for reading, or by the read that came to it. */
  refusedToReader: number;
  reportedByRead: number;
  /** The same for a writer: it may open a log whose middle is damaged, and must leave it as it is. */
  refusedToWriter: number;
  reportedToWriter: number;
  reportedByVerify: number;
  /** Readers that were served all records, byte for byte. */
  identicalReads: number;
  /** Bytes past the mark that were set aside, in so many copies. */
  setAside: number;
}

function noFigures(): Figures {
  return {
    copies: 0,
    refusedToReader: 0,
    reportedByRead: 0,
    refusedToWriter: 0,
    reportedToWriter: 0,
    reportedByVerify: 0,
    identicalReads: 0,
    setAside: 0,
  };
}

/** What must be true of a copy. */
export interface Verdict {
  /** The damaged file. */
  readonly file: string;
  /**
   * - `log`: acknowledged record `seq` is damaged, and with `end` all up to that one;
   * - `tail`: only what was never acknowledged was touched;
   * - `index`: no read may change;
   * - `manifest`: the log cannot be opened.
   */
  readonly kind: "log" | "tail" | "index" | "manifest";
  readonly seq?: number;
  /** Exclusive. */
  readonly end?: number;
  /** Records that a reader beside a writer must serve at least; all acknowledged ones by default. */
  readonly atLeast?: number;
  /** Whether `verify` must report it; by default where it is damage. */
  readonly isSeenByVerify?: boolean;
}

/** Whom a copy is given to. */
export type Party = "reader" | "writer" | "verify";

/** Judges damaged copies of one log. */
export class Judge {
  readonly sample: Sample;
  readonly figures: Figures = noFigures();
  readonly #expected: readonly Expected[];

  constructor(sample: Sample) {
    this.sample = sample;
    this.#expected = sample.segments.flatMap(({ log, records }) => records.map((record) => placed(log, record)));
  }

  /** Judges what `parties` make of a copy. */
  async judge(files: Files, verdict: Verdict, parties: readonly Party[], way: Way): Promise<void> {
    this.figures.copies++;
    for (const party of parties) {
      if (party === "reader") await this.#judgeReader(files, verdict, way);
      else if (party === "writer") await this.#judgeWriter(files, verdict);
      else await this.#judgeVerify(files, verdict);
    }
  }

  async #judgeReader(files: Files, verdict: Verdict, way: Way): Promise<void> {
    const { sample, figures } = this;
    const machine = new MemoryMachine(files);
    const outcome = await readOnly(machine, sample.kind, way);
    checkUntouched(machine);
    const all = sample.isClosed ? this.#expected.length : sample.acknowledged;
    if (verdict.kind === "manifest" || verdict.kind === "log") {
      checkDamage(outcome.error, verdict.file, "reading");
      if (outcome.isRefused === true) {
        figures.refusedToReader++;
        return;
      }
      if (verdict.kind === "manifest") throw new Error("the log was opened for reading without its MANIFEST");
      figures.reportedByRead++;
      const seq = verdict.seq as number;
      const length = way === "reverse" ? all - (verdict.end ?? seq + 1) : seq;
      if (outcome.records.length !== length) {
        throw new Error(`${outcome.records.length} records were served (${way}), not ${length}`);
      }
      this.#checkServed(outcome, way, all);
      if (verdict.end === undefined && way === "read") await this.#checkNeighbours(files, seq, all);
      return;
    }
    if (outcome.error !== undefined) throw new Error("reading failed", { cause: outcome.error });
    const least = verdict.atLeast ?? all;
    if (outcome.records.length < least || outcome.records.length > all) {
      throw new Error(`${outcome.records.length} records were served, not ${least} to ${all}`);
    }
    this.#checkServed(outcome, way, outcome.records.length);
    if (outcome.records.length === all) figures.identicalReads++;
  }

  #checkServed({ records }: Outcome, way: Way, all: number): void {
    for (const [i, record] of records.entries()) {
      const seq = way === "reverse" ? all - 1 - i : i;
      checkRecord(record, seq, this.#expected[seq]);
    }
  }

  /** Damage hides no other record from who asks for it by number. */
  async #checkNeighbours(files: Files, damaged: number, all: number): Promise<void> {
    const log = await openReader(new MemoryMachine(files), this.sample.kind);
    for (const seq of [damaged - 1, damaged, damaged + 1, all - 1]) {
      if (seq < 0 || seq >= all) continue;
      let error: unknown;
      try {
        const record = await log.get(seq);
        if (record !== undefined) checkRecord(record, seq, this.#expected[seq]);
      } catch (thrown) {
        error = thrown;
      }
      if ((seq === damaged) !== SeqlogError.is(error, "SEQLOG_DAMAGED")) {
        throw new Error(`get(${seq}), where ${damaged} is damaged`, { cause: error });
      }
    }
    await log.close();
  }

  async #judgeWriter(files: Files, verdict: Verdict): Promise<void> {
    const { sample, figures } = this;
    const machine = new MemoryMachine(files);
    const outcome = await this.#write(machine);
    if (outcome.error !== undefined) {
      if (verdict.kind === "index" || verdict.kind === "tail") {
        throw new Error("opening for writing failed", { cause: outcome.error });
      }
      checkDamage(outcome.error, verdict.file, "opening for writing");
      checkUntouched(machine);
      figures.refusedToWriter++;
      return;
    }
    if (verdict.kind === "manifest") throw new Error("the log was opened for writing without its MANIFEST");
    let isSetAside = false;
    for (const { log } of sample.segments) isSetAside = checkConserved(files, machine, log) || isSetAside;
    if (isSetAside) figures.setAside++;
    if (verdict.kind === "log") this.#checkAroundDamage(outcome, verdict);
    else this.#checkWhole(files, outcome, verdict);
  }

  #write(machine: MemoryMachine): WriterOutcome | Promise<WriterOutcome> {
    return this.sample.kind === "directory" ? writeDirectory(machine) : writeFile(machine);
  }

  #checkAroundDamage({ bySeq }: WriterOutcome, { seq: first = 0, end = first + 1, file }: Verdict): void {
    // A writer that opens a log with damage in it knows by its record index what was there.
    if (bySeq.length < this.sample.acknowledged)
      throw new Error(`nextSeq is ${bySeq.length} after opening for writing`);
    for (const [seq, found] of bySeq.entries()) {
      if (seq >= first && seq < end)
        checkDamage(found instanceof SeqlogError ? found : undefined, file, `record ${seq}`);
      else if (found instanceof SeqlogError) throw new Error(`record ${seq} is not served`, { cause: found });
      else checkRecord(found, seq, this.#expected[seq]);
    }
    this.figures.reportedToWriter++;
  }

  /** Without damage the writer serves all that is valid, and of what was acknowledged everything. */
  #checkWhole(files: Files, { bySeq }: WriterOutcome, verdict: Verdict): void {
    const { sample } = this;
    const segment = sample.segments.at(-1) as SampleSegment;
    // Past the mark nothing but the bytes themselves can say what a record is.
    const bytes = verdict.kind === "tail" ? (files.get(segment.log) as Buffer) : undefined;
    const valid = bytes === undefined ? undefined : chainOf(bytes).records;
    const least = valid === undefined ? this.#expected.length : Math.max(sample.acknowledged, valid.length - 1);
    const most = valid === undefined ? this.#expected.length : segment.base + valid.length;
    if (bySeq.length < least || bySeq.length > most) {
      throw new Error(`nextSeq is ${bySeq.length} after opening for writing, not ${least} to ${most}`);
    }
    for (const [seq, found] of bySeq.entries()) {
      if (found instanceof SeqlogError) throw new Error(`record ${seq} is not served`, { cause: found });
      const isProven = valid === undefined || seq < sample.acknowledged;
      const record = valid?.[seq - segment.base];
      checkRecord(found, seq, isProven || record === undefined ? this.#expected[seq] : placed(segment.log, record));
    }
  }

  async #judgeVerify(files: Files, verdict: Verdict): Promise<void> {
    const { sample, figures } = this;
    const machine = new MemoryMachine(files);
    const report = await verify(sample.kind === "directory" ? directory : single.log, { machine });
    checkUntouched(machine);
    const isSeen = !report.ok;
    if (isSeen !== report.damage.length > 0) throw new Error("ok and the list of damage disagree");
    const mustSee = verdict.isSeenByVerify ?? verdict.kind !== "tail";
    if (verdict.kind === "tail" && report.damage.some(({ file }) => file === verdict.file)) {
      throw new Error("verify calls what was never acknowledged damage", { cause: report });
    }
    if (!mustSee) return;
    if (!report.damage.some(({ file }) => file === verdict.file)) {
      throw new Error(`verify does not report ${verdict.file}`, { cause: report });
    }
    figures.reportedByVerify++;
  }
}

function placed(segment: string, { offset, id, data }: OracleRecord): Expected {
  return { segment, offset, id, data };
}

function checkDamage(error: SeqlogError | undefined, file: string, what: string): void {
  if (SeqlogError.is(error, "SEQLOG_DAMAGED") && error.facts.file === file) return;
  throw new Error(`${what}: no damage of ${file} was reported`, { cause: error });
}

const locks: ReadonlySet<string> = new Set([`${directory}/LOCK`, single.lock]);

/** Nothing but the lock's text was changed; the draft of a record index that was begun beside it is gone. */
function checkUntouched(machine: MemoryMachine): void {
  for (const path of machine.touched) {
    const isGoneDraft = path.endsWith(".idx.tmp") && machine.bytesOf(path) === undefined;
    if (!locks.has(path) && !isGoneDraft) throw new Error(`${path} was changed`);
  }
}

/**
 * Every byte of a segment is where it was, or in a `.torn` file that names the place; zeros laid
 * ahead alone may go.
 * @returns whether anything was set aside
 */
export function checkConserved(before: Files, machine: MemoryMachine, log: string): boolean {
  if (!machine.touched.has(log)) return false;
  const old = Buffer.from(before.get(log) as Uint8Array);
  const now = machine.bytesOf(log);
  if (now === undefined) throw new Error(`${log} is gone`);
  const end = now.length;
  if (end > old.length || Buffer.compare(now, old.subarray(0, end)) !== 0) throw new Error(`${log} has other bytes`);
  let last = old.length;
  while (last > end && old[last - 1] === 0) last--;
  if (last === end) return false;
  const cut = old.subarray(end, last);
  const names = machine.paths.filter((path) => path.startsWith(`${log}.${end}`) && path.endsWith(".torn"));
  const isSaved = names.some((path) => Buffer.compare(machine.bytesOf(path) as Buffer, cut) === 0);
  if (!isSaved) throw new Error(`${log}: the bytes from ${end} to ${last} are gone`);
  return true;
}
