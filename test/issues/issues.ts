/**
 * What once broke a promise, each as the shortest history that shows it. Plain functions, so that
 * the mutants are held against them too; issues.test.ts runs each.
 */
import { FileLog } from "../../src/log/file-log.ts";
import { LogWriter } from "../../src/segment/log-writer.ts";
import { RecordIndex } from "../../src/segment/record-index.ts";
import { type Fault, type FaultMatch, crashAfter, crashBefore, failWith } from "../../src/testing/fault-plan.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";

/** A promise that was broken once. */
export interface Issue {
  readonly name: string;
  /** @throws when it is broken again */
  run(): Promise<void>;
}

const directory = "/log";

function makeDisk(): SimulatedDisk {
  const disk = new SimulatedDisk({ seed: 1 });
  // A directory that is there already: its own name is not what these are about.
  disk.boot().storage.makeDirectorySync(directory);
  return disk;
}

/** A process that does its work, and ends by a fault that the work plans, or in order. */
async function process(
  disk: SimulatedDisk,
  ends: "dies" | "lives",
  work: (machine: SimulatedMachine) => Promise<void>,
): Promise<SimulatedMachine> {
  const machine = disk.boot();
  const outcome = await machine.run(() => work(machine));
  if (outcome.kind === "failed") throw outcome.error;
  if ((outcome.kind === "died") !== (ends === "dies"))
    throw new Error(`the process ${outcome.kind}; the history is not the one that was meant`);
  return machine;
}

/** A process that only opens the log, and dies of it. */
async function dieOpening(disk: SimulatedDisk, match: FaultMatch, fault: Fault): Promise<SimulatedMachine> {
  return await process(disk, "dies", async (machine) => {
    machine.faults.on(match, fault);
    await FileLog.open(directory, { machine });
  });
}

async function expectRecords(disk: SimulatedDisk, expected: readonly string[]): Promise<void> {
  await process(disk, "lives", async (machine) => {
    const log = await FileLog.open(directory, { machine });
    const found: string[] = [];
    for await (const record of log.read()) found.push(Buffer.from(record.bytes).toString());
    if (found.join() !== expected.join()) throw new Error(`found ${found.join()}, acknowledged ${expected.join()}`);
    await log.close();
  });
}

/** Leaves one acknowledged record, and a second one that is whole and past the mark, with zeros behind. */
async function leaveRecordPastMark(disk: SimulatedDisk): Promise<void> {
  const writer = await process(disk, "dies", async (machine) => {
    const log = await FileLog.open(directory, { machine });
    await log.append("first");
    machine.faults.on({ kind: "write", path: ".log" }, crashAfter);
    await log.append("second");
  });
  disk.kill(writer);
}

/** All of them, oldest first. */
export const issues: readonly Issue[] = [
  {
    name: "a segment that a killed process created and never synced the name of",
    async run() {
      const disk = makeDisk();
      const data = "x".repeat(900);
      const writer = await process(disk, "dies", async (machine) => {
        const log = await FileLog.open(directory, { machine, segmentBytes: 1024 });
        await log.append(data);
        machine.faults.on({ kind: "fsyncDirectory", path: directory }, crashBefore);
        await log.append(data);
      });
      disk.kill(writer);
      await process(disk, "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine, segmentBytes: 1024 });
        await log.append("acknowledged");
      });
      disk.crash({ keep: 0 });
      await expectRecords(disk, [data, "acknowledged"]);
    },
  },
  {
    name: "a redo copy whose removal was never synced came back and cut off what followed",
    async run() {
      const disk = makeDisk();
      await leaveRecordPastMark(disk);
      disk.kill(await dieOpening(disk, { kind: "unlink", path: /\.tail$/ }, crashAfter));
      await process(disk, "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.append("third");
      });
      disk.crash({ keep: 0 });
      await expectRecords(disk, ["first", "second", "third"]);
    },
  },
  {
    name: "a cut that was never synced came back behind a redo copy (history 1018341)",
    async run() {
      const disk = makeDisk();
      await leaveRecordPastMark(disk);
      disk.kill(await dieOpening(disk, { kind: "truncate", path: ".log" }, crashAfter));
      await dieOpening(disk, { kind: "open", path: /\.tail$/ }, crashBefore);
      disk.crash({ keep: 0 });
      await expectRecords(disk, ["first", "second"]);
    },
  },
  {
    name: "a reset of a single file that failed left its temporary file open",
    async run() {
      const disk = makeDisk();
      await process(disk, "lives", async (machine) => {
        const recordIndex = await RecordIndex.open(`${directory}/a.idx`, { machine });
        const writer = await LogWriter.open(`${directory}/a.log`, recordIndex, { machine });
        await writer.append("x");
        machine.faults.on({ kind: "fsync", path: ".log.tmp" }, failWith("EIO"));
        await writer.reset().then(
          () => {
            throw new Error("the reset went through");
          },
          () => undefined,
        );
        await writer.close();
        await recordIndex.close();
        if (machine.openFiles > 0) throw new Error(`${machine.openFiles} descriptors are left`);
      });
    },
  },
];
