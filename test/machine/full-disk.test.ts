/**
 * Disks that are full: for the file system, for the device below it, for the size a file may have.
 * What was acknowledged is held against what a mount finds that knows nothing of the page cache.
 */
import { spawnSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileLog, type FileOpenOptions, SeqlogError } from "../../src/index.ts";
import { newPath } from "../crash/scratch-directory.ts";
import { type Acknowledged, reopen } from "./acknowledged.ts";
import { fileSizeLimit, strace, onlyWith } from "./needs.ts";
import { ext4Disk, fillWith, loopDevice, namespace, tmpfsDisk } from "./small-disk.ts";
import { Worker } from "./worker.ts";

/** The longest data: a batch of several pages, so that one may get through in part. */
const longest = 30_000;

/** A log in this process, what it acknowledged and what it refused. */
class Writing {
  readonly acknowledged: Acknowledged[] = [];
  readonly refused: SeqlogError[] = [];
  readonly log: FileLog;
  #made = 0;

  private constructor(log: FileLog) {
    this.log = log;
  }

  static async open(path: string, options?: FileOpenOptions): Promise<Writing> {
    return new Writing(await FileLog.open(path, options));
  }

  /** Four appends at once and a blocking one. */
  async #append(): Promise<void> {
    const appends = Array.from({ length: 4 }, () => this.#record(async (data) => this.log.append(data)));
    await Promise.all(appends);
    await this.#record(async (data) => this.log.appendSync(data));
  }

  async #record(append: (data: string) => Promise<Omit<Acknowledged, "start" | "length">>): Promise<void> {
    const start = `full-disk.${this.#made++}.`;
    const length = 200 + ((this.#made * 7919) % longest);
    try {
      const { seq, id, segment, offset } = await append(start.padEnd(length, "x"));
      this.acknowledged.push({ seq, id, segment, offset, start, length });
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
      this.refused.push(error);
    }
  }

  /** Appends until so many more appends were refused. */
  async untilRefused(count: number): Promise<void> {
    for (const enough = this.refused.length + count; this.refused.length < enough;) await this.#append();
  }

  /** Appends until so many more were acknowledged. */
  async untilAcknowledged(count: number): Promise<void> {
    for (const enough = this.acknowledged.length + count; this.acknowledged.length < enough;) await this.#append();
  }

  get codes(): string[] {
    return [...new Set(this.refused.map(({ code }) => code))];
  }

  /** Whether or not there is room to say on the disk that it was closed. */
  async close(): Promise<void> {
    await this.log.close().catch((error: unknown) => this.refused.push(error as SeqlogError));
  }
}

/** Fills the disk, makes room, fills it again; what is there must be what was acknowledged and nothing else. */
async function fillAndGoOn(disk: string, options: FileOpenOptions): Promise<Acknowledged[]> {
  const path = join(disk, "log");
  const writing = await Writing.open(path, options);
  await writing.untilAcknowledged(20);
  for (let round = 0; round < 3; round++) {
    fillWith(join(disk, "ballast"));
    await writing.untilRefused(12);
    rmSync(join(disk, "ballast"));
    await writing.untilAcknowledged(20);
  }
  expect(writing.codes).toEqual(["SEQLOG_NO_SPACE"]);
  expect(writing.log.nextSeq).toBe(writing.acknowledged.length);
  await writing.close();
  return writing.acknowledged;
}

const shapes: readonly [string, FileOpenOptions][] = [
  ["one segment", {}],
  ["segments that roll", { segmentBytes: 200_000 }],
];

for (const [shape, options] of shapes) {
  test(
    `${shape}, ext4 on a loop device is full: appends are refused and undone, go on when there is room, and nothing acknowledged is lost`,
    onlyWith(
      [loopDevice],
      async () => {
        const disk = ext4Disk({ backing: 48, disk: 24 });
        const acknowledged = await fillAndGoOn(disk.path, options);
        disk.unmount();
        disk.mount();
        const { problems, records } = await reopen(join(disk.path, "log"), acknowledged);
        expect(problems).toEqual([]);
        expect(records).toBe(acknowledged.length);
      },
      { name: "the same on a full tmpfs (which keeps nothing on a device)", needs: [namespace] },
    ),
  );

  test(
    `${shape}, a full tmpfs: the same, for those who are not root`,
    onlyWith([namespace], async () => {
      const disk = await tmpfsDisk(8);
      const acknowledged = await fillAndGoOn(disk.path, options);
      const { problems, records } = await reopen(join(disk.path, "log"), acknowledged);
      expect(problems).toEqual([]);
      expect(records).toBe(acknowledged.length);
    }),
  );

  test(
    `${shape}, the device below ext4 is full, so that it loses what the page cache has: nothing acknowledged is lost`,
    onlyWith(
      [loopDevice],
      async () => {
        const disk = ext4Disk({ backing: 24, disk: 64 });
        const path = join(disk.path, "log");
        let acknowledged: Acknowledged[] = [];
        for (let round = 0; round < 3; round++) {
          const writing = await Writing.open(path, options);
          await writing.untilAcknowledged(20);
          fillWith(disk.ballast);
          await writing.untilRefused(12);
          for (const code of writing.codes) expect(["SEQLOG_NO_SPACE", "SEQLOG_POISONED"]).toContain(code);
          rmSync(disk.ballast);
          await writing.close();
          acknowledged = [...acknowledged, ...writing.acknowledged];
          disk.unmount();
          disk.mount();
          const { problems } = await reopen(path, acknowledged);
          expect({ round, problems }).toEqual({ round, problems: [] });
        }
      },
      { name: "EIO by strace (which shows what the log does, not what a page cache loses)", needs: [strace] },
    ),
  );
}

test(
  "a limit on the size of files: appends are refused and undone, go on when it is lifted",
  onlyWith([fileSizeLimit], async () => {
    const path = newPath();
    const kib = 96;
    // Node ignores SIGXFSZ, so the write fails with EFBIG; the one that reaches the limit is cut short.
    const under = ["bash", "-c", `ulimit -S -f ${kib} && exec "$@"`, "bash"];
    const worker = await Worker.start(path, { under, name: "limited" });
    try {
      await worker.order({ do: "together", count: 10, bytes: 5000 });
      await worker.order({ do: "sync", count: 3, bytes: 5000 });
      const refusals = worker.refused.length;
      expect(refusals).toBeGreaterThan(3);
      // What is small enough still has room.
      const size = statSync(join(path, "00000000000000000000.log")).size;
      expect(size).toBeLessThanOrEqual(kib * 1024);
      await worker.order({ do: "append", count: 1, bytes: 100 });
      expect(worker.refused.length).toBe(refusals);
      expect(worker.refused.map(({ code }) => code)).toEqual(worker.refused.map(() => "SEQLOG_NO_SPACE"));
      for (const { errno } of worker.refused) expect(["short write", "EFBIG"]).toContain(errno);

      expect(spawnSync("prlimit", ["--pid", String(worker.pid), "--fsize=unlimited:"]).status).toBe(0);
      await worker.order({ do: "mixed", count: 10, bytes: 5000 });
      await worker.order({ do: "close" });
      expect(worker.refused.length).toBe(refusals);
    } finally {
      await worker.end();
    }
    const { problems, records } = await reopen(path, worker.acknowledged);
    expect(problems).toEqual([]);
    expect(records).toBe(worker.acknowledged.length);
  }),
);
