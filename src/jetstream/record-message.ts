/**
 * A record as a message: its data is the payload, its id and the CRC-32 of its data are headers.
 *
 * ```
 * NATS/1.0
 * Nats-Msg-Id: 01890a5d-ac96-774b-bcce-b302099a8057
 * Seqlog-Id: 01890a5d-ac96-774b-bcce-b302099a8057
 * Seqlog-Crc: cbf43926
 * Nats-Expected-Last-Sequence: 41
 * ```
 *
 * Message `n` of the stream is record `n - 1` of the log. The block of headers is written by hand:
 * making and encoding the client's own map of them takes several times as long.
 */
import { crc32 } from "../format/crc32.ts";
import { headerAt } from "../format/record.ts";
import { idLength } from "../format/uuid.ts";

/** The name of each header. */
export const header = {
  id: "Seqlog-Id",
  crc: "Seqlog-Crc",
  messageId: "Nats-Msg-Id",
  expectedLast: "Nats-Expected-Last-Sequence",
  expectedLastId: "Nats-Expected-Last-Msg-Id",
} as const;

/** What the client asks of headers when it publishes: their bytes. */
export interface HeaderBlock {
  encode(): Uint8Array;
}

/**
 * The headers of a record that is to become message `expectedLast + 1`, or none.
 * @param messageId what the server knows a repetition by: the id, or for an append with a key what stands for that
 * @param follows the message id of the message before it, where that must be this one and no other program's
 */
export function recordHeaders(
  id: string,
  data: Uint8Array,
  expectedLast: number,
  messageId: string = id,
  follows?: string,
): HeaderBlock {
  const crc = crcText(crc32(data));
  const after = follows === undefined ? "" : `${header.expectedLastId}: ${follows}\r\n`;
  const block = Buffer.from(
    `NATS/1.0\r\n${header.messageId}: ${messageId}\r\n${header.id}: ${id}\r\n${header.crc}: ${crc}\r\n${header.expectedLast}: ${expectedLast}\r\n${after}\r\n`,
    "latin1",
  );
  return { encode: () => block };
}

const zeroId = "00000000-0000-0000-0000-000000000000";
const copiedBlock = Buffer.from(
  `NATS/1.0\r\n${header.messageId}: ${zeroId}\r\n${header.id}: ${zeroId}\r\n${header.crc}: 00000000\r\n${header.expectedLast}: `,
  "latin1",
);
const messageIdAt = copiedBlock.indexOf(zeroId);
const idAt = copiedBlock.lastIndexOf(zeroId);
const crcAt = copiedBlock.indexOf(header.crc) + header.crc.length + 2;
/** Where the digits of each byte of an id stand in its text. */
const digitsAt: readonly number[] = Array.from(
  { length: idLength },
  (_, i) => 2 * i + [4, 6, 8, 10].filter((dash) => i >= dash).length,
);
const digits = Buffer.from("0123456789abcdef", "latin1");

/**
 * As `recordHeaders`, of a record that lies at `at` in a log's own bytes and was checked when it was
 * read: its id and CRC become text without strings between, which takes a fifth of the time.
 */
export function copiedHeaders(bytes: Uint8Array, at: number, expectedLast: number): HeaderBlock {
  let length = copiedBlock.length + 5;
  for (let rest = expectedLast; rest >= 10; rest = Math.floor(rest / 10)) length++;
  const block = Buffer.allocUnsafe(length);
  block.set(copiedBlock);
  for (let i = 0; i < idLength; i++) {
    const byte = bytes[at + headerAt.id + i] as number;
    const to = digitsAt[i] as number;
    const high = digits[byte >>> 4] as number;
    const low = digits[byte & 15] as number;
    block[messageIdAt + to] = high;
    block[messageIdAt + to + 1] = low;
    block[idAt + to] = high;
    block[idAt + to + 1] = low;
  }
  for (let i = 0; i < 4; i++) {
    // Little-endian there.
    const byte = bytes[at + headerAt.crc + 3 - i] as number;
    block[crcAt + 2 * i] = digits[byte >>> 4] as number;
    block[crcAt + 2 * i + 1] = digits[byte & 15] as number;
  }
  let end = length;
  for (let i = 0; i < 2; i++) {
    block[--end] = 0x0a;
    block[--end] = 0x0d;
  }
  for (let rest = expectedLast; end > copiedBlock.length; rest = Math.floor(rest / 10))
    block[--end] = 0x30 + (rest % 10);
  return { encode: () => block };
}

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** A CRC-32 as it stands in a header: eight hexadecimal digits. */
export function crcText(crc: number): string {
  // By a table: `toString(16)` and padding take several times as long.
  return `${hex[crc >>> 24]}${hex[(crc >>> 16) & 0xff]}${hex[(crc >>> 8) & 0xff]}${hex[crc & 0xff]}`;
}
