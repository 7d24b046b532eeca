/**
 * A worker under strace, which makes system calls fail and writes down what the process asked for.
 *
 * Facts relied on (strace(1)):
 * - A call that an error or a return value is injected into is not executed.
 * - `when=N` counts per system call and per thread. libuv's pool has one thread here, so the N-th
 *   call is at most two: one of the main thread, one of the pool.
 * - What goes through io_uring cannot be injected into, so libuv is told not to use it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import type { FileOpenOptions } from "../../src/index.ts";
import { scratchDirectory } from "../crash/scratch-directory.ts";
import { type Order, Worker } from "./worker.ts";

/** Calls that bring something to the disk or take it away. Those with a `?` are not on every processor. */
const calls = {
  write: "pwrite64",
  sync: "fsync,fdatasync",
  cut: "ftruncate",
  rename: "?rename,?renameat,?renameat2",
  unlink: "?unlink,?unlinkat",
} as const;

/** A kind of calls. */
export type CallKind = keyof typeof calls;

/** The kinds of calls, for tests of each. */
export const callKinds: readonly CallKind[] = ["write", "sync", "cut", "rename", "unlink"];

/** What to do to which call. */
export interface Injection {
  readonly kind: CallKind;
  /** As strace has it: `error=EIO`, `retval=0`, `signal=KILL`. */
  readonly fault: string;
  /** The N-th call, counted from 1. */
  readonly when: number;
  /** Only calls on this file of the log's directory. */
  readonly file?: string;
}

/** A system call that was made. */
export interface Call {
  readonly thread: string;
  readonly name: string;
  /** The file, by its path; of a rename the old name. */
  readonly path: string;
  /** The call as strace writes it. */
  readonly text: string;
  readonly isInjected: boolean;
}

/** How many calls of a kind there are. */
export function countOf(made: readonly Call[], kind: CallKind): number {
  const names = calls[kind].replaceAll("?", "").split(",");
  return made.filter(({ name }) => names.includes(name)).length;
}

/** Puts the lines of calls that other threads interrupted together again. */
function parseTrace(text: string): Call[] {
  const begun = new Map<string, string>();
  const found: Call[] = [];
  for (const line of text.split("\n")) {
    const [, thread = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (rest.endsWith("<unfinished ...>")) {
      begun.set(thread, rest.slice(0, -"<unfinished ...>".length));
      continue;
    }
    const [, resumed] = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest) ?? [];
    const whole = resumed === undefined ? rest : `${begun.get(thread) ?? ""}${resumed}`;
    const [, name, path] = /^(\w+)\((?:AT_FDCWD[^,]*, )?(?:\d+<([^>]*)>|"([^"]*)")/.exec(whole)?.filter(Boolean) ?? [];
    if (name === undefined || path === undefined) continue;
    found.push({ thread, name, path, text: whole, isInjected: whole.includes("(INJECTED)") });
  }
  return found;
}

/** What became of it. */
export interface Traced {
  readonly worker: Worker;
  /** Its exit code, or the signal that ended it. */
  readonly ending: number | NodeJS.Signals | null;
  /** In the order in which they ended. */
  readonly calls: readonly Call[];
}

/** Runs a worker through all orders under strace; between two of them it may be waited for the fault. */
export async function runTraced(
  path: string,
  open: FileOpenOptions,
  orders: readonly (Order | "until injected")[],
  injection?: Injection,
): Promise<Traced> {
  const traceFile = join(scratchDirectory(), "trace");
  // 8 bytes of each write: enough to tell zeros from a record.
  const under = ["strace", "-f", "-qq", "-y", "-s", "8", "-o", traceFile];
  under.push("-e", `trace=${Object.values(calls).join(",")}`, "-e", "signal=none");
  if (injection !== undefined) {
    const { kind, fault, when, file } = injection;
    under.push("-e", `inject=${calls[kind]}:${fault}:when=${when}`);
    if (file !== undefined) under.push("-P", join(path, file));
  }
  const worker = await Worker.start(path, { open, under, env: { UV_THREADPOOL_SIZE: "1", UV_USE_IO_URING: "0" } });
  try {
    for (const order of orders) {
      if (order !== "until injected") await worker.order(order);
      else await vi.waitUntil(() => readFileSync(traceFile, "utf8").includes("(INJECTED)"), { timeout: 60_000 });
    }
  } finally {
    await worker.end();
  }
  return { worker, ending: await worker.end(), calls: parseTrace(readFileSync(traceFile, "utf8")) };
}
