/**
 * What must be true of a log of any bytes at all, judged by the oracle alone:
 *
 * - everything ends, and nothing comes out but records and SeqlogErrors of the codes for it;
 * - no read is given more memory than a megabyte;
 * - each record served is valid in the bytes that were given, and stands where its seq belongs;
 * - reading and verifying change nothing, and neither does opening for writing that is refused;
 * - opening for writing loses no byte of a segment, and no record that the record index proves;
 * - opening for writing again gives the same and changes nothing, and `verify` agrees with it.
 */
import { basename, dirname } from "node:path";
import { SeqlogError } from "../../src/errors.ts";
import { verify } from "../../src/log/verify.ts";
import type { LogRecord } from "../../src/segment/log-record.ts";
import { checkConserved } from "./judge.ts";
import { directory, single } from "./logs.ts";
import { type Files, MemoryMachine } from "./memory-machine.ts";
import { holds, proofsOf, recordAt } from "./oracle.ts";
import { type Way, type WriterOutcome, checkRecord, readOnly, writeDirectory, writeFile } from "./reading.ts";

/** Records are read a megabyte at once; these logs are smaller than that. */
const largestBuffer = 1024 * 1024 + 64;

/** What may be said of bytes that are no log, or a damaged one. */
const codesOfDamage: ReadonlySet<string> = new Set(["SEQLOG_DAMAGED", "SEQLOG_NOT_FOUND", "SEQLOG_UNSUPPORTED"]);

/** How a run of anything ended, so that a test can tell that it saw both. */
export type Ending = "refused" | "damaged" | "whole";

/** The record index of a segment, the seed of its entries and its first seq. */
export interface Indexed {
  readonly log: string;
  readonly index: string;
  readonly seed: number;
  readonly base: number;
}

/** Checks all of it. @throws where something is not true */
export async function checkAnything(
  kind: "directory" | "file",
  files: Files,
  way: Way,
  indexed: Indexed | undefined,
): Promise<Ending> {
  await checkReader(kind, files, way);
  await checkVerify(kind, files);

  const machine = new MemoryMachine(files);
  const outcome = await write(kind, machine);
  checkBounded(machine);
  if (outcome.error !== undefined) {
    checkCode(outcome.error);
    checkSame(files, machine, []);
    return "refused";
  }
  for (const log of segmentsOf(files)) {
    // MANIFEST may say that a segment is no longer part of the log.
    if (machine.bytesOf(log) !== undefined) checkConserved(files, machine, log);
  }
  for (const [i, found] of outcome.bySeq.entries()) {
    if (found instanceof SeqlogError) checkCode(found);
    else checkValid(files, found, outcome.firstSeq + i);
  }
  if (indexed !== undefined) checkProven(files, indexed, outcome);
  return checkAgain(kind, machine.files, outcome);
}

function write(kind: "directory" | "file", machine: MemoryMachine): WriterOutcome | Promise<WriterOutcome> {
  return kind === "directory" ? writeDirectory(machine) : writeFile(machine);
}

async function checkReader(kind: "directory" | "file", files: Files, way: Way): Promise<void> {
  const machine = new MemoryMachine(files);
  const { records, error } = await readOnly(machine, kind, way);
  if (error !== undefined) checkCode(error);
  checkBounded(machine);
  checkSame(files, machine, []);
  const first = records[0]?.seq ?? 0;
  for (const [i, record] of records.entries()) checkValid(files, record, way === "reverse" ? first - i : first + i);
}

async function checkVerify(kind: "directory" | "file", files: Files): Promise<void> {
  const machine = new MemoryMachine(files);
  try {
    const report = await verify(kind === "directory" ? directory : single.log, { machine });
    if (report.ok !== (report.damage.length === 0)) throw new Error("ok and the list of damage disagree");
  } catch (error) {
    checkCode(error);
  }
  checkBounded(machine);
  checkSame(files, machine, []);
}

/** A log that was opened for writing is in order: the same comes out, and nothing is changed any more. */
async function checkAgain(kind: "directory" | "file", files: Files, before: WriterOutcome): Promise<Ending> {
  const damaged = before.bySeq.filter((found) => found instanceof SeqlogError);
  const machine = new MemoryMachine(files);
  const again = await write(kind, machine);
  if (again.error === undefined) {
    if (damaged.length === 0) checkSame(files, machine, [".idx", "MANIFEST"]);
    checkEqual(before, again);
  } else if (damaged.length === 0) {
    throw new Error("opened for writing once, and not again", { cause: again.error });
  } else {
    checkCode(again.error);
  }
  const report = await verify(kind === "directory" ? directory : single.log, { machine: new MemoryMachine(files) });
  const inSegments = report.damage.filter(({ file }) => file.endsWith(".log"));
  if (inSegments.length > 0 !== damaged.length > 0) {
    throw new Error(`verify finds ${inSegments.length} damaged places, the reader ${damaged.length} records`);
  }
  return damaged.length > 0 ? "damaged" : "whole";
}

function checkEqual(before: WriterOutcome, again: WriterOutcome): void {
  const show = (found: LogRecord | SeqlogError): string =>
    found instanceof SeqlogError ? found.code : `${found.seq} ${found.segment} ${found.offset} ${found.id}`;
  const one = JSON.stringify(before.bySeq.map(show));
  const other = JSON.stringify(again.bySeq.map(show));
  if (one !== other) throw new Error(`opened for writing once: ${one}, and again: ${other}`);
}

/** The record is one of those that the given bytes hold, at this place, and has this seq. */
function checkValid(files: Files, served: LogRecord, seq: number): void {
  const log = segmentsOf(files).find((path) => basename(path) === served.segment);
  const found = log === undefined ? undefined : recordAt(Buffer.from(files.get(log) as Uint8Array), served.offset);
  checkRecord(served, seq, log === undefined || found === undefined ? undefined : { segment: log, ...found });
}

function segmentsOf(files: Files): string[] {
  return [...files.keys()].filter((path) => path.endsWith(".log"));
}

/** What the last firm entry proves, where its record is there, is there still. */
function checkProven(files: Files, { log, index, seed, base }: Indexed, { bySeq, firstSeq }: WriterOutcome): void {
  const segment = Buffer.from(files.get(log) ?? []);
  const proof = proofsOf(Buffer.from(files.get(index) ?? []), seed, base).findLast((one) => holds(segment, one));
  if (proof === undefined || recordAt(segment, proof.offset) === undefined) return;
  if (firstSeq + bySeq.length <= proof.seq) throw new Error(`record ${proof.seq} was proven, and is gone`);
}

function checkCode(error: unknown): void {
  if (error instanceof SeqlogError && codesOfDamage.has(error.code)) return;
  throw error;
}

function checkBounded(machine: MemoryMachine): void {
  if (machine.largestBuffer > largestBuffer) throw new Error(`a read of ${machine.largestBuffer} bytes`);
}

/** All files are as they were; new ones are empty. The lock's text is nobody's business. */
function checkSame(before: Files, machine: MemoryMachine, but: readonly string[]): void {
  for (const path of machine.touched) {
    if (path.endsWith("LOCK") || path.endsWith(".lock") || but.some((end) => path.endsWith(end))) continue;
    const old = before.get(path) ?? new Uint8Array(0);
    const now = machine.bytesOf(path);
    if (now === undefined ? before.has(path) : Buffer.compare(now, old) !== 0) {
      throw new Error(`${basename(dirname(path))}/${basename(path)} was changed`);
    }
  }
}
