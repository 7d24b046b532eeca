/** The contract of `Log` as a suite, for any implementation and any test runner. */
import { nodeMachine } from "../../storage/node-machine.ts";
import { appendCases } from "./append-cases.ts";
import { batchCases } from "./batch-cases.ts";
import { closeCases } from "./close-cases.ts";
import { codecCases } from "./codec-cases.ts";
import { type CaseBody, CaseLogs } from "./conformance-case.ts";
import type { ConformanceTarget } from "./conformance-target.ts";
import { crashCases } from "./crash-cases.ts";
import { endOfReadCases } from "./end-of-read-cases.ts";
import { expectedSeqCases } from "./expected-seq-cases.ts";
import { keyCases } from "./key-cases.ts";
import { liveCases } from "./live-cases.ts";
import { lookUpCases } from "./look-up-cases.ts";
import { pendingCases } from "./pending-cases.ts";
import { readBatchesCases } from "./read-batches-cases.ts";
import { readCases } from "./read-cases.ts";
import { readerCases } from "./reader-cases.ts";
import { retentionCases } from "./retention-cases.ts";
import { resetCases } from "./reset-cases.ts";
import { syncCases } from "./sync-cases.ts";
import { trimCases } from "./trim-cases.ts";

/** One rule of the contract, ready to run. */
export interface ConformanceCase {
  /** The theme and the rule, as one sentence. Names are unique, and stay from version to version where the rule does. */
  readonly name: string;
  /** Rejects with an `AssertionError` whose message names what was broken, or with what the log threw out of turn. */
  run(): Promise<void>;
}

/** How to run the suite. */
export interface ConformanceOptions {
  /** Milliseconds of real time until a case that waits for the log is given up. Default 60,000. */
  readonly timeoutMs?: number;
}

const themes: Readonly<Record<string, readonly CaseBody[]>> = {
  append: appendCases,
  appendBatch: batchCases,
  expectedSeq: expectedSeqCases,
  key: keyCases,
  pending: pendingCases,
  "look-up": lookUpCases,
  read: readCases,
  live: liveCases,
  "end of a read": endOfReadCases,
  readBatches: readBatchesCases,
  trim: trimCases,
  retention: retentionCases,
  reset: resetCases,
  close: closeCases,
  codec: codecCases,
  reader: readerCases,
  crash: crashCases,
  sync: syncCases,
};

/**
 * Everything that the contract of {@link Log} promises, as cases for any test runner. They rely on
 * the contract alone: not on files, on blocking calls, or on how long anything takes; where logs may
 * differ they go by `log.supports`. Cases are independent, each on logs of its own, and may run at
 * the same time if the target can. Cases whose part the target lacks (`openReader`,
 * `openRetaining`, `crash`, `maxRecordBytes`) are not in the list.
 *
 * @example
 * ```ts
 * import { test } from "node:test";
 * import { openLog } from "seqlog";
 * import { SimulatedDisk, logConformance } from "seqlog/testing";
 *
 * const disk = new SimulatedDisk({ keepLog: false });
 * let machine = disk.boot();
 *
 * const cases = logConformance({
 *   open: (name, options) => openLog(`/${name}`, { ...options, machine, segmentBytes: 1024 }),
 *   openWithCodec: (name, codec) => openLog(`/${name}`, { codec, machine, segmentBytes: 1024 }),
 *   openReader: (name) => openLog(`/${name}`, { readOnly: true, machine: disk.boot() }),
 *   openRetaining: (name, retention) => openLog(`/${name}`, { retention, machine, segmentBytes: 1024 }),
 *   async crash() {
 *     disk.crash({ keep: 0 });
 *     machine = disk.boot();
 *   },
 * });
 * for (const { name, run } of cases) void test(name, () => disk.runUntil(run()));
 * ```
 */
export function logConformance(target: ConformanceTarget, options: ConformanceOptions = {}): ConformanceCase[] {
  const { timeoutMs = 60_000 } = options;
  const cases: ConformanceCase[] = [];
  let number = 0;
  for (const [theme, bodies] of Object.entries(themes)) {
    for (const body of bodies) {
      // Counted whether it is left out or not: a case keeps its logs' names on every target.
      const logName = `case-${++number}`;
      if (body.needs !== undefined && target[body.needs] === undefined) continue;
      const name = `${theme}: ${body.name}`;
      cases.push({ name, run: () => runCase(body, new CaseLogs(target, logName), name, timeoutMs) });
    }
  }
  return cases;
}

async function runCase(body: CaseBody, logs: CaseLogs, name: string, timeoutMs: number): Promise<void> {
  const run = async (): Promise<void> => {
    try {
      await body.run(logs);
    } catch (error) {
      // Why the case failed is the news, not what its logs say when they are closed after that.
      await logs.end().catch(() => undefined);
      throw error;
    }
    await logs.end();
  };
  let cancel: (() => void) | undefined;
  const expired = new Promise<never>((_, reject) => {
    const expire = (): void => reject(new Error(`${name}: no end after ${timeoutMs} ms; the log does not answer`));
    cancel = nodeMachine.clock.after(timeoutMs, expire, { keepAlive: true });
  });
  try {
    await Promise.race([run(), expired]);
  } finally {
    cancel?.();
    logs.giveUp();
  }
}
