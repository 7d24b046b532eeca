/** A fixed slice of simulated histories; `npm run test:sim` runs more of them, or one again by its seed. */
import { expect, test } from "vitest";
import { simulateFile } from "./simulate-file.ts";
import { simulate } from "./simulate.ts";
import { addTally, emptyTally } from "./tally.ts";

const histories = 2600;

test.each([
  { name: "a directory log", run: simulate },
  { name: "a single file", run: simulateFile },
])(
  "$name: what was acknowledged or served survives any crash",
  async ({ run }) => {
    const total = emptyTally();
    for (let seed = 0; seed < histories; seed++) {
      try {
        addTally(total, await run(seed));
      } catch (error) {
        throw new Error(`replay with \`npm run test:sim -- --seed ${seed}\``, { cause: error });
      }
    }
    // A slice in which nothing happens would prove nothing.
    expect(total.crashes).toBeGreaterThan(10_000);
    for (const [what, count] of Object.entries(total))
      expect({ what, isMuch: count > 200 }).toEqual({ what, isMuch: true });
  },
  600_000,
);
