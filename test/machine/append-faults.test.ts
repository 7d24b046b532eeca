/**
 * System calls of a real process that fail while it appends, made to by `strace -e inject`.
 * Everything it acknowledged must be there afterwards, and what it does next must be right.
 */
import { describe, expect, test } from "vitest";
import type { FileOpenOptions } from "../../src/index.ts";
import { newPath } from "../crash/scratch-directory.ts";
import { reopen } from "./acknowledged.ts";
import { strace, onlyWith } from "./needs.ts";
import { type Call, type CallKind, type Injection, type Traced, callKinds, countOf, runTraced } from "./traced.ts";
import { spread, twoAtATime } from "./two-at-a-time.ts";
import type { Order } from "./worker.ts";

const small: FileOpenOptions = { segmentBytes: 4096 };

/**
 * Every form of append, one after the other and at once, over several segments.
 * @param atOnce with `mixed` a full disk may poison the log too: what was acknowledged while its write
 * was in flight cannot be undone when that write fails
 */
const everyForm = (atOnce: "mixed" | "together"): readonly Order[] => [
  { do: "append", count: 4, bytes: 400 },
  { do: atOnce, count: 3, bytes: 300 },
  { do: "sync", count: 4, bytes: 350 },
  { do: "batch", count: 3, bytes: 250 },
  { do: "append", count: 5, bytes: 700 },
  { do: "close" },
];

/** What is acknowledged before it is durable, and what makes it so. */
const flushing: readonly Order[] = [
  { do: "append", count: 4, bytes: 400 },
  { do: "flush" },
  { do: "sync", count: 4, bytes: 350 },
  { do: "flush" },
  { do: "batch", count: 3, bytes: 250 },
  { do: "flush" },
  { do: "append", count: 5, bytes: 700 },
  { do: "close" },
];

const counted = new Map<string, Promise<Traced>>();

/** How many calls of the kind there are without a fault. `when` counts each thread for itself, so it ends before this. */
async function countCalls(kind: CallKind, open: FileOpenOptions, orders: readonly Order[]): Promise<number> {
  const key = JSON.stringify([open, orders]);
  const run = counted.get(key) ?? runTraced(newPath(), open, orders);
  counted.set(key, run);
  const { worker, ending, calls } = await run;
  expect({ refused: worker.refused, ending }).toEqual({ refused: [], ending: 0 });
  return countOf(calls, kind);
}

/**
 * Which calls to make fail, one in each run. The N-th call of any file is mostly one of the main
 * thread, which makes more of them; those of the pool are found by the file that it writes.
 */
function injectionsOf(kind: CallKind, fault: string, total: number, most: number): Injection[] {
  const any = spread(total, most).map((when) => ({ kind, fault, when }));
  if (kind !== "write") return any;
  const first = "00000000000000000000";
  const ofFile = [
    { file: `${first}.log`, when: 2 },
    { file: `${first}.log`, when: 4 },
    { file: `${first}.idx`, when: 2 },
  ];
  return [...any, ...ofFile.map(({ file, when }) => ({ kind, fault, when, file }))];
}

/** A failure that takes nothing from anybody: zeros ahead of the records, the text in the lock file. */
function isHarmless({ name, path, text }: Call): boolean {
  return path.endsWith("LOCK") || (name === "pwrite64" && path.endsWith(".log") && text.includes(', "\\0\\0\\0\\0'));
}

/** Appends with one fault, then opens the log without: returns what went on and everything that is wrong. */
async function appendWith(
  injection: Injection,
  open: FileOpenOptions,
  orders: readonly Order[],
): Promise<Traced & { readonly problems: string[]; readonly records: number; readonly injected: readonly Call[] }> {
  const path = newPath();
  const traced = await runTraced(path, open, orders, injection);
  const { problems, records } = await reopen(path, traced.worker.acknowledged);
  return { ...traced, problems, records, injected: traced.calls.filter((call) => call.isInjected) };
}

/** What a process may not do any more after a call of it failed for good. */
function sinsAfter(calls: readonly Call[], isDurable: boolean): string[] {
  const at = calls.findIndex((call) => call.isInjected && !isHarmless(call));
  const failed = calls[at];
  if (failed === undefined) return [];
  const isSync = (call: Call): boolean => /^f(data)?sync$/.test(call.name);
  return calls.slice(at + 1).flatMap((call) => {
    // Of the same thread: the other one may not have been told yet. Directories are synced again to no end.
    const isSameFile = call.path === failed.path && call.thread === failed.thread && call.path.includes(".");
    // Where writes are not durable by themselves, a sync that was due goes on beside one that failed.
    const isAgain = isSync(call) && isSameFile && (isDurable || isSync(failed));
    if (isAgain) return [`synced again after ${failed.text}: ${call.text}`];
    // An entry of the record index says that its record is durable.
    if (isDurable && call.name === "pwrite64" && call.path.endsWith(".idx")) return [`entries: ${call.text}`];
    return [];
  });
}

describe("EIO", () => {
  const modes: readonly [string, FileOpenOptions, readonly Order[]][] = [
    ["durability: record", small, everyForm("mixed")],
    ["durability: os", { ...small, durability: "os" }, flushing],
    ["durability: 1 ms", { ...small, durability: { intervalMs: 1 } }, flushing],
  ];
  for (const [mode, open, orders] of modes) {
    for (const kind of callKinds.slice(0, mode === "durability: record" ? undefined : 2)) {
      test(
        `${mode}: after a ${kind} that failed nothing is acknowledged, no fsync is tried again, and the next open has all that was`,
        onlyWith([strace], async () => {
          let injections = 0;
          const total = await countCalls(kind, open, orders);
          await twoAtATime(injectionsOf(kind, "error=EIO", total, 5), async (injection) => {
            const { worker, ending, calls, problems, injected } = await appendWith(injection, open, orders);
            const what = `${injection.when}: ${injected.map((call) => call.text).join("; ")}`;
            expect({ what, problems, ending }).toEqual({ what, problems: [], ending: 0 });
            expect({ what, after: worker.acknowledgedAfterRefusal }).toEqual({ what, after: [] });
            expect({ what, sins: sinsAfter(calls, mode === "durability: record") }).toEqual({ what, sins: [] });
            if (injected.every(isHarmless) && kind !== "unlink") {
              expect({ what, refused: worker.refused }).toEqual({ what, refused: [] });
              if (worker.failed !== undefined) expect(worker.failed.errno).toBe("EIO");
              return;
            }
            injections++;
            const [first = worker.failed, ...others] = worker.refused;
            // A file that could not be removed is in nobody's way; a sync in the background has nobody to
            // tell before the next call.
            const mayBeUntold = kind === "unlink" || mode !== "durability: record";
            if (first === undefined) return expect({ what, mayBeUntold }).toEqual({ what, mayBeUntold: true });
            expect(first.message).toContain("EIO");
            expect(["SEQLOG_IO", "SEQLOG_POISONED"]).toContain(first.code);
            for (const { form, code } of others)
              expect(["SEQLOG_POISONED", "close"]).toContain(form === "close" ? form : code);
          });
          expect(injections).toBeGreaterThan(0);
        }),
      );
    }
  }
});

test(
  "a sync in the background that failed after the last append is told to who closes the log",
  onlyWith([strace], async () => {
    const open: FileOpenOptions = { durability: { intervalMs: 1 } };
    const path = newPath();
    await reopen(path, []);
    // Opening a log that was closed syncs no segment: the first sync is the one in the background.
    const orders = [{ do: "append", count: 1, bytes: 400 }, "until injected", { do: "close" }] as const;
    const injection: Injection = { kind: "sync", fault: "error=EIO", when: 1, file: "00000000000000000000.log" };
    const { worker } = await runTraced(path, open, orders, injection);
    expect(worker.acknowledged.length).toBe(1);
    expect(worker.refused).toMatchObject([{ form: "close", message: expect.stringContaining("EIO") }]);
  }),
);

describe("no space", () => {
  for (const fault of ["error=ENOSPC", "error=EDQUOT", "error=EFBIG", "retval=0"]) {
    const name = fault === "retval=0" ? "a short write" : fault.slice("error=".length);
    test(
      `${name}: the append is undone and says so, the log goes on`,
      onlyWith([strace], async () => {
        let refusals = 0;
        const total = await countCalls("write", small, everyForm("together"));
        await twoAtATime(injectionsOf("write", fault, total, 4), async (injection) => {
          const { worker, ending, problems, records, injected } = await appendWith(
            injection,
            small,
            everyForm("together"),
          );
          const what = `${injection.when}: ${injected.map((call) => call.text).join("; ")}`;
          expect({ what, problems, ending }).toEqual({ what, problems: [], ending: 0 });
          if (worker.failed !== undefined) {
            expect(worker.failed.code).toBe("SEQLOG_NO_SPACE");
            return;
          }
          refusals += worker.refused.length;
          for (const { code, message } of worker.refused)
            expect({ code, message }).toMatchObject({ code: "SEQLOG_NO_SPACE" });
          // What was refused is gone, and nothing else.
          expect({ what, records }).toEqual({ what, records: worker.acknowledged.length });
          const isLate = worker.refused.length > 0 && worker.acknowledgedAfterRefusal.length === 0;
          if (isLate) expect(worker.refused.at(-1)?.form).toBe("close");
        });
        expect(refusals).toBeGreaterThan(0);
      }),
    );
  }
});

describe("kill", () => {
  for (const kind of callKinds) {
    test(
      `killed at a ${kind}: everything acknowledged is there`,
      onlyWith([strace], async () => {
        let kills = 0;
        const total = await countCalls(kind, small, everyForm("mixed"));
        await twoAtATime(injectionsOf(kind, "signal=KILL", total, 4), async (injection) => {
          const { ending, problems } = await appendWith(injection, small, everyForm("mixed"));
          expect({ injection, problems }).toEqual({ injection, problems: [] });
          if (ending === "SIGKILL") kills++;
          else expect(ending).toBe(0);
        });
        expect(kills).toBeGreaterThan(0);
      }),
    );
  }
});

test(
  "appends are written by pwrite64 alone, and are durable without an fsync",
  onlyWith([strace], async () => {
    const { calls } = await runTraced(newPath(), {}, [
      { do: "append", count: 20, bytes: 100 },
      { do: "sync", count: 20, bytes: 100 },
    ]);
    const first = calls.findIndex((call) => call.name === "pwrite64" && call.path.endsWith(".log"));
    const names = new Set(
      calls
        .slice(
          first,
          calls.findLastIndex((call) => call.path.endsWith(".idx")),
        )
        .map(({ name }) => name),
    );
    expect([...names]).toEqual(["pwrite64"]);
  }),
);
