/** Runs in a process of its own, built from a mutant: looks for a broken promise and tells where it found one. */
import { simulateFile } from "../sim/simulate-file.ts";
import { simulate } from "../sim/simulate.ts";

/** What was found. */
export interface Finding {
  /** Which check failed, with what replays it. */
  readonly by: string;
  readonly message: string;
}

async function check(histories: number): Promise<Finding | undefined> {
  for (let seed = 0; seed < histories; seed++) {
    for (const run of [simulate, simulateFile]) {
      try {
        await run(seed);
      } catch (error) {
        return { by: `simulated history ${seed}`, message: (error as Error).message };
      }
    }
  }
  return undefined;
}

const found = await check(Number(process.argv[2]));
process.send?.(found ?? { by: "", message: "" });
