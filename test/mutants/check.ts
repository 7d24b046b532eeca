/** Runs in a process of its own, built from a mutant: looks for a broken promise and tells where it found one. */
import { OtherHistory, issues } from "../issues/issues.ts";
import { simulateConsumers } from "../sim/simulate-consumers.ts";
import { simulateFile } from "../sim/simulate-file.ts";
import { simulate } from "../sim/simulate.ts";
import { simulateStreams } from "../sim/simulate-streams.ts";

/** What was found. */
export interface Finding {
  /** Which check failed, with what replays it. */
  readonly by: string;
  readonly message: string;
}

/** What looks for a mutant, by what it is a mutant of. */
const simulations: Record<string, readonly ((seed: number) => Promise<unknown>)[]> = {
  logs: [simulate, simulateFile],
  consumers: [simulateConsumers],
  streams: [simulateStreams],
};

/** @param lookIn which histories; all of them where it is empty */
async function check(histories: number, lookIn: string): Promise<Finding | undefined> {
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
  const chosen = Object.entries(simulations).flatMap(([name, runs]) => (lookIn === name || lookIn === "" ? runs : []));
  for (let seed = 0; seed < histories; seed++) {
    if (seed % 100 === 0) process.send?.("alive");
    for (const run of chosen) {
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

const found = await check(Number(process.argv[2]), process.argv[3] ?? "");
process.send?.(found ?? { by: "", message: "" });
