/**
 * Small files of one value: one line of JSON, then the CRC-32 of that line in eight hex digits and a
 * newline. MANIFEST is one.
 */
import { crc32 } from "./crc32.ts";

/** The bytes of such a file. */
export function encodeCheckedLine(value: unknown): Uint8Array {
  const line = Buffer.from(`${JSON.stringify(value)}\n`);
  const check = crc32(line, 0, line.length - 1);
  return Buffer.concat([line, Buffer.from(`${check.toString(16).padStart(8, "0")}\n`)]);
}

/** The value in the bytes of such a file, or in words why they are not one. */
export function decodeCheckedLine(bytes: Uint8Array): { readonly value: unknown } | { readonly reason: string } {
  const text = Buffer.from(bytes).toString("utf8");
  const [line, check, rest] = text.split("\n");
  if (line === undefined || check === undefined || rest !== "" || text.length !== line.length + 10) {
    return { reason: "it is not one line of JSON and one of checksum" };
  }
  const found = crc32(bytes, 0, Buffer.byteLength(line)).toString(16).padStart(8, "0");
  if (found !== check) return { reason: `its checksum is ${found}, but it says ${JSON.stringify(check)}` };
  try {
    return { value: JSON.parse(line) as unknown };
  } catch {
    return { reason: "its first line is not JSON" };
  }
}
