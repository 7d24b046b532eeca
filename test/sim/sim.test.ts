/** A fixed slice of simulated histories. `SEQLOG_SIM_SEED` replays one, `SEQLOG_SIM_RUNS` runs more. */
import { expect, test } from "vitest";
import { simulateFile } from "./simulate-file.ts";
import { simulate } from "./simulate.ts";

const only = process.env["SEQLOG_SIM_SEED"] || undefined;
const runs = Number(process.env["SEQLOG_SIM_RUNS"] ?? 300);

test("what was acknowledged or served survives any crash", async () => {
  const total = { crashes: 0, acknowledged: 0, served: 0, torn: 0, redone: 0, poisoned: 0 };
  const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i) : [Number(only)];
  for (const seed of seeds) {
    try {
      const tally = await simulate(seed);
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += tally[key];
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  // A slice in which nothing happens would prove nothing.
  const isAlive = total.crashes > runs && total.acknowledged > runs && total.torn > 0 && total.redone > 0;
  if (only === undefined) expect({ ...total, isAlive }).toMatchObject({ isAlive: true });
});

test("the same for a single file", async () => {
  const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => i) : [Number(only)];
  let acknowledged = 0;
  for (const seed of seeds) {
    try {
      acknowledged += await simulateFile(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  expect(only !== undefined || acknowledged > runs).toBe(true);
});
