/** A sample of simulated histories of appends with keys. SEQLOG_HISTORIES says how many. */
import { expect, test } from "vitest";
import { simulateKeys } from "./simulate-keys.ts";

const histories = Number(process.env["SEQLOG_HISTORIES"] ?? 400);

test(
  `${histories} histories: each key is in the log once, through crashes and errors at any operation`,
  { timeout: 60_000 + histories * 100 },
  async () => {
    const met = { crashes: 0, acknowledged: 0, duplicates: 0, refused: 0, reused: 0 };
    for (let seed = 0; seed < histories; seed++) {
      const tally = await simulateKeys(seed).catch((error: unknown) => {
        throw new Error(`history ${seed}`, { cause: error });
      });
      for (const name of Object.keys(met) as (keyof typeof met)[]) met[name] += tally[name];
    }
    // They met what they are for.
    for (const [what, count] of Object.entries(met))
      expect({ what, isMuch: count > histories / 10 }).toEqual({ what, isMuch: true });
  },
);
