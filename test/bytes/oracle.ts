/**
 * What the bytes on disk say, decoded a second time: written from FORMAT.md, with node's CRC-32 and
 * none of the product's code. The tests of this folder hold what seqlog serves against it.
 */
import { crc32 } from "node:zlib";

const headerBytes = 32;
const entryBytes = 16;

/** A valid record. */
export interface OracleRecord {
  readonly offset: number;
  readonly id: string;
  readonly data: Buffer;
}

/** The records from the start of a segment, and where the first invalid byte is. */
export interface OracleChain {
  readonly records: readonly OracleRecord[];
  readonly end: number;
}

/** The valid record at `at`, by the five rules; undefined where there is none. */
export function recordAt(segment: Buffer, at: number): OracleRecord | undefined {
  if (segment.length - at < headerBytes) return undefined;
  const length = segment.readUInt32LE(at);
  if (length > segment.length - at - headerBytes) return undefined;
  if (segment.readBigUInt64LE(at + 4) !== BigInt(at)) return undefined;
  const version = segment.readUInt8(at + 22) >> 4;
  if ((version !== 4 && version !== 7) || segment.readUInt8(at + 24) >> 6 !== 0b10) return undefined;
  const data = segment.subarray(at + headerBytes, at + headerBytes + length);
  if (crc32(data) !== segment.readUInt32LE(at + 12)) return undefined;
  const hex = segment.toString("hex", at + 16, at + 32);
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  return { offset: at, id, data };
}

/** All records from offset 0 to the first invalid byte. */
export function chainOf(segment: Buffer): OracleChain {
  const records: OracleRecord[] = [];
  let end = 0;
  for (let found = recordAt(segment, 0); found !== undefined; found = recordAt(segment, end)) {
    records.push(found);
    end += headerBytes + found.data.length;
  }
  return { records, end };
}

/** The seed of the entries of a directory log's segment. */
export function seedOf(logId: string, generation: number, base: number): number {
  const text = Buffer.alloc(36);
  Buffer.from(logId.replaceAll("-", ""), "hex").copy(text);
  text.writeBigUInt64LE(BigInt(generation), 16);
  text.writeBigUInt64LE(BigInt(base), 24);
  return crc32(text);
}

/** What a self-valid, firm entry proves. */
export interface Proof {
  readonly seq: number;
  readonly offset: number;
  readonly headerCrc: number;
}

/** The firm entries of a record index, in order. Provisional ones, of the weaker modes, are left out. */
export function proofsOf(index: Buffer, seed: number, base: number): Proof[] {
  const proofs: Proof[] = [];
  for (let at = 0; at + entryBytes <= index.length; at += entryBytes) {
    if (index.subarray(at, at + entryBytes).every((byte) => byte === 0)) continue;
    const seq = base + at / entryBytes;
    const named = Buffer.alloc(20);
    named.writeBigUInt64LE(BigInt(seq));
    index.copy(named, 8, at, at + 12);
    if (crc32(named, seed) !== index.readUInt32LE(at + 12)) continue;
    proofs.push({ seq, offset: Number(index.readBigUInt64LE(at)), headerCrc: index.readUInt32LE(at + 8) });
  }
  return proofs;
}

/** Whether the header that a proof names stands in the segment. */
export function holds(segment: Buffer, proof: Proof): boolean {
  const { offset, headerCrc } = proof;
  return offset + headerBytes <= segment.length && crc32(segment.subarray(offset, offset + headerBytes)) === headerCrc;
}
