/**
 * The bytes of a checkpoint: pure, no I/O. `src/format/FORMAT.md` ("Consumer checkpoints") has them
 * as a table.
 *
 * Invariant: a slot is valid when magic and CRC-32 hold; one that was torn at any byte is not, or is
 * the slot it was before, or is whole.
 */
import { crc32 } from "../format/crc32.ts";
import { readUint64 } from "../format/record.ts";
import { formatId, idLength, parseId } from "../format/uuid.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";

/** Bytes of a slot. */
export const slotLength = 68;

/** Where the two slots start: in blocks of their own, so that writing one never touches the other. */
export const slotPositions: readonly [number, number] = [0, 4096];

/** The size of the file. */
export const checkpointFileLength = 8192;

/** Of a checkpoint that counts; the last byte is the version. */
const magic = Buffer.from("seqlogC1");

/** Of one that only mirrors a store. A program that does not know it takes it for damage, and moves nothing by it. */
const mirrorMagic = Buffer.from("seqlogM1");

const at = { counter: 8, logId: 16, generation: 32, nextSeq: 40, lastId: 48, crc: 64 } as const;

const noId = new Uint8Array(idLength);

/** A checkpoint and how new it is. */
export interface StoredCheckpoint {
  /** Grows by one with each write. */
  readonly counter: number;
  readonly checkpoint: Checkpoint;
  /** Whether what counts is in a store of the consumer's program, and this is for retention alone. */
  readonly isMirror: boolean;
}

/** The bytes of a slot. */
export function encodeSlot({ counter, checkpoint, isMirror }: StoredCheckpoint): Uint8Array {
  const bytes = new Uint8Array(slotLength);
  const view = new DataView(bytes.buffer);
  bytes.set(isMirror ? mirrorMagic : magic, 0);
  view.setBigUint64(at.counter, BigInt(counter), true);
  bytes.set(parseId(checkpoint.logId), at.logId);
  view.setBigUint64(at.generation, BigInt(checkpoint.generation), true);
  view.setBigUint64(at.nextSeq, BigInt(checkpoint.nextSeq), true);
  bytes.set(checkpoint.lastId === null ? noId : parseId(checkpoint.lastId), at.lastId);
  view.setUint32(at.crc, crc32(bytes, 0, at.crc), true);
  return bytes;
}

/** What a slot says; undefined when it is not valid. */
export function decodeSlot(bytes: Uint8Array): StoredCheckpoint | undefined {
  if (bytes.length < slotLength) return undefined;
  const kind = bytes.subarray(0, magic.length);
  const isMirror = mirrorMagic.equals(kind);
  if (!isMirror && !magic.equals(kind)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(at.crc, true) !== crc32(bytes, 0, at.crc)) return undefined;
  const lastId = bytes.subarray(at.lastId, at.lastId + idLength);
  return {
    counter: readUint64(view, at.counter),
    isMirror,
    checkpoint: {
      logId: formatId(bytes, at.logId),
      generation: readUint64(view, at.generation),
      nextSeq: asSeq(readUint64(view, at.nextSeq)),
      lastId: Buffer.compare(lastId, noId) === 0 ? null : formatId(bytes, at.lastId),
    },
  };
}

/** The valid slots of a checkpoint file's bytes, the newest first. */
export function validSlots(bytes: Uint8Array): StoredCheckpoint[] {
  return slotPositions
    .map((position) => decodeSlot(bytes.subarray(position, position + slotLength)))
    .filter((slot) => slot !== undefined)
    .sort((a, b) => b.counter - a.counter);
}
