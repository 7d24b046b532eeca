/**
 * What seqlog tells whoever subscribes with `node:diagnostics_channel`. One object for each channel,
 * made here, published to by the layer that knows; docs/diagnostics.md is the page for users.
 *
 * A publisher asks `hasSubscribers` once for a batch, never for a record, and builds its message
 * only then. What a subscriber throws cannot reach the log: `publish` catches it, and Node reports
 * it as an uncaught exception at the next tick.
 */
import { type Channel, channel } from "node:diagnostics_channel";

/** Records were acknowledged: one message for each write, however many records and callers share it. */
export interface AppendMessage {
  /** The log's directory. */
  readonly path: string;
  readonly generation: number;
  /** The first record of the write. */
  readonly firstSeq: number;
  /** How many records. */
  readonly count: number;
  /** Bytes written, headers included. */
  readonly bytes: number;
  /** Whether they are on the disk: true with durability `"record"`, else they are with the operating system. */
  readonly durable: boolean;
  /** From the start of the write to the acknowledgement; left out where the subscriber came in between. */
  readonly durationMs?: number;
}

/** A sync other than an append's own has brought what was written before it to the disk. */
export interface SyncMessage {
  readonly path: string;
  /** The records themselves (only with a weaker durability than `"record"`), or the record index. */
  readonly of: "records" | "record-index";
  /** Whether it ran by itself or was asked for with `flush`. */
  readonly reason: "background" | "flush";
  readonly durationMs: number;
}

/** A segment was sealed and the next one begun. */
export interface RollMessage {
  readonly path: string;
  readonly generation: number;
  /** The file that takes no more records, and its size. */
  readonly sealed: string;
  readonly sealedBytes: number;
  /** The file that is written from now on, and the seq of its first record. */
  readonly segment: string;
  readonly firstSeq: number;
}

/** A log was opened for writing: what that found and set right. */
export interface RecoveryMessage {
  readonly path: string;
  /** Records in the log. */
  readonly records: number;
  /** Bytes of an interrupted, never acknowledged write that were set aside, in which file, and where they were. */
  readonly tornBytes: number;
  readonly savedAs?: string;
  readonly tornOffset?: number;
  /** Records that were on their way when the last writer ended, and were made durable now. */
  readonly redone: number;
  readonly indexRebuilt: boolean;
  /** The clock less the time of the last id, when they are more than a day apart. */
  readonly clockSkewMs?: number;
}

/** What a consumer did with one delivery. */
export interface DeliveryMessage {
  readonly path: string;
  /** The consumer's name. */
  readonly consumer: string;
  readonly seq: number;
  /** Counts from 1; more than 1 is a redelivery. */
  readonly attempt: number;
  /**
   * What became of it. `"expired"`: it was not acknowledged in time. In a loop it is delivered again;
   * with `run` its handler's signal is aborted, and what comes of that handler follows as an outcome of its own.
   */
  readonly outcome: "delivered" | "acknowledged" | "refused" | "expired" | "dead-lettered";
}

/**
 * The channels by name, with what is published to each.
 *
 * @example
 * ```ts
 * import { subscribe } from "node:diagnostics_channel";
 * import { type DiagnosticsMessages, openLog } from "seqlog";
 *
 * let records = 0;
 * subscribe("seqlog:append", (message) => {
 *   records += (message as DiagnosticsMessages["seqlog:append"]).count;
 * });
 *
 * const log = await openLog("./events");
 * await log.appendBatch(["a", "b", "c"]);
 * console.log(records);   // 3
 * await log.close();
 * ```
 */
export interface DiagnosticsMessages {
  readonly "seqlog:append": AppendMessage;
  readonly "seqlog:sync": SyncMessage;
  readonly "seqlog:roll": RollMessage;
  readonly "seqlog:recovery": RecoveryMessage;
  readonly "seqlog:delivery": DeliveryMessage;
}

/** A channel that takes messages of one kind. */
interface MessageChannel<Message> extends Channel {
  publish(message: Message): void;
}

function channelOf<Name extends keyof DiagnosticsMessages>(name: Name): MessageChannel<DiagnosticsMessages[Name]> {
  return channel(name);
}

export const appendChannel: MessageChannel<AppendMessage> = channelOf("seqlog:append");
export const syncChannel: MessageChannel<SyncMessage> = channelOf("seqlog:sync");
export const rollChannel: MessageChannel<RollMessage> = channelOf("seqlog:roll");
export const recoveryChannel: MessageChannel<RecoveryMessage> = channelOf("seqlog:recovery");
export const deliveryChannel: MessageChannel<DeliveryMessage> = channelOf("seqlog:delivery");
