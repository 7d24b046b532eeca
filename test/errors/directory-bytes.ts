/** The bytes of a directory before and after, and ways to spoil them. */
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readFileSync, readSync, readdirSync, readlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

function content(path: string): string {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return `link to ${readlinkSync(path)}`;
  if (stat.isDirectory()) return "directory";
  if (!stat.isFile()) return "neither a file nor a directory";
  return `${stat.size} bytes, SHA-256 ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
}

/** Every name in the directory with what it holds; without LOCK, whose text is the last holder's. */
export function bytesOf(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => name !== "LOCK");
  return Object.fromEntries(names.sort().map((name) => [name, content(join(directory, name))]));
}

/** The names in the directory, LOCK aside. */
export function namesIn(directory: string): string[] {
  return Object.keys(bytesOf(directory));
}

/** Writes over bytes of a file in place. */
export function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(fd);
  }
}

/** Turns one bit of a file round. */
export function flipBit(path: string, offset: number, bit = 0): void {
  const byte = Buffer.alloc(1);
  const fd = openSync(path, "r+");
  try {
    readSync(fd, byte, 0, 1, offset);
    byte[0] = (byte[0] as number) ^ (1 << bit);
    writeSync(fd, byte, 0, 1, offset);
  } finally {
    closeSync(fd);
  }
}
