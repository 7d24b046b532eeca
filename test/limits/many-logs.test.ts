/**
 * What many small logs cost one process: memory, descriptors and disk. Measured from outside, in
 * /proc and with stat, so nothing of the test counts.
 *
 * `npm test` goes through 1,000 logs in turn; SEQLOG_LOGS=20000 through as many as the limit is
 * stated for.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { scratchDirectory } from "../crash/scratch-directory.ts";

const mib = 1024 * 1024;
const maxResident = 300 * mib;
const headerLength = 32;

/** A program of this folder, which stops at each thing it says until it is told to go on. */
class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, args: readonly (string | number)[]) {
    const path = fileURLToPath(new URL(name, import.meta.url));
    this.#child = spawn(process.execPath, [path, ...args.map(String)]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    onTestFinished(() => {
      this.#child.kill("SIGKILL");
    });
  }

  async says(word: string): Promise<void> {
    const { value } = await this.#lines.next();
    if (value !== word) throw new Error(`the program says ${String(value)}, not ${word}`);
  }

  goOn(): void {
    this.#child.stdin.write("\n");
  }

  async ends(): Promise<void> {
    const code = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end();
    if ((await code) !== 0) throw new Error(`the program ended with ${String(await code)}`);
  }

  /** Open descriptors now. */
  descriptors(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length;
  }

  /** The most memory that was ever resident, in bytes. */
  peakResident(): number {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8")) ?? [];
    return Number(kib) * 1024;
  }
}

/** What a directory takes on the disk, as `du` counts: allocated blocks of all files and directories in it. */
function allocatedBytes(directory: string): number {
  let bytes = lstatSync(directory).blocks * 512;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? allocatedBytes(path) : lstatSync(path).blocks * 512;
  }
  return bytes;
}

test("1,000 logs open for writing at once stay within 300 MiB, and closing them leaves no descriptor", async () => {
  const directory = scratchDirectory();
  const program = new Program("logs-at-once.mjs", [directory, 1000, 3, "x".repeat(256)]);
  await program.says("ready");
  const before = program.descriptors();
  program.goOn();
  await program.says("open");
  expect(program.descriptors()).toBeGreaterThan(1000);
  program.goOn();
  await program.says("closed");
  expect(program.descriptors()).toBeLessThanOrEqual(before);
  const peak = program.peakResident();
  console.log(`1,000 logs at once: ${(peak / mib).toFixed(0)} MiB resident at most`);
  expect(peak).toBeLessThanOrEqual(maxResident);
  await program.ends();
  const log = await FileLog.open(join(directory, "log-999"), { readOnly: true });
  expect(log.nextSeq).toBe(3);
  await log.close();
});

const count = Number(process.env["SEQLOG_LOGS"] ?? 1000);

test(
  `${count} logs of 10 records opened, appended to and closed in turn: 300 MiB, 3 × data + 8 KiB a log, no descriptor`,
  { timeout: 60_000 + count * 100 },
  async () => {
    const directory = scratchDirectory();
    const recordBytes = 256;
    const program = new Program("logs-in-turn.mjs", [directory, count, 10, "x".repeat(recordBytes)]);
    await program.says("ready");
    const before = program.descriptors();
    program.goOn();
    await program.says("closed");
    expect(program.descriptors()).toBeLessThanOrEqual(before);
    const peak = program.peakResident();
    await program.ends();

    const disk = readdirSync(directory).reduce((sum, name) => sum + allocatedBytes(join(directory, name)), 0);
    const data = count * 10 * (recordBytes + headerLength);
    console.log(
      `${count} logs in turn: ${(peak / mib).toFixed(0)} MiB resident at most, ` +
        `${Math.round(disk / count)} bytes of disk a log for ${data / count} bytes of records`,
    );
    expect(peak).toBeLessThanOrEqual(maxResident);
    expect(disk).toBeLessThanOrEqual(3 * data + count * 8 * 1024);
    const log = await FileLog.open(join(directory, `log-${count - 1}`), { readOnly: true });
    expect(await log.stats()).toEqual({ firstSeq: 0, nextSeq: 10, records: 10, bytes: data / count, segments: 1 });
    await log.close();
  },
);
