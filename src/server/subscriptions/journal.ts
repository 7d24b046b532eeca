/**
 * Where subscriptions are kept: a log of their changes, `__ds/subscriptions` in the directory. A change
 * is true when it is durable, and those that come together share a write; what the records add up to
 * is all there is to know. Now and then each subscription is written again as a whole, and what lies
 * before is let go.
 */
import { join } from "node:path";
import { SeqlogError } from "../../errors.ts";
import { json } from "../../log/codec.ts";
import { FileLog } from "../../log/file-log.ts";
import type { Machine, Storage } from "../../storage/storage.ts";
import { reservedSegment } from "../streams/stream-path.ts";
import { type Change, SubscriptionState } from "./subscription-state.ts";

const segmentBytes = 4 * 1024 * 1024;

/** A subscription of very many streams is one record. */
const maxRecordBytes = 256 * 1024 * 1024;

/** Changes after which all is written again. */
const compactEvery = 10_000;

/** Where it lies. */
function journalDirectory(directory: string): string {
  return join(directory, reservedSegment, "subscriptions");
}

/** Whether a directory has one. */
export function hasJournal(storage: Storage, directory: string): boolean {
  return storage.statSync(journalDirectory(directory)) !== undefined;
}

export class Journal {
  readonly #log: FileLog<Change>;
  #sinceCompact: number;
  #isCompacting = false;

  private constructor(log: FileLog<Change>) {
    this.#log = log;
    this.#sinceCompact = log.nextSeq - log.firstSeq;
  }

  /** Opens it, or makes it, and reads it. @throws as `FileLog.open`; SEQLOG_UNSUPPORTED for changes of a later version */
  static async open(
    machine: Machine,
    directory: string,
  ): Promise<{ readonly journal: Journal; readonly states: Map<string, SubscriptionState> }> {
    const path = journalDirectory(directory);
    machine.storage.makeDirectorySync(path);
    const log = await FileLog.open(path, { machine, codec: json<Change>(), segmentBytes, maxRecordBytes });
    try {
      const states = new Map<string, SubscriptionState>();
      for await (const { data } of log.read()) fold(states, data, path);
      return { journal: new Journal(log), states };
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** Resolves when it is durable. */
  async append(change: Change): Promise<void> {
    await this.#log.append(change);
    this.#sinceCompact++;
  }

  /** Whether it has become long. */
  get isLong(): boolean {
    return this.#sinceCompact >= compactEvery && !this.#isCompacting;
  }

  /**
   * Lets go of what lies before all that `writeAll` appends: every subscription as a whole, each when no
   * change of it is under way.
   */
  async compact(writeAll: () => Promise<void>): Promise<void> {
    this.#isCompacting = true;
    try {
      const before = this.#log.nextSeq;
      this.#sinceCompact = 0;
      await writeAll();
      await this.#log.trim({ before });
    } finally {
      this.#isCompacting = false;
    }
  }

  async close(): Promise<void> {
    await this.#log.close();
  }
}

function fold(states: Map<string, SubscriptionState>, change: Change, path: string): void {
  switch (change.type) {
    case "create":
      if (change.format === 1) return void states.set(change.uid, new SubscriptionState(change));
      break;
    case "delete":
      return void states.delete(change.uid);
    case "link":
    case "unlink":
    case "wake":
    case "told":
    case "claim":
    case "ack":
      // Of one that was let go with its beginning all that counts comes later, as a whole.
      return states.get(change.uid)?.apply(change);
  }
  const reason = `a change ${JSON.stringify((change as { type: unknown }).type)} is of a later version`;
  throw new SeqlogError("SEQLOG_UNSUPPORTED", `${path}: ${reason}. Use a newer seqlog`, { path, reason });
}
