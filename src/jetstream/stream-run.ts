/** Messages of a stream as the runs that everything that reads a log goes by: each checked, one behind the other. */
import { SeqlogError } from "../errors.ts";
import { crc32 } from "../format/crc32.ts";
import { headerAt, headerLength, writeHeader } from "../format/record.ts";
import { isRecordId, millisecondsOfId, parseId } from "../format/uuid.ts";
import { asOffset, asSeq } from "../numbers.ts";
import type { Run } from "../segment/log-record.ts";
import { chunkOf } from "../segment/verify-chunk.ts";
import { crcText, header } from "./record-message.ts";

/** A record as it came out of a stream, checked. */
export interface StreamRecord {
  readonly seq: number;
  readonly id: Uint8Array;
  readonly crc: number;
  readonly data: Uint8Array;
}

/** What is asked of a message's headers. */
export interface MessageHeaders extends Iterable<[string, string[]]> {
  get(name: string): string;
}

/**
 * Checks a message: its id and the CRC-32 of its data are in its headers.
 * @throws SEQLOG_DAMAGED
 */
export function checkedRecord(
  location: string,
  seq: number,
  headers: Pick<MessageHeaders, "get"> | undefined,
  data: Uint8Array,
): StreamRecord {
  const told = headers?.get(header.crc) ?? "";
  const name = headers?.get(header.id) ?? "";
  if (name === "" || told === "") {
    throw damaged(location, seq, "the message has no Seqlog-Id and Seqlog-Crc: somebody else than seqlog published it");
  }
  const crc = crc32(data);
  if (crcText(crc) !== told) {
    throw damaged(location, seq, `the CRC-32 of its data is ${crcText(crc)}, and its header says ${told}`);
  }
  return { seq, id: idOf(location, seq, name), crc, data };
}

/**
 * The time in the id that a message's headers name; NaN in an id of version 4.
 * @throws SEQLOG_DAMAGED
 */
export function timeInHeaders(location: string, seq: number, headers: MessageHeaders | undefined): number {
  return millisecondsOfId(idOf(location, seq, headers?.get(header.id) ?? ""), 0);
}

function idOf(location: string, seq: number, text: string): Uint8Array {
  try {
    const id = parseId(text);
    if (isRecordId(id, 0)) return id;
  } catch {
    // Said below.
  }
  throw damaged(location, seq, `its Seqlog-Id is not the UUID of a record: ${text || "(none)"}`);
}

/** A record that is not what was appended. */
export function damaged(location: string, seq: number, reason: string): SeqlogError<"SEQLOG_DAMAGED"> {
  return new SeqlogError(
    "SEQLOG_DAMAGED",
    `${location}: record ${seq} (message ${seq + 1}) is not as it was appended: ${reason}. Nothing was changed; the records before and after it can be read`,
    { file: location, offset: asOffset(0), seq: asSeq(seq), reason },
  );
}

/** The bytes that a record takes in a run. */
function sizeOf(record: StreamRecord): number {
  return headerLength + record.data.length;
}

/** Records whose seqs follow one another as a run: in memory it is what a segment holds of them. */
export function runOf(records: readonly StreamRecord[], stream: string): Run {
  const bytes = new Uint8Array(records.reduce((sum, record) => sum + sizeOf(record), 0));
  const chunk = chunkOf(bytes, 0);
  const starts: number[] = [];
  let at = 0;
  for (const record of records) {
    writeHeader(chunk.view, at, record.data.length, at, record.crc);
    bytes.set(record.id, at + headerAt.id);
    bytes.set(record.data, at + headerLength);
    starts.push(at);
    at += sizeOf(record);
  }
  return { chunk, starts, end: at, firstSeq: records[0]?.seq ?? 0, segment: stream };
}

/** Cuts records into runs: where seqs do not follow one another, and where one would be larger than `maxBytes`. */
export function* runsOf(records: readonly StreamRecord[], maxBytes: number, stream: string): Generator<Run> {
  let begin = 0;
  let size = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as StreamRecord;
    const follows = i === begin || record.seq === (records[i - 1] as StreamRecord).seq + 1;
    if (i > begin && (!follows || size + sizeOf(record) > maxBytes)) {
      yield runOf(records.slice(begin, i), stream);
      begin = i;
      size = 0;
    }
    size += sizeOf(record);
  }
  if (begin < records.length) yield runOf(records.slice(begin), stream);
}
