/**
 * System calls that fail, or at which the process is killed, while a log is opened after a crash:
 * records past the mark, bytes of an interrupted write behind them, a leftover file. However often
 * recovery is cut off, the next open has everything acknowledged and the torn bytes set aside.
 */
import { cpSync, readFileSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newPath, scratchDirectory } from "../crash/scratch-directory.ts";
import { type Acknowledged, reopen } from "./acknowledged.ts";
import { strace, onlyWith } from "./needs.ts";
import { callKinds, countOf, runTraced } from "./traced.ts";
import { spread, twoAtATime } from "./two-at-a-time.ts";
import { type Order, Worker } from "./worker.ts";

const open = { segmentBytes: 4096 };
const unprovenRecords = 3;
const torn = Buffer.alloc(100, 0xab);
const afterwards: readonly Order[] = [{ do: "append", count: 2, bytes: 200 }, { do: "close" }];

/** A log as a power cut leaves it: its last entries and its last write did not all reach the disk. */
interface Crashed {
  readonly path: string;
  readonly acknowledged: readonly Acknowledged[];
}

async function crash(): Promise<Crashed> {
  const path = newPath();
  const worker = await Worker.start(path, { open, name: "before" });
  await worker.order({ do: "append", count: 30, bytes: 300 });
  await worker.kill();
  const { acknowledged } = worker;
  const last = acknowledged.at(-1) as Acknowledged;
  const file = join(path, last.segment);
  const entries = acknowledged.filter(({ segment }) => segment === last.segment).length;
  expect(entries).toBeGreaterThan(unprovenRecords);
  truncateSync(file.replace(/log$/, "idx"), 16 * (entries - unprovenRecords));
  const bytes = readFileSync(file);
  torn.copy(bytes, last.offset + 32 + last.length);
  writeFileSync(file, bytes);
  writeFileSync(join(path, "MANIFEST.tmp"), "half a MANI");
  return { path, acknowledged };
}

function copyOf(path: string): string {
  const copy = join(scratchDirectory(), "copy");
  cpSync(path, copy, { recursive: true });
  return copy;
}

function isTornSetAside(path: string): boolean {
  const saved = readdirSync(path).filter((name) => name.endsWith(".torn"));
  return saved.some((name) => readFileSync(join(path, name)).equals(torn));
}

for (const kind of callKinds) {
  test(
    `opening after a crash with a ${kind} that fails, or is never done: nothing acknowledged is lost`,
    onlyWith([strace], async () => {
      const crashed = await crash();
      const { worker, calls } = await runTraced(copyOf(crashed.path), open, afterwards);
      expect(worker.acknowledged.length).toBe(2);
      const total = countOf(calls, kind);
      expect(total).toBeGreaterThan(2);
      const faults = ["error=EIO", "signal=KILL", ...(kind === "write" ? ["error=ENOSPC"] : [])];
      const runs = spread(total, 5).flatMap((when) => faults.map((fault) => ({ kind, fault, when })));
      let failures = 0;
      let kills = 0;
      await twoAtATime(runs, async (injection) => {
        const path = copyOf(crashed.path);
        const tries = [await runTraced(path, open, afterwards, injection)];
        // What cut recovery off once may do so again.
        if (tries[0]?.worker.acknowledged.length === 0) tries.push(await runTraced(path, open, afterwards, injection));
        for (const { worker, ending } of tries) {
          if (ending === "SIGKILL") kills++;
          else expect(ending).toBe(0);
          if (worker.failed === undefined) continue;
          failures++;
          expect(["SEQLOG_IO", "SEQLOG_NO_SPACE"]).toContain(worker.failed.code);
        }
        const acknowledged = tries.flatMap(({ worker }) => worker.acknowledged);
        const { problems } = await reopen(path, [...crashed.acknowledged, ...acknowledged]);
        expect({ injection, problems }).toEqual({ injection, problems: [] });
        expect({ injection, isTornSetAside: isTornSetAside(path) }).toEqual({ injection, isTornSetAside: true });
      });
      expect(failures).toBeGreaterThan(0);
      expect(kills).toBeGreaterThan(0);
    }),
  );
}
