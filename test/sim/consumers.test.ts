/** A fixed slice of simulated histories of consumers; `npm run test:sim -- --consumers` runs more of them, or one again. */
import { expect, test } from "vitest";
import { emptyConsumerTally } from "./consumer-tally.ts";
import { simulateConsumers } from "./simulate-consumers.ts";
import { addTally } from "./tally.ts";

const histories = 500;

test("no record is skipped, no acknowledgement forgotten, nothing removed that a consumer needs", async () => {
  const total = emptyConsumerTally();
  for (let seed = 0; seed < histories; seed++) {
    try {
      addTally(total, await simulateConsumers(seed));
    } catch (error) {
      throw new Error(`replay with \`npm run test:sim -- --consumers --seed ${seed}\``, { cause: error });
    }
  }
  // A slice in which nothing happens would prove nothing.
  expect(total.crashes).toBeGreaterThan(1_000);
  for (const [what, count] of Object.entries(total))
    expect({ what, isMuch: count > 40 }).toEqual({ what, isMuch: true });
}, 600_000);
