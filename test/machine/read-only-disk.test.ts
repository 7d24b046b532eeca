/** A file system that turns read-only beneath a log: asked to, or by itself after an error. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { type Acknowledged, compare, reopen } from "./acknowledged.ts";
import { strace, onlyWith } from "./needs.ts";
import { ext4Disk, loopDevice, namespace, tmpfsDisk } from "./small-disk.ts";
import { Worker } from "./worker.ts";

const open = { segmentBytes: 16 * 1024 };

/** On a read-only disk reading works, and opening for writing says why it does not. */
async function expectReadable(path: string, acknowledged: readonly Acknowledged[]): Promise<void> {
  const log = await FileLog.open(path, { readOnly: true });
  try {
    expect((await compare(log, acknowledged)).problems).toEqual([]);
  } finally {
    await log.close();
  }
  await expect(FileLog.open(path)).rejects.toMatchObject({
    code: "SEQLOG_IO",
    facts: { errno: "EROFS" },
    message: expect.stringContaining("read-only"),
  });
}

/** Remounts beneath a writer that works, that was killed, and back. */
async function remountBeneath(disk: string, remount: (mode: "ro" | "rw") => Promise<void>): Promise<void> {
  const path = join(disk, "log");
  const worker = await Worker.start(path, { open });
  try {
    await worker.order({ do: "mixed", count: 5, bytes: 900 });
    // An open log keeps the kernel from doing it.
    await expect(remount("ro")).rejects.toThrow(/busy/);
    await worker.order({ do: "mixed", count: 5, bytes: 900 });
  } finally {
    await worker.kill();
  }
  expect(worker.refused).toEqual([]);
  await remount("ro");
  await expectReadable(path, worker.acknowledged);
  await remount("rw");
  expect((await reopen(path, worker.acknowledged)).problems).toEqual([]);
}

test(
  "ext4 remounted read-only: not beneath an open log; a killed one can be read, and written again after a remount",
  onlyWith(
    [loopDevice],
    async () => {
      const disk = ext4Disk({ backing: 24, disk: 16 });
      await remountBeneath(disk.path, async (mode) => disk.remount(mode));
    },
    { name: "the same on a tmpfs", needs: [namespace] },
  ),
);

test(
  "a tmpfs remounted read-only: the same, for those who are not root",
  onlyWith([namespace], async () => {
    const disk = await tmpfsDisk(16);
    await remountBeneath(disk.path, (mode) => disk.remount(mode));
  }),
);

test(
  "ext4 turns read-only beneath a writer after an error of its own: the log is poisoned, and nothing acknowledged is lost",
  onlyWith(
    [loopDevice],
    async () => {
      const disk = ext4Disk({ backing: 24, disk: 16 });
      const path = join(disk.path, "log");
      const worker = await Worker.start(path, { open });
      try {
        await worker.order({ do: "mixed", count: 5, bytes: 900 });
        expect(worker.refused).toEqual([]);
        disk.triggerError();
        await worker.order({ do: "mixed", count: 5, bytes: 900 });
        await worker.order({ do: "close" });
      } finally {
        await worker.end();
      }
      // 3 callers of append, 1 of appendBatch and 1 of appendSync, 5 times each.
      expect(worker.refused.map(({ code }) => code)).toEqual(Array.from({ length: 25 }, () => "SEQLOG_POISONED"));
      expect(worker.refused[0]?.message).toContain("EROFS");
      expect(worker.acknowledgedAfterRefusal).toEqual([]);
      await expectReadable(path, worker.acknowledged);
      disk.unmount();
      disk.mount();
      expect((await reopen(path, worker.acknowledged)).problems).toEqual([]);
    },
    { name: "EIO by strace (which shows what the log does, not what a file system does)", needs: [strace] },
  ),
);
