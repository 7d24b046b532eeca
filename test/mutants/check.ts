/** Runs in a process of its own, built from a mutant: looks for a broken promise and tells where it found one. */
import { OtherHistory, issues } from "../issues/issues.ts";
import { simulateFile } from "../sim/simulate-file.ts";
import { simulate } from "../sim/simulate.ts";

/** What was found. */
export interface Finding {
  /** Which check failed, with what replays it. */
  readonly by: string;
  readonly message: string;
}

async function check(histories: number): Promise<Finding | undefined> {
  process.send?.("alive");
  for (const { name, run } of issues) {
    try {
      await run();
    } catch (error) {
      if (error instanceof OtherHistory) continue;
      throwIfCrash(error);
      return { by: `test/issues, ${JSON.stringify(name)}`, message: messageOf(error) };
    }
  }
  for (let seed = 0; seed < histories; seed++) {
    if (seed % 100 === 0) process.send?.("alive");
    for (const run of [simulate, simulateFile]) {
      try {
        await run(seed);
      } catch (error) {
        throwIfCrash(error);
        return { by: `simulated history ${seed}`, message: messageOf(error) };
      }
    }
  }
  return undefined;
}

/** A mutant that breaks the program instead of a promise shows nothing: that is a fault of the mutant. */
function throwIfCrash(error: unknown): void {
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError) throw error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const found = await check(Number(process.argv[2]));
process.send?.(found ?? { by: "", message: "" });
