/** Every single bit and every length of the files of a log, and what must follow from each. */
import type { Judge, Party, Verdict } from "./judge.ts";
import { type SampleSegment, directory } from "./logs.ts";
import { type Way, forward, ways } from "./reading.ts";

/** `all`: every bit and every length, each judged by all. `dense` and `sparse` are fixed slices. */
export type Selection = "all" | "dense" | "sparse";

/** Headers are 32 bytes; record-index entries 16. */
const headerLength = 32;
const entryLength = 16;

/** Of the data: every so many bytes, with one bit of each. */
const dataSteps = { all: 1, dense: 7, sparse: 31 } as const;

/** Which record of a segment each byte belongs to, −1 past the last one; and whether it is of a header. */
function mapOf(segment: SampleSegment, length: number): { record: Int32Array; isHeader: Uint8Array } {
  const record = new Int32Array(length).fill(-1);
  const isHeader = new Uint8Array(length);
  for (const [i, { offset, data }] of segment.records.entries()) {
    record.fill(i, offset, offset + headerLength + data.length);
    isHeader.fill(1, offset, offset + headerLength);
  }
  return { record, isHeader };
}

/** A reader looks at every copy; the writer and `verify` at a quarter of them each. */
function partiesOf(turn: number): readonly Party[] {
  return turn % 4 === 1 ? ["reader", "writer"] : turn % 4 === 3 ? ["reader", "verify"] : ["reader"];
}

/** Backwards is the dearest way by far: damage is come to in ever smaller steps. */
function wayOf(turn: number): Way {
  return turn % 16 === 0 ? "reverse" : (forward[turn % forward.length] as Way);
}

async function judged(
  judge: Judge,
  what: string,
  bytes: Buffer,
  verdict: Verdict,
  parties: readonly Party[],
  way: Way,
): Promise<void> {
  const files = new Map(judge.sample.files).set(verdict.file, bytes);
  try {
    await judge.judge(files, verdict, parties, way);
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${JSON.stringify(error.cause)}` : "";
    throw new Error(`${judge.sample.name}, ${what} of ${verdict.file} (${way}): ${String(error)}${cause}`, {
      cause: error,
    });
  }
}

/** Flips bits of one file, each in a copy of its own. */
async function flip(
  judge: Judge,
  file: string,
  verdictOf: (offset: number) => Verdict,
  isWanted: (offset: number, bit: number) => boolean,
): Promise<void> {
  const bytes = Buffer.from(judge.sample.files.get(file) as Buffer);
  for (let offset = 0; offset < bytes.length; offset++) {
    for (let bit = 0; bit < 8; bit++) {
      if (!isWanted(offset, bit)) continue;
      // Mixed, so that no way or party falls together with the bits that a slice chooses.
      const turn = Math.imul(offset * 8 + bit, 0x9e3779b1) >>> 16;
      bytes[offset] = (bytes[offset] as number) ^ (1 << bit);
      await judged(judge, `bit ${bit} of byte ${offset}`, bytes, verdictOf(offset), partiesOf(turn), wayOf(turn));
      bytes[offset] = (bytes[offset] as number) ^ (1 << bit);
    }
  }
}

/** Of headers and record indexes: every bit, in a sparse slice two or three of every byte. */
function isSmallWanted(selection: Selection, offset: number, bit: number): boolean {
  return selection !== "sparse" || (offset + bit) % 3 === 0;
}

/** Flips bits of all segments: every one, or in a slice all of the headers and some of the data. */
export async function flipLogs(judge: Judge, selection: Selection): Promise<void> {
  const { segments, acknowledged, files } = judge.sample;
  const step = dataSteps[selection];
  for (const segment of segments) {
    const { record, isHeader } = mapOf(segment, (files.get(segment.log) as Buffer).length);
    await flip(
      judge,
      segment.log,
      (offset) => {
        const local = record[offset] as number;
        const seq = segment.base + local;
        const isProven = local >= 0 && seq < acknowledged;
        return isProven ? { kind: "log", file: segment.log, seq } : { kind: "tail", file: segment.log };
      },
      (offset, bit) =>
        isHeader[offset] === 1
          ? isSmallWanted(selection, offset, bit)
          : offset % step === 0 && (step === 1 || bit === Math.floor(offset / step) % 8),
    );
  }
}

/** What must follow when this entry of the record index is no longer valid, or with `isCut` all from it on. */
function indexVerdict(judge: Judge, segment: SampleSegment, entry: number, isCut: boolean): Verdict {
  const { isClosed, acknowledged, kind } = judge.sample;
  const file = segment.index;
  // A single file does not say that it was closed, so entries may be missing at its end.
  if (isClosed) return { kind: "index", file, isSeenByVerify: kind === "directory" || !isCut };
  // A reader beside a writer goes by the mark, and entries that are gone do not say that they were there.
  const isMark = isCut || entry === acknowledged - 1;
  return { kind: "index", file, atLeast: isMark ? entry : acknowledged, isSeenByVerify: !isMark };
}

/** Flips bits of all record indexes. */
export async function flipIndexes(judge: Judge, selection: Selection): Promise<void> {
  for (const segment of judge.sample.segments) {
    await flip(
      judge,
      segment.index,
      (offset) => indexVerdict(judge, segment, Math.floor(offset / entryLength), false),
      (offset, bit) => isSmallWanted(selection, offset, bit),
    );
  }
}

/** The MANIFEST of the samples. */
export const manifestFile: string = `${directory}/MANIFEST`;

/** Flips every bit of MANIFEST. */
export function flipManifest(judge: Judge): Promise<void> {
  return flip(
    judge,
    manifestFile,
    () => ({ kind: "manifest", file: manifestFile }),
    () => true,
  );
}

const everybody: readonly Party[] = ["reader", "writer", "verify"];

async function truncate(
  judge: Judge,
  file: string,
  selection: Selection,
  verdictOf: (length: number) => Verdict,
): Promise<void> {
  const bytes = judge.sample.files.get(file) as Buffer;
  const isLong = bytes.length > 4096;
  const step = selection === "sparse" && isLong ? 31 : 1;
  for (let length = 0; length < bytes.length; length += step) {
    const way = ways[length % ways.length] as Way;
    const parties = selection === "dense" && isLong ? [everybody[length % 3] as Party] : everybody;
    await judged(judge, `the first ${length} bytes`, bytes.subarray(0, length), verdictOf(length), parties, way);
  }
}

/** Cuts each segment. */
export async function truncateLogs(judge: Judge, selection: Selection): Promise<void> {
  const { segments, acknowledged, files } = judge.sample;
  for (const segment of segments) {
    const { record } = mapOf(segment, (files.get(segment.log) as Buffer).length);
    await truncate(judge, segment.log, selection, (length) => {
      const local = record[length] as number;
      const seq = segment.base + local;
      const isProven = local >= 0 && seq < acknowledged;
      const end = segment.base + segment.records.length;
      return isProven ? { kind: "log", file: segment.log, seq, end } : { kind: "tail", file: segment.log };
    });
  }
}

/** Cuts each record index at every byte. */
export async function truncateIndexes(judge: Judge): Promise<void> {
  for (const segment of judge.sample.segments) {
    const verdictOf = (length: number): Verdict => indexVerdict(judge, segment, Math.floor(length / entryLength), true);
    await truncate(judge, segment.index, "all", verdictOf);
  }
}

/** Cuts MANIFEST at every byte. */
export function truncateManifest(judge: Judge): Promise<void> {
  return truncate(judge, manifestFile, "all", () => ({ kind: "manifest", file: manifestFile }));
}

/** Takes a whole file away. */
export async function remove(judge: Judge, verdict: Verdict): Promise<void> {
  const files = new Map(judge.sample.files);
  files.delete(verdict.file);
  for (const way of ways) await judge.judge(files, verdict, everybody, way);
}
