/**
 * Nothing acknowledged is lost, and nothing hangs or leaks, wherever the disk fails: see search.ts.
 *
 *   SEQLOG_FAULT_SEEDS=20 npx vitest run test/faults             more machines and orders of events
 *   SEQLOG_FAULT="roll#0:eio:7:cut" npx vitest run test/faults   one case again, or all that begin so
 */
import { afterAll, expect, test } from "vitest";
import { type Failure, type Tally, search } from "./search.ts";
import { workloads } from "./workloads.ts";

const only = process.env["SEQLOG_FAULT"] ?? "";
const seeds = only === "" ? Number(process.env["SEQLOG_FAULT_SEEDS"] ?? 1) : 1;
const firstSeed = Number(/#(\d+)/.exec(only)?.[1] ?? 0);
/** Crashes at operations that change nothing take a third more time and leave nothing new: see search.ts. */
const isFull = only !== "" || seeds > 1;
const wanted = workloads.filter(({ name }) => only === "" || name === only.split("#")[0]);
const total: Tally = { operations: 0, faults: 0, recoveryFaults: 0, reopenings: 0 };

test.each(wanted)("$name", async (workload) => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const { tally, failures } = await search(workload, seed, { only, isFull });
    for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += tally[key];
    expect(distinct(failures)).toEqual([]);
    expect(tally.faults).toBeGreaterThan(0);
  }
});

/** What is wrong, each thing once, with the first case that shows it. */
function distinct(failures: readonly Failure[]): string[] {
  const found = new Map<string, { readonly first: Failure; count: number }>();
  for (const failure of failures) {
    const kind = `${String(failure.error)} ${failure.operations.at(-1)}`;
    const known = found.get(kind);
    if (known === undefined) found.set(kind, { first: failure, count: 1 });
    else known.count++;
  }
  return [...found.values()].map(
    ({ first: { id, operations, error }, count }) =>
      `SEQLOG_FAULT="${id}" npx vitest run test/faults (and ${count - 1} more): ${operations.join(", then ")}: ${String(error)}`,
  );
}

test.runIf(only === "")("the search is worth its name", () => {
  expect(total.operations).toBeGreaterThan(1_500);
  expect(total.faults).toBeGreaterThan(10_000);
  expect(total.recoveryFaults).toBeGreaterThan(5_000);
  expect(total.reopenings).toBeGreaterThan(5_000);
});

afterAll(() => {
  const { operations, faults, recoveryFaults, reopenings } = total;
  console.log(
    `${wanted.length} workloads, ${operations} operations, ${faults} runs with a fault, ${recoveryFaults} recoveries with another, ${reopenings} reopenings checked`,
  );
});
