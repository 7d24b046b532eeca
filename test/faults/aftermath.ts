/**
 * What must hold after any end, on a disk that is well again: the log is found in order by those who
 * only look, opens, holds what the ledger says, goes on, and what it served then survives a power
 * cut that takes all it can.
 */
import { SeqlogError } from "../../src/errors.ts";
import { verify } from "../../src/log/verify.ts";
import type { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { countDescriptors } from "./descriptors.ts";
import { BrokenPromise, type Ledger } from "./ledger.ts";
import { Session } from "./session.ts";
import type { Workload } from "./workloads.ts";

/** Opens that a test made and that are counted. */
export interface Reopenings {
  reopenings: number;
}

/** Runs work that has no reason to fail. */
export async function must<T>(machine: SimulatedMachine, work: () => Promise<T>): Promise<T> {
  const outcome = await machine.run(work);
  if (outcome.kind === "failed") throw outcome.error;
  if (outcome.kind === "died") throw outcome.crash;
  return outcome.value;
}

/** Nothing of a process that has closed everything may be left. */
export function ensureNothingHeld(machine: SimulatedMachine, descriptors: () => string[]): void {
  const open = descriptors();
  if (open.length > 0) throw new BrokenPromise(`still open: ${open.join(", ")}`);
  if (machine.keepsAlive) throw new BrokenPromise("a timer, watch or operation still holds the process");
}

/**
 * Goes through all of it.
 * @param mayLose whether a power cut may have taken records that were not durable
 */
export async function checkAftermath(
  disk: SimulatedDisk,
  workload: Workload,
  ledger: Ledger,
  mayLose: boolean,
  tally: Reopenings,
): Promise<void> {
  // What those say who only look comes last: what else is wrong weighs more.
  const problems: BrokenPromise[] = [];
  if (workload.mend === undefined) problems.push(...(await look(disk, workload, ledger, false)));
  else {
    const mender = disk.boot();
    await must(mender, async () => workload.mend?.(mender));
  }

  const writer = new Session(disk, workload.place, ledger);
  tally.reopenings++;
  await must(writer.machine, async () => {
    await openAndCheck(writer, mayLose);
    await append(writer);
  });
  disk.crash({ keep: 0 });

  const next = new Session(disk, workload.place, ledger);
  tally.reopenings++;
  await must(next.machine, async () => {
    await openAndCheck(next, false);
    await append(next);
    await next.open?.close();
    ensureNothingHeld(next.machine, next.descriptors);
  });
  problems.push(...(await look(disk, workload, ledger, true)));
  const { check } = workload;
  if (check !== undefined) {
    const reader = disk.boot();
    await must(reader, () => check(reader, ledger));
  }
  for (const problem of problems) throw problem;
}

async function openAndCheck(session: Session, mayLose: boolean): Promise<void> {
  await session.openLog();
  const found = await session.open?.readAll();
  if (found !== undefined) session.ledger.recovered(found, mayLose);
}

async function append(session: Session): Promise<void> {
  await session.append();
  if (session.errors.length > 0) throw session.errors[0];
}

/** As a reader of another process and as `verify`, which change nothing; damage that they find is returned. */
async function look(
  disk: SimulatedDisk,
  workload: Workload,
  ledger: Ledger,
  isClosed: boolean,
): Promise<BrokenPromise[]> {
  const { place } = workload;
  const machine = disk.boot();
  const descriptors = countDescriptors(machine);
  return await must(machine, async () => {
    const problems: BrokenPromise[] = [];
    try {
      const found = await place.look(machine);
      if (isClosed) ledger.recovered(found, false);
      else ledger.checkPart(found);
      const { damage } = await verify(place.path, { machine });
      for (const { file, reason } of damage) {
        if (!isClosed && workload.lacksIndex === true && reason.includes("record index")) continue;
        problems.push(new BrokenPromise(`verify finds damage in ${file}: ${reason}`));
      }
    } catch (error) {
      // Nobody was ever told that there is a log.
      const isNothing = !ledger.exists && SeqlogError.is(error, "SEQLOG_NOT_FOUND");
      if (SeqlogError.is(error, "SEQLOG_DAMAGED")) problems.push(new BrokenPromise(`a reader finds ${error.message}`));
      else if (!isNothing) throw error;
    }
    ensureNothingHeld(machine, descriptors);
    return problems;
  });
}
