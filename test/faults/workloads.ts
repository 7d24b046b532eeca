/**
 * What the search goes through: short, deterministic pieces of work on a log, each with the state
 * that it begins in. Every operation that a workload makes after `begin` fails once in every way.
 */
import { FileLog } from "../../src/log/file-log.ts";
import { rebuildIndex, repair } from "../../src/log/repair.ts";
import { verify } from "../../src/log/verify.ts";
import { SeqlogError } from "../../src/errors.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { BrokenPromise, type Ledger } from "./ledger.ts";
import { type Place, directoryPlace, filePlace } from "./place.ts";
import {
  type Alter,
  type Prepare,
  all,
  closed,
  cutEntries,
  interruptedCreation,
  interruptedRecovery,
  lose,
  records,
  tear,
  thenCut,
} from "./prepare.ts";
import type { Session } from "./session.ts";

/** One piece of work. */
export interface Workload {
  readonly name: string;
  readonly place: Place;
  /** Steps in processes of their own, each ended when it is done; then the files are altered. */
  readonly prepare?: readonly (Prepare | { readonly alter: Alter })[];
  run(session: Session): Promise<void>;
  /** The kind of machine; by default the seed decides. */
  readonly features?: { readonly hasDsync: boolean; readonly prefersZeroAhead: boolean };
  /** Done before the log is opened again, where opening alone is not meant to be enough. */
  mend?(machine: SimulatedMachine): Promise<void>;
  /** More to check after the end, when the log itself was found in order. */
  check?(machine: SimulatedMachine, ledger: Ledger): Promise<void>;
  /** Whether record indexes of sealed segments may be missing or half made until the log is opened: `verify` says so. */
  readonly lacksIndex?: boolean;
  /** Whether each recovery after a crash is crashed again at each of its operations. */
  readonly isSmall?: boolean;
}

const directory = directoryPlace("/log");
const file = filePlace("/events.log");
const first = "/log/00000000000000000000.log";
const three = [20, 300, 40] as const;
/** A segment takes three of these. */
const rolling = { segmentBytes: 1024 } as const;
const big = 300;

/** Opens the log that is there; what comes then is searched. */
async function opened(session: Session, options: Parameters<Session["openLog"]>[0] = {}): Promise<void> {
  await session.openLog(options);
  session.begin();
}

async function readBack(session: Session): Promise<void> {
  await session.attempt(
    () => session.open?.readAll(),
    (found) => {
      if (found === undefined) return;
      session.ledger.checkPart(found);
      for (const { seq, payload } of found.records) session.ledger.served(seq, payload);
    },
  );
}

/** Opens the log and reads what it serves. */
async function openAndRead(session: Session): Promise<void> {
  await session.attempt(() => session.openLog());
  if (session.open === undefined || !session.machine.running) return;
  // What is served now was made durable before.
  await session.attempt(
    () => session.open?.readAll(),
    (found) => found !== undefined && session.ledger.recovered(found, false),
  );
}

const copy = directoryPlace("/copy");

/** A copy is whole or no log at all. */
async function checkCopy(machine: SimulatedMachine, ledger: Ledger): Promise<void> {
  let log: FileLog;
  try {
    log = await FileLog.open(copy.path, { machine, readOnly: true });
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_NOT_FOUND")) return;
    if (SeqlogError.is(error, "SEQLOG_DAMAGED") && error.facts.file === `${copy.path}/MANIFEST`) return;
    throw error;
  }
  const payloads: string[] = [];
  for await (const record of log.read()) payloads.push(Buffer.from(record.bytes).toString());
  await log.close();
  // The log went on afterwards; the copy did not.
  const expected = ledger.entries.slice(0, 8).map(({ payload }) => payload);
  if (payloads.join() !== expected.join()) throw new BrokenPromise(`the copy holds ${payloads.join()}`);
  const { ok, damage } = await verify(copy.path, { machine });
  if (!ok) throw new BrokenPromise(`the copy is damaged: ${damage[0]?.reason}`);
}

/** All of them. */
export const workloads: readonly Workload[] = [
  {
    name: "open-new",
    place: directory,
    isSmall: true,
    run: async (session) => {
      await session.attempt(() => session.openLog());
      if (session.open !== undefined) await session.append();
    },
  },
  {
    name: "open-interrupted-creation",
    place: directory,
    prepare: [interruptedCreation],
    run: async (session) => {
      await session.attempt(() => session.openLog());
      if (session.open !== undefined) await session.append();
    },
  },
  {
    name: "append",
    place: directory,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session);
      await session.append();
      await session.append(400);
    },
  },
  {
    name: "append-concurrently",
    place: directory,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session);
      const begun = [session.append(), session.append(700), session.append(0)];
      await begun[0];
      await Promise.all([...begun, session.append(), session.append(30), readBack(session)]);
    },
  },
  {
    name: "append-without-dsync",
    place: directory,
    features: { hasDsync: false, prefersZeroAhead: false },
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session, rolling);
      const begun = [session.append(), session.append(700)];
      await session.machine.clock.turn();
      begun.push(session.append(30), session.appendSync(40), session.append());
      await Promise.all(begun);
      await session.append();
    },
  },
  {
    name: "append-batch",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session, rolling);
      await Promise.all([session.appendBatch(3, 60), session.appendBatch(5, 250), session.append()]);
      await session.appendBatch(2);
    },
  },
  {
    name: "append-sync-between",
    place: directory,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session);
      const begun = [session.append(), session.append(30)];
      await session.machine.clock.turn();
      begun.push(session.append(50), session.appendSync(600), session.append(10));
      await Promise.all(begun);
      await session.appendSync();
    },
  },
  {
    name: "append-batch-sync",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session);
      await session.appendBatchSync(3, 200);
      const begun = session.append();
      await session.machine.clock.turn();
      await session.appendBatchSync(2, 500);
      await begun;
    },
  },
  {
    name: "roll",
    place: directory,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session, rolling);
      for (let i = 0; i < 3; i++) await Promise.all([session.append(big), session.append(big), session.append(big)]);
    },
  },
  {
    name: "roll-sync",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session, rolling);
      for (let i = 0; i < 3; i++) await session.appendSync(big);
      const begun = session.append(big);
      await session.machine.clock.turn();
      await session.appendBatchSync(4, big);
      await begun;
    },
  },
  {
    name: "reset",
    place: directory,
    prepare: [closed([big, big, big, big, big], rolling)],
    isSmall: true,
    run: async (session) => {
      await opened(session, rolling);
      await session.reset();
      await session.append();
    },
  },
  {
    name: "reset-queued",
    place: directory,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session, rolling);
      const begun = [session.append(), session.append(big)];
      await session.machine.clock.turn();
      begun.push(session.append(big), session.reset(), session.append(big), session.append(40));
      await Promise.all(begun);
    },
  },
  {
    name: "trim",
    place: directory,
    prepare: [closed([big, big, big, big], rolling)],
    isSmall: true,
    run: async (session) => {
      await opened(session, rolling);
      await session.trim(3);
      await session.append();
    },
  },
  {
    name: "trim-many",
    place: directory,
    prepare: [closed([big, big, big, big, big, big, big, big], rolling)],
    run: async (session) => {
      await opened(session, rolling);
      await session.append(big);
      await session.trim(4);
      await session.append(big);
      await session.trim(8);
      await session.append(big);
    },
  },
  {
    name: "close",
    place: directory,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await session.openLog();
      await session.append();
      session.begin();
      await session.close();
    },
  },
  {
    name: "close-in-flight",
    place: directory,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session);
      const begun = [session.append(), session.append(900)];
      await session.machine.clock.turn();
      begun.push(session.append(40), session.close());
      await Promise.all(begun);
    },
  },
  {
    name: "close-sync-in-flight",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session);
      const begun = [session.append(), session.append(900)];
      await session.machine.clock.turn();
      begun.push(session.append(40));
      session.closeSync();
      await Promise.all(begun);
    },
  },
  {
    name: "flush-os",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session, { durability: "os", ...rolling });
      await session.append(big);
      await session.flush();
      const begun = [session.append(big), session.append(big)];
      await Promise.all([...begun, session.flush()]);
      await session.appendSync();
    },
  },
  {
    name: "close-os",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await session.openLog({ durability: "os" });
      await session.append();
      session.begin();
      await Promise.all([session.append(), session.close()]);
    },
  },
  {
    name: "interval",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session, { durability: { intervalMs: 5 } });
      for (let i = 0; i < 2; i++) {
        await session.append(60);
        const { clock } = session.machine;
        await new Promise<void>((resolve) => void clock.after(20, resolve, { keepAlive: true }));
      }
      await session.append();
    },
  },
  {
    name: "index-sync",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session);
      await session.append();
      const { clock } = session.machine;
      await new Promise<void>((resolve) => void clock.after(1500, resolve, { keepAlive: true }));
      await session.append();
    },
  },
  {
    name: "window-raise",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await opened(session);
      await Promise.all([session.append(70 * 1024), session.append()]);
    },
  },
  {
    name: "open-closed",
    place: directory,
    prepare: [closed([big, big, big, big], rolling)],
    run: openAndRead,
  },
  {
    name: "open-sync-torn",
    place: directory,
    prepare: [records(three), { alter: tear(first, 2) }],
    run: async (session) => {
      await session.attempt(() => session.openLogSync());
    },
  },
  {
    name: "open-torn",
    place: directory,
    prepare: [records(three), { alter: tear(first, 2) }],
    isSmall: true,
    run: openAndRead,
  },
  {
    name: "open-tail",
    place: directory,
    prepare: [records(three), { alter: tear(first, 2) }, interruptedRecovery],
    isSmall: true,
    run: openAndRead,
  },
  {
    name: "open-index-lost",
    place: directory,
    prepare: [records(three), { alter: lose("/log/00000000000000000000.idx") }],
    run: openAndRead,
  },
  {
    name: "open-sealed-index-lost",
    place: directory,
    lacksIndex: true,
    prepare: [
      closed([big, big, big, big, big], rolling),
      { alter: all(lose("/log/00000000000000000000.idx"), cutEntries("/log/00000000000000000003.log", 1)) },
    ],
    run: openAndRead,
  },
  {
    name: "open-two-generations",
    place: directory,
    prepare: [thenCut(records([big, big, big, big], rolling), (session) => session.reset())],
    isSmall: true,
    run: openAndRead,
  },
  {
    name: "open-half-trimmed",
    place: directory,
    prepare: [thenCut(records([big, big, big, big, big, big, big], rolling), (session) => session.trim(6))],
    run: openAndRead,
  },
  {
    name: "repair",
    place: directory,
    prepare: [records([big, big, big, big], rolling), { alter: tear("/log/00000000000000000003.log", 1) }],
    run: async (session) => {
      await session.attempt(() => repair("/log", { machine: session.machine }));
    },
  },
  {
    name: "repair-manifest-lost",
    place: directory,
    lacksIndex: true,
    prepare: [closed([big, big, big, big], rolling), { alter: lose("/log/MANIFEST") }],
    run: async (session) => {
      await session.attempt(() => repair("/log", { machine: session.machine }));
    },
    mend: async (machine) => void (await repair("/log", { machine })),
  },
  {
    name: "rebuild-index",
    place: directory,
    lacksIndex: true,
    prepare: [closed([big, big, big, big], rolling)],
    run: async (session) => {
      await session.attempt(() => rebuildIndex("/log", { machine: session.machine }));
    },
  },
  {
    name: "copy",
    place: directory,
    prepare: [closed([big, big, big, big, big, big, big], rolling)],
    run: async (session) => {
      await session.openLog(rolling);
      await session.append(big);
      session.begin();
      await session.attempt(() => session.log.copyTo(copy.path));
    },
    check: checkCopy,
  },
  {
    name: "verify",
    place: directory,
    prepare: [closed([big, big, big, big], rolling)],
    run: async (session) => {
      await session.attempt(
        () => verify("/log", { machine: session.machine }),
        ({ ok, damage }) => {
          if (!ok) throw new BrokenPromise(`verify calls a log damaged that is not: ${damage[0]?.reason}`);
        },
      );
    },
  },
  {
    name: "follow",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await session.openLog();
      await session.append();
      const following = session.follow();
      await following.until(4);
      session.begin();
      await Promise.all([session.append(), session.append(60)]);
      await session.appendSync();
      await following.until(session.log.nextSeq);
      await following.stop();
    },
  },
  {
    name: "follower",
    place: directory,
    prepare: [closed(three)],
    run: async (session) => {
      await session.openLog(rolling);
      await session.append();
      session.failSecond();
      session.begin();
      const following = session.follow();
      await following.until(4);
      await Promise.all([session.append(big), session.append(big)]);
      await following.until(session.log.nextSeq);
      await following.stop();
    },
  },
  {
    name: "file-open-new",
    place: file,
    isSmall: true,
    run: async (session) => {
      await session.attempt(() => session.openLog());
      if (session.open !== undefined) await session.append();
    },
  },
  {
    name: "file-append",
    place: file,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session);
      const begun = [session.append(), session.append(600)];
      await begun[0];
      await Promise.all([...begun, session.append()]);
    },
  },
  {
    name: "file-reset",
    place: file,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session);
      const begun = [session.append(), session.reset(), session.append(40)];
      await Promise.all(begun);
    },
  },
  {
    name: "file-close",
    place: file,
    prepare: [closed(three)],
    isSmall: true,
    run: async (session) => {
      await opened(session);
      await Promise.all([session.append(), session.close()]);
    },
  },
  {
    name: "file-open-torn",
    place: file,
    prepare: [records(three), { alter: tear("/events.log", 2) }],
    isSmall: true,
    run: openAndRead,
  },
  {
    name: "file-open-index-lost",
    place: file,
    prepare: [closed(three), { alter: lose("/events.idx") }],
    run: openAndRead,
  },
  {
    name: "file-open-tail",
    place: file,
    prepare: [records(three), { alter: tear("/events.log", 2) }, interruptedRecovery],
    isSmall: true,
    run: openAndRead,
  },
];
