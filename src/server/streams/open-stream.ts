/**
 * The log of one stream while it is open: appends that are checked and queued in one step, reads, and
 * those who wait for more.
 *
 * It is opened to read where nobody has to recover anything, and takes the writer's lock at the first
 * append. A log that was not closed and that nobody holds was left by a crash: it is opened to write
 * at once, since only recovery can say how far it goes.
 *
 * Invariants:
 * - An append is judged by the state with everything that is on its way; any other answer than
 *   "accept" is given by the durable state alone.
 * - Appends name the seq that they must get, so when one fails all behind it fail too.
 */
import { SeqlogError } from "../../errors.ts";
import type { Codec } from "../../log/codec.ts";
import { lockPath } from "../../log/directory-writer.ts";
import { FileLog } from "../../log/file-log.ts";
import { loadManifest } from "../../log/manifest.ts";
import { closedError } from "../../segment/read-range.ts";
import { runSync } from "../../storage/plan.ts";
import type { Machine } from "../../storage/storage.ts";
import { mayBeHeld } from "../../storage/writer-lock.ts";
import { type Frame, decodeFrame, encodeFrame, frameCodecName, isCloseOnly } from "../frame/frame.ts";
import { Changes } from "./changes.ts";
import { inTurnOfReads } from "./disk-reads.ts";
import { RecentParts } from "./recent-parts.ts";
import { type Piece, emptyPiece } from "./source.ts";
import { hasSnapshot, loadSnapshot, storeSnapshot } from "./state-snapshot.ts";
import { PendingState, StreamState, type Verdict, judge } from "./stream-state.ts";

/** Frames come and go as bytes: what is hot encodes and decodes them by itself. */
const frames: Codec<Uint8Array> = {
  name: frameCodecName,
  encode: (bytes) => bytes,
  decode: (bytes) => bytes,
};

/** Records between two snapshots of the state. */
const snapshotEvery = 10_000;

/** What an append came to. */
export type AppendResult =
  | { readonly kind: "appended"; readonly tail: number; readonly isClosed: boolean }
  | (Exclude<Verdict, { kind: "accept" }> & { readonly tail: number; readonly isClosed: boolean });

/** What opening to write finds out. */
interface Replayed {
  readonly logId: string;
  readonly state: StreamState;
  readonly snapshotSeq: number;
  /** Whether there is a snapshot that could not be used. */
  readonly isRefused: boolean;
}

/** How to open. */
export interface OpenOptions {
  /** Bytes of the largest frame. */
  readonly maxRecordBytes: number;
}

function openWriter(
  machine: Machine,
  directory: string,
  { maxRecordBytes }: OpenOptions,
): Promise<FileLog<Uint8Array>> {
  return FileLog.open(directory, { machine, codec: frames, create: false, maxRecordBytes });
}

function openReader(machine: Machine, directory: string): Promise<FileLog<Uint8Array>> {
  return FileLog.open(directory, { machine, codec: frames, readOnly: true });
}

/** Whether a close left the log as it is. */
export function wasClosed(machine: Machine, directory: string): boolean {
  const manifest = runSync(loadManifest(machine.storage, directory));
  return manifest !== undefined && manifest.state !== "open";
}

export class OpenStream {
  readonly changes: Changes;
  readonly #machine: Machine;
  readonly #directory: string;
  readonly #options: OpenOptions;
  #log: FileLog<Uint8Array>;
  #isWriter: boolean;
  /** Of a writer all there is to know; of a reader only the tail and whether it is closed. */
  #state: StreamState;
  #pending: PendingState;
  #recent = new RecentParts();
  #inFlight = 0;
  /** An append failed: those behind it are failing too, and nothing is accepted until all have. */
  #isFailing = false;
  #settledCallers: (() => void)[] = [];
  #snapshotSeq = 0;
  /** Known once it is open to write. */
  #logId = "";
  #segment: string | undefined;
  #upgrade: Promise<void> | undefined;
  /** Ends the following of a log that another process writes. */
  #following: AbortController | undefined;
  #followers = 0;
  #failure: Error | undefined;

  private constructor(
    machine: Machine,
    directory: string,
    options: OpenOptions,
    log: FileLog<Uint8Array>,
    isWriter: boolean,
  ) {
    this.changes = new Changes(machine.clock);
    this.#machine = machine;
    this.#directory = directory;
    this.#options = options;
    this.#log = log;
    this.#isWriter = isWriter;
    this.#state = new StreamState(log.nextSeq);
    this.#pending = new PendingState(this.#state);
  }

  static async open(machine: Machine, directory: string, options: OpenOptions): Promise<OpenStream> {
    if (!wasClosed(machine, directory)) {
      try {
        const writer = await openWriter(machine, directory, options);
        return await OpenStream.#begin(new OpenStream(machine, directory, options, writer, true));
      } catch (error) {
        if (!SeqlogError.is(error, "SEQLOG_LOCKED")) throw error;
      }
    }
    const reader = await openReader(machine, directory);
    return OpenStream.#begin(new OpenStream(machine, directory, options, reader, false));
  }

  static async #begin(stream: OpenStream): Promise<OpenStream> {
    try {
      if (stream.#isWriter) stream.#takeOver(stream.#log, await stream.#replay(stream.#log));
      else await stream.#look();
      return stream;
    } catch (error) {
      await stream.#log.close();
      throw error;
    }
  }

  /** The first seq of the log: of a fork where it left its source. */
  get first(): number {
    return this.#log.firstSeq;
  }

  get tail(): number {
    return this.#state.tail;
  }

  get isClosed(): boolean {
    return this.#state.isClosed;
  }

  /** Whether an append is on its way, or somebody follows. */
  get isBusy(): boolean {
    return this.#inFlight > 0 || this.#followers > 0 || this.#upgrade !== undefined || this.changes.hasWaiters;
  }

  get isWriter(): boolean {
    return this.#isWriter;
  }

  /** Whether another process writes the log, or recovers it: until it has, only a part of what is durable is proven. */
  get mayGoFurther(): boolean {
    return !this.#isWriter && mayBeHeld(this.#machine.storage, lockPath(this.#directory));
  }

  /** Whether it is just being opened to write. */
  get isUpgrading(): boolean {
    return this.#upgrade !== undefined;
  }

  /** Whether somebody reads what comes. */
  get isFollowed(): boolean {
    return this.#followers > 0;
  }

  /** What ended it, a close too: it must be opened again. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Appends a frame, if it may be; resolves when it is durable, or when it is known why not.
   * @throws SEQLOG_LOCKED when another process writes the log, and whatever `FileLog.append` throws
   */
  async append(frame: Frame): Promise<AppendResult> {
    this.#throwIfOver();
    if (!this.#isWriter) await this.#becomeWriter();
    // It may have been closed while its log was being opened.
    this.#throwIfOver();
    const claim = { producer: frame.producer, streamSeq: frame.streamSeq, isCloseOnly: isCloseOnly(frame) };
    for (;;) {
      const verdict = this.#isFailing ? undefined : judge(this.#pending, claim);
      if (verdict?.kind === "accept") return await this.#write(frame);
      const firm = judge(this.#state, claim);
      // By what is on the disk it is the same: nothing on its way can change that.
      if (firm.kind !== "accept" && firm.kind === verdict?.kind) {
        return { ...firm, tail: this.#state.tail, isClosed: this.#state.isClosed };
      }
      await new Promise<void>((resolve) => this.#settledCallers.push(resolve));
    }
  }

  #throwIfOver(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #write(frame: Frame): Promise<AppendResult> {
    const expectedSeq = this.#state.nextSeq + this.#inFlight;
    this.#pending.apply(frame);
    this.#inFlight++;
    try {
      const { segment } = await this.#log.append(encodeFrame(frame), { expectedSeq });
      this.#state.apply(frame);
      const { tail, isClosed } = this.#state;
      if (this.#followers > 0) this.#recent.add(expectedSeq, frame);
      else this.#recent.clear();
      this.changes.bump();
      this.#noteSegment(segment);
      return { kind: "appended", tail, isClosed };
    } catch (error) {
      this.#isFailing = true;
      if (SeqlogError.is(error, "SEQLOG_POISONED") || SeqlogError.is(error, "SEQLOG_CLOSED")) this.#failure = error;
      throw error;
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) {
        this.#pending.clear();
        this.#isFailing = false;
      }
      for (const resolve of this.#settledCallers.splice(0)) resolve();
    }
  }

  /** Keeps what opening has to replay short. */
  #noteSegment(segment: string): void {
    const isRolled = this.#segment !== undefined && this.#segment !== segment;
    this.#segment = segment;
    if (isRolled || this.#state.nextSeq - this.#snapshotSeq >= snapshotEvery) this.#storeSnapshot();
  }

  #storeSnapshot(): void {
    if (this.#snapshotSeq === this.#state.nextSeq) return;
    this.#snapshotSeq = this.#state.nextSeq;
    try {
      storeSnapshot(this.#machine.storage, this.#directory, this.#logId, this.#state);
    } catch (error) {
      // The records say the same; opening only takes longer.
      if (!(error instanceof SeqlogError)) throw error;
    }
  }

  async #becomeWriter(): Promise<void> {
    this.#upgrade ??= this.#openForWriting().finally(() => (this.#upgrade = undefined));
    await this.#upgrade;
  }

  async #openForWriting(): Promise<void> {
    const writer = await openWriter(this.#machine, this.#directory, this.#options);
    let replayed: Replayed;
    try {
      replayed = await this.#replay(writer);
    } catch (error) {
      await writer.close();
      throw error;
    }
    const reader = this.#log;
    this.#takeOver(writer, replayed);
    this.#following?.abort();
    this.#following = undefined;
    await reader.close();
    this.changes.bump();
  }

  /** The state from the snapshot and the records after it. */
  async #replay(log: FileLog<Uint8Array>): Promise<Replayed> {
    const { storage } = this.#machine;
    const logId = runSync(loadManifest(storage, this.#directory))?.logId ?? "";
    const { firstSeq, nextSeq } = log;
    const snapshot = loadSnapshot(storage, this.#directory, { logId, firstSeq, nextSeq });
    const state = snapshot ?? new StreamState(firstSeq);
    const snapshotSeq = snapshot === undefined ? firstSeq : snapshot.nextSeq;
    for await (const batch of log.readBatches({ from: state.nextSeq })) {
      for (let i = 0; i < batch.count; i++) state.apply(frameAt(log, state.nextSeq, batch.bytesAt(i)));
    }
    return { logId, state, snapshotSeq, isRefused: snapshot === undefined && hasSnapshot(storage, this.#directory) };
  }

  /** In one step: nobody sees the log of the writer with the state of a reader, which knows no producers, or the other way round. */
  #takeOver(writer: FileLog<Uint8Array>, { logId, state, snapshotSeq, isRefused }: Replayed): void {
    this.#log = writer;
    this.#isWriter = true;
    this.#logId = logId;
    this.#snapshotSeq = snapshotSeq;
    this.#setState(state);
    // One that was refused would be so every time; and what took long to replay need not be replayed again.
    if (isRefused || state.nextSeq - snapshotSeq >= snapshotEvery) this.#storeSnapshot();
  }

  /** Of a log that is only read: how far it goes, and whether its last record closes it. */
  async #look(): Promise<void> {
    const log = this.#log;
    const { nextSeq } = log;
    const state = new StreamState(nextSeq);
    const last = nextSeq > log.firstSeq ? await log.get(nextSeq - 1) : undefined;
    if (last !== undefined) {
      const frame = frameAt(log, nextSeq - 1, last.bytes);
      state.isClosed = frame.close;
      if (isCloseOnly(frame)) state.tail = nextSeq - 1;
    }
    // What was looked up meanwhile may be further, and what became the writer knows more.
    if (this.#log === log && nextSeq >= this.#state.nextSeq) this.#setState(state);
  }

  #setState(state: StreamState): void {
    this.#state = state;
    this.#pending = new PendingState(state);
  }

  /** The log's own records from `from` on, up to `to`; what lies before its first is not its own. */
  read(from: number, to: number, maxBytes: number): Promise<Piece> | Piece {
    const end = Math.min(to, this.#state.tail);
    if (from >= end) return emptyPiece(from);
    const { clock } = this.#machine;
    return (
      this.#recent.read(from, end, maxBytes) ?? inTurnOfReads(clock, () => this.#readFromDisk(from, end, maxBytes))
    );
  }

  async #readFromDisk(from: number, to: number, maxBytes: number): Promise<Piece> {
    const parts: Uint8Array[] = [];
    let next = from;
    for await (const batch of this.#log.readBatches({ from, to, maxBytes })) {
      for (let i = 0; i < batch.count; i++) {
        const { payload } = frameAt(this.#log, next, batch.bytesAt(i));
        if (payload.length > 0) parts.push(payload);
        next++;
      }
      break;
    }
    return { from, next, parts };
  }

  /** The frame of one record of its own. */
  async frame(seq: number): Promise<Frame | undefined> {
    const record = seq < this.#state.nextSeq ? await this.#log.get(seq) : undefined;
    return record === undefined ? undefined : frameAt(this.#log, seq, record.bytes);
  }

  /** Takes notice of what another process appends, as long as anybody follows. */
  follow(): () => void {
    this.#followers++;
    if (!this.#isWriter && this.#following === undefined) {
      this.#following = new AbortController();
      void this.#followOther(this.#following.signal);
    }
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--this.#followers > 0) return;
      this.#following?.abort();
      this.#following = undefined;
      this.#recent.clear();
    };
  }

  async #followOther(signal: AbortSignal): Promise<void> {
    const log = this.#log;
    try {
      for await (const _ of log.readBatches({ from: this.#state.nextSeq, live: true, signal })) {
        if (this.#isWriter) return;
        await this.#look();
        this.changes.bump();
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#failure = error as Error;
      this.changes.bump();
    }
  }

  /** Brings a log that another process writes up to date. */
  async refresh(): Promise<void> {
    if (this.#isWriter) return;
    // It looks for new records.
    await this.#log.stats();
    if (this.#log.nextSeq !== this.#state.nextSeq && !this.#isWriter) await this.#look();
  }

  /** Waits for what is on its way, and gives up files and lock. */
  async close(): Promise<void> {
    // A writer that is just being opened is closed too.
    await this.#upgrade?.catch(() => undefined);
    this.#following?.abort();
    const isWhole = this.#isWriter && this.#failure === undefined;
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#settledCallers.push(resolve));
    this.#failure ??= closedError(this.#directory);
    if (isWhole) this.#storeSnapshot();
    await this.#log.close();
    this.changes.bump();
  }
}

function frameAt(log: FileLog<Uint8Array>, seq: number, bytes: Uint8Array): Frame {
  try {
    return decodeFrame(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SeqlogError(
      "SEQLOG_INVALID_DATA",
      `${log.location}: record ${seq} is whole, but not a frame of a stream: ${reason}`,
      { seq: seq as never, bytes, reason },
      { cause: error },
    );
  }
}
