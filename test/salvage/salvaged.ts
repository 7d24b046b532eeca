/** Damaged logs for the tests of `salvage`, and what holds each time that one is salvaged. */
import { lstatSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { linesOf } from "../crash/read-data.ts";
import { crashCopy, newPath } from "../crash/scratch-directory.ts";
import { bytesOf } from "../errors/directory-bytes.ts";
import { ioError } from "../../src/storage/io-error.ts";
import { nodeMachine } from "../../src/storage/node-machine.ts";
import { type Machine, type Storage } from "../../src/storage/storage.ts";
import { FileLog } from "../../src/log/file-log.ts";
import { type SalvageOptions, type SalvageReport, salvage } from "../../src/log/salvage.ts";
import { verify } from "../../src/log/verify.ts";

export const bytesEach = 128;
export const count = 25;
export const names = ["00000000000000000000", "00000000000000000010", "00000000000000000020"] as const;

export interface Fixture {
  readonly path: string;
  /** Every record as a line, by seq. */
  readonly lines: readonly string[];
}

/** 25 records of 128 bytes in three segments. */
export async function build(end: "closed" | "crashed" = "closed"): Promise<Fixture> {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
  for (let i = 0; i < count; i++) log.appendSync(String(i).padEnd(96, "."));
  const lines = await linesOf(log);
  const crashed = crashCopy(log.location);
  await log.close();
  return { path: end === "closed" ? log.location : crashed, lines };
}

/** Every name below, with its bytes and the time of its last change. */
export function treeOf(directory: string): Record<string, string> {
  const times = readdirSync(directory).map((name) => [name, String(lstatSync(join(directory, name)).mtimeMs)]);
  const all = { ...bytesOf(directory), LOCK: "" };
  for (const [name = "", time] of times) all[name as keyof typeof all] += ` changed at ${time}`;
  return { ...all, ".": `changed at ${statSync(directory).mtimeMs}` };
}

export interface Salvaged extends SalvageReport {
  readonly out: string;
  readonly lines: string[];
}

/** Salvages, and checks what holds every time: the input is as before, and the output is a log in order. */
export async function salvaged(location: string, options: Partial<SalvageOptions> = {}): Promise<Salvaged> {
  const input = lstatSync(location).isFile() ? dirname(location) : location;
  const before = treeOf(input);
  const out = newPath("out");
  const report = await salvage(location, { out, ...options });
  expect(treeOf(input)).toEqual(before);
  expect(report.ok).toBe(report.missing.length === 0);
  expect(await verify(out)).toMatchObject({ ok: true, records: report.records, tornBytes: 0 });
  const log = await FileLog.open(out);
  const lines = await linesOf(log);
  expect(await log.append("next")).toMatchObject({ seq: report.nextSeq });
  await log.close();
  return { ...report, out, lines };
}

/** The lines without their seqs. */
export function dataOf(lines: readonly string[]): string[] {
  return lines.map((line) => line.slice(line.indexOf(" ")));
}

export function without(lines: readonly string[], ...seqs: readonly number[]): string[] {
  return dataOf(lines.filter((_, seq) => !seqs.includes(seq)));
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** The lines of `salvage.ndjson`. */
export function accountOf({ report }: SalvageReport): Record<string, unknown>[] {
  return readFileSync(report, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A machine whose disk cannot read some bytes of some files. */
export function unreadable(isBad: (path: string, position: number, end: number) => boolean): Machine {
  const { storage } = nodeMachine;
  const failing: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      const read = file.read.bind(file);
      file.read = (target, position) =>
        isBad(path, position, position + target.length)
          ? Promise.reject(ioError("EIO", "read", path))
          : read(target, position);
      return file;
    },
  };
  return { ...nodeMachine, storage: failing };
}
