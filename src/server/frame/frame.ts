/**
 * The frame: what one POST or PUT of the Durable Streams protocol leaves in a record. The data, the
 * close flag, the producer's place and Stream-Seq stand or fall by that record's CRC. FRAME.md has
 * the bytes. No I/O here.
 */
import { VarintReader, varintLength, writeVarint } from "./varint.ts";

/** The name under which MANIFEST knows the frame. */
export const frameCodecName = "stream-frame";

/** The version that this code writes; it reads no other. */
const frameVersion = 1;

const flag = { close: 1, producer: 2, streamSeq: 4, json: 8 } as const;
const knownFlags = 15;

/** Where an idempotent producer stands after the frame. */
export interface ProducerPlace {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

/** One frame. Texts are of characters up to U+00FF: the bytes of an HTTP header. */
export interface Frame {
  /** Whether the stream ends with this frame. */
  readonly close: boolean;
  readonly producer: ProducerPlace | undefined;
  readonly streamSeq: string | undefined;
  /** Of a JSON stream the byte length of each message; undefined in a stream of bytes. */
  readonly lengths: Uint32Array | undefined;
  /** The bytes; of a JSON stream its messages with a comma between two. */
  readonly payload: Uint8Array;
}

function headerLengthOf(frame: Frame): number {
  let length = 2;
  if (frame.producer !== undefined) {
    const { id, epoch, seq } = frame.producer;
    length += varintLength(epoch) + varintLength(seq) + varintLength(id.length) + id.length;
  }
  if (frame.streamSeq !== undefined) length += varintLength(frame.streamSeq.length) + frame.streamSeq.length;
  if (frame.lengths !== undefined) {
    length += varintLength(frame.lengths.length);
    for (const each of frame.lengths) length += varintLength(each);
  }
  return length;
}

function writeText(target: Uint8Array, at: number, text: string): number {
  const start = writeVarint(target, at, text.length);
  for (let i = 0; i < text.length; i++) target[start + i] = text.charCodeAt(i);
  return start + text.length;
}

/** The bytes of a frame. */
export function encodeFrame(frame: Frame): Uint8Array {
  const { close, producer, streamSeq, lengths, payload } = frame;
  const bytes = new Uint8Array(headerLengthOf(frame) + payload.length);
  bytes[0] = frameVersion;
  bytes[1] =
    (close ? flag.close : 0) |
    (producer === undefined ? 0 : flag.producer) |
    (streamSeq === undefined ? 0 : flag.streamSeq) |
    (lengths === undefined ? 0 : flag.json);
  let at = 2;
  if (producer !== undefined) {
    at = writeVarint(bytes, at, producer.epoch);
    at = writeVarint(bytes, at, producer.seq);
    at = writeText(bytes, at, producer.id);
  }
  if (streamSeq !== undefined) at = writeText(bytes, at, streamSeq);
  if (lengths !== undefined) {
    at = writeVarint(bytes, at, lengths.length);
    for (const length of lengths) at = writeVarint(bytes, at, length);
  }
  bytes.set(payload, at);
  return bytes;
}

function readText(bytes: Uint8Array, reader: VarintReader): string {
  const length = reader.next();
  const end = reader.at + length;
  if (end > bytes.length) throw new TypeError("a text in a frame runs past its end");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + reader.at, length).toString("latin1");
  reader.at = end;
  return text;
}

/**
 * The frame in the bytes of a record; its payload is a view of them.
 * @throws {TypeError} when they are not a frame
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const [version, flags] = bytes;
  if (version === undefined || flags === undefined) throw new TypeError("too short for a frame");
  if (version !== frameVersion) throw new TypeError(`a frame of version ${version}; this seqlog reads ${frameVersion}`);
  if ((flags & ~knownFlags) !== 0) throw new TypeError(`a frame with unknown flags (${flags})`);
  const reader = new VarintReader(bytes, 2);
  let producer: ProducerPlace | undefined;
  if ((flags & flag.producer) !== 0) {
    const epoch = reader.next();
    const seq = reader.next();
    producer = { epoch, seq, id: readText(bytes, reader) };
  }
  const streamSeq = (flags & flag.streamSeq) === 0 ? undefined : readText(bytes, reader);
  let lengths: Uint32Array | undefined;
  if ((flags & flag.json) !== 0) lengths = readLengths(bytes, reader);
  return { close: (flags & flag.close) !== 0, producer, streamSeq, lengths, payload: bytes.subarray(reader.at) };
}

function readLengths(bytes: Uint8Array, reader: VarintReader): Uint32Array {
  const count = reader.next();
  // Each takes a byte at least: a count that cannot be is found before anything is made for it.
  if (count > bytes.length - reader.at) throw new TypeError("a frame says that it holds more messages than it can");
  const lengths = new Uint32Array(count);
  let total = Math.max(0, count - 1);
  for (let i = 0; i < count; i++) {
    const length = reader.next();
    // One that is cut here is found below: the total is of all its bits.
    lengths[i] = length;
    total += length;
  }
  if (total !== bytes.length - reader.at) {
    throw new TypeError("the lengths of a frame's messages are not those of its payload");
  }
  return lengths;
}

/** Whether a frame closes its stream and brings no data. */
export function isCloseOnly({ close, lengths, payload }: Frame): boolean {
  return close && payload.length === 0 && (lengths === undefined || lengths.length === 0);
}
