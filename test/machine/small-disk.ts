/**
 * Small file systems that a test may fill up, break and mount again.
 *
 * An ext4 on a loop device over a file in a tmpfs of its own: the image is sparse, so the disk can
 * be full for ext4, or for the device below it, which then fails what ext4 was promised. Where no
 * loop device is to be had, a bare tmpfs: mounted, or for one who is not root in a namespace.
 *
 * Every disk is taken away when its test ends, however it ends. Names and devices are new each
 * time, so what a killed run left behind is in nobody's way.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { closeSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import type { Need } from "./needs.ts";

const mib = 1024 * 1024;

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Works also beneath open files, and where nothing is mounted any more. */
function unmountAnyway(at: string): void {
  spawnSync("umount", ["--lazy", at], { stdio: "ignore" });
}

/** Fills the file system of `path` to the last block with a file of this name; removing it makes room again. */
export function fillWith(path: string): void {
  const fd = openSync(path, "w");
  try {
    for (const piece of [Buffer.alloc(mib), Buffer.alloc(4096), Buffer.alloc(1)]) {
      try {
        while (writeSync(fd, piece) > 0);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** A disk whose file system is an ext4 on a loop device. */
export class Ext4Disk {
  /** Where it is mounted. */
  readonly path: string;
  /** In the tmpfs that holds the image: fill it, and the device has no room for what ext4 thinks it has. */
  readonly ballast: string;
  readonly #image: string;
  readonly #backing: string;

  /** @param size of the tmpfs and of the file system that is to think it has so much, in MiB */
  constructor(size: { readonly backing: number; readonly disk: number }) {
    const root = mkdtempSync(join(tmpdir(), "seqlog-disk-"));
    this.#backing = join(root, "backing");
    this.path = join(root, "disk");
    this.ballast = join(this.#backing, "ballast");
    this.#image = join(this.#backing, "image");
    mkdirSync(this.#backing);
    mkdirSync(this.path);
    try {
      run("mount", "-t", "tmpfs", "-o", `size=${size.backing}m`, "tmpfs", this.#backing);
      writeFileSync(this.#image, "");
      truncateSync(this.#image, size.disk * mib);
      run("mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", this.#image);
      // What ext4 needs for itself is there from the beginning; mkfs has left holes for it.
      run("fallocate", "-l", String(metadataBytes), this.#image);
      this.mount();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  mount(): void {
    makeLoopNode();
    run("mount", "-o", "loop,errors=remount-ro", this.#image, this.path);
    // The loop driver takes a write that its full tmpfs cut short for a whole one (seen on Linux 6.18:
    // an O_DSYNC write says it is done and most of it is gone). One page is written or is not.
    writeFileSync(`/sys/block/${this.#device()}/queue/max_sectors_kb`, "4");
  }

  #device(): string {
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    const [device = ""] = mounts.find((line) => line.includes(` ${this.path} `))?.split(" ") ?? [];
    return basename(device);
  }

  /** Fails while a file on it is open. What the page cache holds and the device does not is gone then. */
  unmount(): void {
    run("umount", this.path);
  }

  remount(mode: "ro" | "rw"): void {
    run("mount", "-o", `remount,${mode}`, this.path);
  }

  /** ext4 reports an error of its own and turns read-only beneath whoever has files open. */
  triggerError(): void {
    writeFileSync(`/sys/fs/ext4/${this.#device()}/trigger_fs_error`, "seqlog-test");
  }

  /** Takes it away. */
  release(): void {
    unmountAnyway(this.path);
    unmountAnyway(this.#backing);
    rmSync(join(this.path, ".."), { recursive: true, force: true });
  }
}

/** ext4's tables and its journal of 4 MiB lie before this. */
const metadataBytes = 8 * mib;

/** A container may have loop devices and no names for them. */
function makeLoopNode(): void {
  const node = spawnSync("losetup", ["--find"], { encoding: "utf8" }).stdout.trim();
  const [, number] = /^\/dev\/loop(\d+)$/.exec(node) ?? [];
  if (number !== undefined && !existsSync(node)) spawnSync("mknod", [node, "b", "7", number]);
}

/** An ext4 for a test; taken away when it ends. */
export function ext4Disk(size: { readonly backing: number; readonly disk: number }): Ext4Disk {
  const disk = new Ext4Disk(size);
  onTestFinished(() => disk.release());
  return disk;
}

/** A disk whose file system is a tmpfs. */
export interface TmpfsDisk {
  /** Where this process sees it. */
  readonly path: string;
  remount(mode: "ro" | "rw"): Promise<void>;
}

/** A tmpfs of so many MiB for a test, in a namespace of its own; taken away when the test ends. */
export async function tmpfsDisk(size: number): Promise<TmpfsDisk> {
  const root = mkdtempSync(join(tmpdir(), "seqlog-disk-"));
  const holder = spawn("unshare", [...namespaceArgs, "sh"], { stdio: "pipe" });
  onTestFinished(async () => {
    const ended = new Promise((resolve) => holder.once("close", resolve));
    holder.kill("SIGKILL");
    await ended;
    rmSync(root, { recursive: true, force: true });
  });
  const lines = createInterface({ input: holder.stdout })[Symbol.asyncIterator]();
  await order(holder, lines, `mount -t tmpfs -o size=${size}m tmpfs ${root}`);
  return {
    path: `/proc/${holder.pid}/root${root}`,
    remount: (mode) => order(holder, lines, `mount -o remount,bind,${mode} ${root}`),
  };
}

/** Runs a line of shell in the namespace. */
async function order(shell: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>, line: string): Promise<void> {
  shell.stdin.write(`${line} 2>&1; echo "ended with $?"\n`);
  let said = "";
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${line}: the shell ended: ${said}`);
    const [, status] = /^ended with (\d+)$/.exec(value) ?? [];
    if (status === "0") return;
    if (status !== undefined) throw new Error(`${line}: ${said}`);
    said += value;
  }
}

/** Root needs no user namespace, and may not be allowed one. */
const namespaceArgs: readonly string[] = process.getuid?.() === 0 ? ["-m"] : ["-U", "-r", "-m"];

function need(name: string, attempt: () => void): Need {
  try {
    attempt();
    return { name, missing: undefined };
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: Buffer };
    return { name, missing: [message, stderr?.toString().trim()].filter(Boolean).join(": ") };
  }
}

/** Whether disks of the first kind can be had: root, a loop device, mkfs.ext4. */
export const loopDevice: Need = need("ext4 on a loop device", () => new Ext4Disk({ backing: 16, disk: 16 }).release());

/** Whether disks of the second kind can be had. */
export const namespace: Need = need("a mount namespace (unshare)", () => {
  const script = 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d"; s=$?; umount "$d"; rmdir "$d"; exit $s';
  run("unshare", ...namespaceArgs, "sh", "-c", script);
});
