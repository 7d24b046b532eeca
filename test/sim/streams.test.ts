/** A fixed slice of simulated histories of the HTTP server; `npm run test:sim -- --streams` runs more of them, or one again. */
import { expect, test } from "vitest";
import { simulateStreams } from "./simulate-streams.ts";
import { emptyStreamTally } from "./stream-tally.ts";
import { addTally } from "./tally.ts";

const histories = 150;

test("two servers lose nothing that they answered, and no stream lives too short or too long", async () => {
  const total = emptyStreamTally();
  for (let seed = 0; seed < histories; seed++) {
    try {
      addTally(total, await simulateStreams(seed));
    } catch (error) {
      throw new Error(`replay with \`npm run test:sim -- --streams --seed ${seed}\``, { cause: error });
    }
  }
  // A slice in which nothing happens would prove nothing.
  expect(total.crashes).toBeGreaterThan(300);
  for (const [what, count] of Object.entries(total))
    expect({ what, isMuch: count > 10 }).toEqual({ what, isMuch: true });
}, 600_000);
