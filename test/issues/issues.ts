/**
 * What once broke a promise, or so rarely would that random histories hardly ever meet it, each as
 * the shortest history that shows it. Plain functions, so that the mutants are held against them
 * too; issues.test.ts runs each.
 */
import { SeqlogError } from "../../src/errors.ts";
import { lowestCheckpoint } from "../../src/consumer/protected.ts";
import type { Checkpoint } from "../../src/log/consumer-contract.ts";
import { FileLog } from "../../src/log/file-log.ts";
import { LogWriter } from "../../src/segment/log-writer.ts";
import { RecordIndex } from "../../src/segment/record-index.ts";
import type { CreateRequest } from "../../src/server/streams/create-stream.ts";
import { StreamStore } from "../../src/server/streams/stream-store.ts";
import {
  type Fault,
  type FaultMatch,
  crashAfter,
  crashBefore,
  crashDuring,
  failWith,
} from "../../src/testing/fault-plan.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";

/** A history at whose end a promise must hold. */
export interface Issue {
  readonly name: string;
  /** @throws when it is broken again */
  run(): Promise<void>;
}

/** The product took other steps than the ones at which the history interrupts it, so it shows nothing. */
export class OtherHistory extends Error {}

const directory = "/log";

function makeDisk(seed = 1): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
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
    throw new OtherHistory(`the process ${outcome.kind}; the history is not the one that was meant`);
  return machine;
}

function openStreams(machine: SimulatedMachine): StreamStore {
  return StreamStore.open(machine, directory, { maxOpenLogs: 10, maxRecordBytes: 1024 });
}

const newStream: Omit<CreateRequest, "path"> = {
  contentType: "text/plain",
  ttlSeconds: undefined,
  expiresAt: undefined,
  isClosed: false,
  body: Buffer.from("x"),
  fork: undefined,
};

/** A process that only opens the log, and dies of it. */
async function dieOpening(disk: SimulatedDisk, match: FaultMatch, fault: Fault): Promise<SimulatedMachine> {
  return await process(disk, "dies", async (machine) => {
    machine.faults.on(match, fault);
    await FileLog.open(directory, { machine });
  });
}

/** @param possible what may follow the acknowledged records, from the first on: it was on its way */
async function expectRecords(
  disk: SimulatedDisk,
  acknowledged: readonly string[],
  possible: readonly string[] = [],
): Promise<void> {
  await process(disk, "lives", async (machine) => {
    const log = await FileLog.open(directory, { machine });
    const found: string[] = [];
    for await (const record of log.read()) found.push(Buffer.from(record.bytes).toString());
    const expected = [...acknowledged, ...possible].slice(0, Math.max(found.length, acknowledged.length));
    if (found.join() !== expected.join()) throw new Error(`found ${found.join()}, acknowledged ${acknowledged.join()}`);
    await log.close();
  });
}

/** @param seq where the consumer "billing" must go on */
async function expectPosition(disk: SimulatedDisk, seq: number): Promise<void> {
  await process(disk, "lives", async (machine) => {
    const log = await FileLog.open(directory, { machine });
    const { nextSeq } = await log.consumer("billing");
    if (nextSeq !== seq) throw new Error(`the consumer goes on at ${nextSeq}, expected ${seq}`);
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
  {
    name: "a reader called a log damaged whose recovery had crashed twice",
    async run() {
      const disk = makeDisk();
      await leaveRecordPastMark(disk);
      disk.kill(await dieOpening(disk, { kind: "unlink", path: /\.tail$/ }, crashBefore));
      disk.kill(await dieOpening(disk, { kind: "write", path: ".log" }, crashBefore));
      await process(disk, "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine, readOnly: true });
        if (log.nextSeq !== 1) throw new Error(`a reader sees ${log.nextSeq} records, and 1 was acknowledged`);
        await log.close();
      });
      await expectRecords(disk, ["first", "second"]);
    },
  },
  ...(["ENOSPC", "EIO"] as const).map((errno) => ({
    name: `close() under a weaker mode said yes though its fsync had failed (${errno})`,
    async run() {
      const disk = makeDisk();
      let isClosed = false;
      await process(disk, "lives", async (machine) => {
        const durability = errno === "EIO" ? { intervalMs: 5 } : "os";
        const log = await FileLog.open(directory, { machine, durability });
        await log.append("first");
        machine.faults.on({ kind: "fsync", path: ".log" }, failWith(errno));
        // The mode with an interval meets it in the background, the other one in close.
        if (errno === "EIO")
          await new Promise<void>((resolve) => machine.clock.after(50, resolve, { keepAlive: true }));
        await log.close().then(
          () => (isClosed = true),
          () => undefined,
        );
      });
      disk.crash({ keep: 0 });
      if (isClosed) await expectRecords(disk, ["first"]);
    },
  })),
  {
    name: "a copy whose MANIFEST was durable before the names of its segments",
    async run() {
      for (let seed = 0; seed < 20; seed++) {
        const disk = makeDisk(seed);
        await process(disk, "dies", async (machine) => {
          const log = await FileLog.open(directory, { machine });
          await log.append("first");
          machine.faults.on({ kind: "rename", path: "/copy/MANIFEST.tmp" }, crashAfter);
          await log.copyTo("/copy");
        });
        disk.crash({ keep: 0.5 });
        await process(disk, "lives", async (machine) => {
          try {
            const copy = await FileLog.open("/copy", { machine, readOnly: true });
            if (copy.nextSeq !== 1) throw new Error(`the copy holds ${copy.nextSeq} records`);
            await copy.close();
          } catch (error) {
            // Without MANIFEST a copy that was cut off is no log, and says so.
            const isNoLog = SeqlogError.is(error, "SEQLOG_DAMAGED") && error.facts.file === "/copy/MANIFEST";
            if (!isNoLog && !SeqlogError.is(error, "SEQLOG_NOT_FOUND")) throw error;
          }
        });
      }
    },
  },
  {
    name: "a record that was torn before its id's last byte is no record, though its data is whole",
    async run() {
      const disk = makeDisk();
      // The second record is a header alone, whose last byte lies in a sector of its own.
      const data = "x".repeat(449);
      const writer = await process(disk, "dies", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.append(data);
        machine.faults.on({ kind: "write", path: ".log" }, crashAfter);
        await log.append("");
      });
      disk.kill(writer);
      const path = `${directory}/00000000000000000000.log`;
      const bytes = disk.readFile(path) as Uint8Array;
      if (bytes[512] === 0) throw new OtherHistory("the id ends in zero, or the record is not where it was meant");
      bytes.fill(0, 512);
      disk.writeFile(path, bytes);
      await expectRecords(disk, [data]);
    },
  },
  {
    name: "a blocking append that meets a write in flight hears of that write's failure",
    async run() {
      // In sectors of its own, so that the disk has nothing of it.
      const second = "second".padEnd(4000, ".");
      for (let seed = 0; seed < 20; seed++) {
        const disk = makeDisk(seed);
        const acknowledged = new Set(["first"]);
        await process(disk, "lives", async (machine) => {
          const log = await FileLog.open(directory, { machine });
          await log.append("first");
          machine.faults.on({ kind: "write", path: ".log" }, failWith("EIO", 4000));
          const inFlight = log.append(second).then(
            () => acknowledged.add(second),
            () => undefined,
          );
          while (disk.log.every(({ fault }) => fault === undefined)) await machine.clock.turn();
          try {
            log.appendSync("third");
            acknowledged.add(second).add("third");
          } catch {
            // Refused, as it must be wherever the failure was heard of.
          }
          await inFlight;
        });
        disk.crash({ keep: 0 });
        await expectRecords(disk, [...acknowledged], [second, "third"].slice(acknowledged.size - 1));
      }
    },
  },
  {
    name: "a write in flight that fails after a blocking append wrote the same bytes poisons the log",
    async run() {
      for (let seed = 0; seed < 20; seed++) {
        const disk = makeDisk(seed);
        await process(disk, "lives", async (machine) => {
          const log = await FileLog.open(directory, { machine });
          const fault = failWith("EIO");
          machine.faults.on({ kind: "write", path: ".log" }, ({ background }) => (background ? fault : undefined));
          const inFlight = log.append("first").catch(() => undefined);
          await machine.clock.turn();
          log.appendSync("second");
          await inFlight;
          for (let tries = 0; tries < 20; tries++) {
            await machine.clock.turn();
            // The next background write would meet no fault: that one was for a single write.
            const refused = await log.append("later").then(
              () => false,
              (error: unknown) => SeqlogError.is(error, "SEQLOG_POISONED"),
            );
            if (refused) return;
          }
          throw new Error("a write failed, and the log goes on acknowledging");
        }).catch((error: unknown) => {
          // The failure came before the blocking append, which then was refused: another history.
          if (!SeqlogError.is(error, "SEQLOG_POISONED") && !SeqlogError.is(error, "SEQLOG_IO")) throw error;
        });
      }
    },
  },
  {
    name: "a torn tail as long as the largest write is set aside, not called damage",
    async run() {
      const disk = makeDisk();
      const writer = await process(disk, "dies", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.append("first");
        machine.faults.on({ kind: "write", path: ".log" }, crashAfter);
        await log.append("x".repeat(300_000));
      });
      disk.kill(writer);
      const path = `${directory}/00000000000000000000.log`;
      const bytes = disk.readFile(path) as Uint8Array;
      if (bytes.length < 300_000) throw new OtherHistory("the record is not there");
      // Its first sectors were lost, the others kept.
      bytes.fill(0, 37, 1024);
      disk.writeFile(path, bytes);
      await expectRecords(disk, ["first"]);
    },
  },
  {
    name: "a record that a handler gave back went to another handler, and counted as done when the first one ended",
    async run() {
      const disk = makeDisk();
      await process(disk, "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.append("first");
        const consumer = await log.consumer("billing");
        let handlers = 0;
        let second: number | undefined;
        await consumer.run(
          async (delivery) => {
            if (++handlers > 1) throw new Error("one record is in two handlers");
            if (delivery.attempt === 1) delivery.nack();
            else second = consumer.nextSeq;
            for (let turns = 0; turns < 5; turns++) await machine.clock.turn();
            handlers--;
            if (delivery.attempt === 2) void consumer.close();
          },
          { concurrency: 2 },
        );
        if (second !== 0) throw new Error(`when it came again the consumer stood at ${second}`);
        await log.close();
      });
    },
  },
  {
    name: "a consumer's mirror was ahead of its store, which had gone back",
    async run() {
      await process(makeDisk(), "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.appendBatch(["0", "1", "2", "3", "4", "5"]);
        let ahead: string | undefined;
        const save = ({ logId, generation, nextSeq }: Checkpoint): void => {
          const kept = lowestCheckpoint(machine.storage, directory, { logId, generation })?.nextSeq ?? 0;
          if (kept > nextSeq) ahead ??= `the mirror is at ${kept}, and the store goes back to ${nextSeq}`;
        };
        const consumer = await log.consumer("billing", { store: { load: () => undefined, save } });
        // Twice on, so that both of its slots have left the old place.
        for (const seq of [4, 5, 6, 2]) await consumer.seek(seq);
        await log.close();
        if (ahead !== undefined) throw new Error(ahead);
      });
    },
  },
  {
    name: "a consumer that was opened while its log was being closed kept its name",
    async run() {
      for (let seed = 0; seed < 20; seed++) {
        const disk = makeDisk(seed);
        await process(disk, "lives", async (machine) => {
          const log = await FileLog.open(directory, { machine });
          const appending = log.append("first");
          const opening = log.consumer("billing").catch(() => undefined);
          await log.close();
          await Promise.all([appending, opening]);
          if (machine.openFiles > 0) throw new Error(`${machine.openFiles} descriptors are left`);
        });
      }
    },
  },
  {
    name: "a consumer that was closed said that it stands behind what was not acknowledged",
    async run() {
      const disk = makeDisk();
      await process(disk, "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.appendBatch(["first", "second"]);
        const consumer = await log.consumer("billing");
        let left = 2;
        for await (const { seq } of consumer) if (--left === 0 && seq === 1) break;
        await consumer.close();
        if (consumer.nextSeq !== 0) throw new Error(`closed at ${consumer.nextSeq}, and nothing was acknowledged`);
        await log.close();
      });
    },
  },
  {
    name: "a consumer does not go on in a log that was put back from an older copy and then took another way",
    async run() {
      const disk = makeDisk();
      const files = new Map<string, Uint8Array>();
      const work = async (data: string): Promise<void> => {
        await process(disk, "lives", async (machine) => {
          const log = await FileLog.open(directory, { machine });
          await log.append(data);
          const consumer = await log.consumer(data === "second" ? "billing" : "other");
          if (data === "second") {
            for await (const delivery of consumer) {
              await delivery.ack();
              if (delivery.seq === 1) break;
            }
          }
          await log.close();
        });
      };
      await work("first");
      for (const name of disk.list(directory)) {
        const bytes = disk.readFile(`${directory}/${name}`);
        if (bytes !== undefined) files.set(`${directory}/${name}`, bytes.slice());
      }
      await work("second");
      for (const [path, bytes] of files) disk.writeFile(path, bytes);
      await work("another second");
      await process(disk, "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        const opened = await log.consumer("billing").then(
          () => true,
          (error: unknown) => {
            if (!SeqlogError.is(error, "SEQLOG_CHECKPOINT_MISMATCH")) throw error;
            return false;
          },
        );
        if (opened) throw new Error("it goes on in another history");
        await log.close();
      });
    },
  },
  {
    name: "a record whose dead letter could not be written is not behind the checkpoint",
    async run() {
      const disk = makeDisk();
      await process(disk, "lives", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.append("first");
        const append = (): Promise<never> => Promise.reject(new Error("it is full"));
        const deadLetter = { location: "/dead", codec: "text", append, flush: () => Promise.resolve() };
        const consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 1 } });
        const run = consumer.run(() => {
          throw new Error("bad");
        });
        await run.then(
          () => undefined,
          () => undefined,
        );
        await log.close();
      });
      await expectPosition(disk, 0);
    },
  },
  {
    name: "a checkpoint that was torn leaves the one before it",
    async run() {
      const disk = makeDisk();
      const reader = await process(disk, "dies", async (machine) => {
        const log = await FileLog.open(directory, { machine });
        await log.appendBatch(["first", "second", "third"]);
        const consumer = await log.consumer("billing");
        for await (const delivery of consumer) {
          if (delivery.seq === 2) machine.faults.on({ kind: "write", path: ".ckpt" }, crashDuring(30));
          await delivery.ack();
        }
      });
      disk.kill(reader);
      await expectPosition(disk, 2);
    },
  },
  {
    name: "a stream that a killed server marked as deleted stays so when the next one has said it",
    async run() {
      const disk = makeDisk();
      const first = await process(disk, "dies", async (machine) => {
        const store = openStreams(machine);
        const fork = { path: "a", seq: undefined, subOffset: 0 };
        const { entry } = await store.create({ ...newStream, path: "a" });
        await store.create({ ...newStream, path: "b", contentType: undefined, fork });
        machine.faults.on({ kind: "fsyncDirectory", path: entry.directory }, crashBefore);
        await store.delete("a");
      });
      disk.kill(first);
      for (const end of ["seen", "after a power cut"]) {
        await process(disk, "lives", async (machine) => {
          const isDeleted = openStreams(machine).findSurely("a")?.meta.isDeleted;
          if (isDeleted !== true) throw new Error(`${end}: the stream that was deleted is there again`);
          await Promise.resolve();
        });
        disk.crash({ keep: 0 });
      }
    },
  },
];
