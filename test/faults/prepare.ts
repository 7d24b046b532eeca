/** The states in which workloads find a log: closed, killed, torn, half recovered, half reset. */
import { crashAfter, crashBefore } from "../../src/testing/fault-plan.ts";
import type { FileOpenOptions } from "../../src/log/file-open-options.ts";
import type { Session } from "./session.ts";

/** Brings a log into a state, on a disk without faults but those it plans itself. */
export type Prepare = (session: Session) => Promise<void>;

/** What is done to the files when all processes have ended. */
export type Alter = (files: Map<string, Uint8Array>, session: Session) => void;

/** Records of these lengths, each appended by itself. */
export function records(lengths: readonly number[], options: FileOpenOptions = {}): Prepare {
  return async (session) => {
    await session.openLog(options);
    for (const length of lengths) await session.append(length);
  };
}

/** A log that was closed. */
export function closed(lengths: readonly number[], options: FileOpenOptions = {}): Prepare {
  return async (session) => {
    await records(lengths, options)(session);
    await session.close();
  };
}

/** Ends the process when it unlinks: a reset or trim is committed, and what it removes still there. */
export function thenCut(prepare: Prepare, work: (session: Session) => Promise<void>): Prepare {
  return async (session) => {
    await prepare(session);
    session.machine.faults.on({ kind: "unlink", path: /\.(log|idx)$/ }, crashBefore);
    await work(session);
  };
}

/** A creation that ends before MANIFEST is there. */
export const interruptedCreation: Prepare = async (session) => {
  session.machine.faults.on({ kind: "rename", path: "MANIFEST.tmp" }, crashBefore);
  await session.openLog();
};

/** A recovery that ends when its redo copy is whole. */
export const interruptedRecovery: Prepare = async (session) => {
  session.machine.faults.on({ kind: "rename", path: ".tail.tmp" }, crashAfter);
  await session.openLog();
};

/**
 * As a power cut leaves it in the middle of a write: the last entries of the record index never came
 * to the disk, and behind the last record lies a part of one that was never acknowledged.
 */
export function tear(path: string, lostEntries: number): Alter {
  return (files, session) => {
    const last = session.ledger.entries.at(-1);
    if (last?.known.offset === undefined) throw new Error("there is no record to tear behind");
    const end = last.known.offset + 32 + last.payload.length;
    const torn = Buffer.from(files.get(path) ?? []).subarray(last.known.offset, end - 5);
    files.set(path, Buffer.concat([Buffer.from(files.get(path) ?? []).subarray(0, end), torn]));
    cutEntries(path, lostEntries)(files, session);
  };
}

/** The last entries of the record index never came to the disk. */
export function cutEntries(path: string, count: number): Alter {
  return (files) => {
    const at = path.replace(/log$/, "idx");
    const entries = files.get(at) ?? new Uint8Array(0);
    files.set(at, entries.slice(0, entries.length - 16 * count));
  };
}

/** A file is gone. */
export function lose(...paths: readonly string[]): Alter {
  return (files) => {
    for (const path of paths) if (!files.delete(path)) throw new Error(`${path} is not there to be lost`);
  };
}

/** One after the other. */
export function all(...alters: readonly Alter[]): Alter {
  return (files, session) => {
    for (const alter of alters) alter(files, session);
  };
}
