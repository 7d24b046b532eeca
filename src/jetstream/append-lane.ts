/**
 * The appends of one open log on their way into its stream, in the order of the calls.
 *
 * Every message names the one that it expects before it, by its number (`Nats-Expected-Last-Sequence`)
 * and, in a stream of one replica and where that is one of this lane, by its message id
 * (`Nats-Expected-Last-Msg-Id`): a number alone may be reached by what another program appended. With
 * replicas the id must not be named: one that was down for longer than the duplicate window knows no
 * last id, refuses what the others took, and lacks acknowledged records when it leads. So none can overtake one that was lost: when anything goes wrong (an acknowledgement that does not
 * come, a new leader, another program's append) the lane goes back to the first message that was not
 * acknowledged and sends from there again. What was stored after all is answered as a duplicate, by
 * its `Nats-Msg-Id`.
 *
 * Invariants:
 * - A record is acknowledged when the server's acknowledgement for it came, by nothing else.
 * - Records of this lane lie in the stream in the order in which they were added, whatever fails;
 *   with replicas, while no other program appends.
 * - After a failure that patience did not outlast, everything that waits is rejected; each of these
 *   records may be in the stream all the same, but none behind a gap of another.
 */
import type { Msg, Subscription } from "@nats-io/transport-node";
import { createInbox } from "@nats-io/transport-node";
import { SeqlogError } from "../errors.ts";
import { conflictError } from "../segment/batch.ts";
import { recordHeaders } from "./record-message.ts";
import { errorCode } from "./server-errors.ts";
import { ioError } from "./stream-connection.ts";
import type { StreamView } from "./stream-view.ts";

/** Sent and not acknowledged, at most. */
const mostBytes = 8 * 1024 * 1024;
const mostMessages = 4096;

/** Without an answer for so long the lane asks how things are. */
const silenceMs = 5000;

/** Without progress for so long another server is asked. */
const moveOnMs = 3000;

/** There is no room: of the server, of the account, of the stream. */
const full = new Set([10_023, 10_047, 10_077]);

/** A record on its way. */
export interface LaneItem {
  readonly data: Uint8Array;
  readonly id: string;
  /** What the server knows a repetition by. */
  readonly messageId: string;
  /** −1: any. */
  readonly expectedSeq: number;
  /** @param duplicate nothing was stored now: it, or another of its message id, was there */
  settled(seq: number, duplicate: boolean): void;
  failed(error: Error): void;
  /** Whether it is no longer wanted: another of its batch has failed. */
  readonly isOver: boolean;
}

interface Place {
  readonly item: LaneItem;
  /** The message that it was sent to follow, the last time. */
  expected: number;
  isAlone: boolean;
  isDone: boolean;
}

/** Something that is done when all before it is, and before anything after it. */
interface Barrier {
  run(): Promise<void>;
  failed(error: Error): void;
}

export class AppendLane {
  readonly #view: StreamView;
  readonly #patienceMs: number;
  readonly #isOneReplica: boolean;
  readonly #inbox = createInbox();
  readonly #subscription: Subscription;
  readonly #ignoreLoss: () => void;
  /** What waits, in order; those before `#head` are done. */
  #queue: (Place | Barrier)[] = [];
  #head = 0;
  /** The first that is not sent. */
  #sent = 0;
  /** By the last token of the subject that its acknowledgement comes on. */
  readonly #byToken = new Map<string, Place>();
  #tokens = 0;
  /** Answers to messages of an earlier try say only what was stored. */
  #firstToken = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  #window = mostMessages;
  /** The messages in the stream before the next one that is sent; undefined when it has to be asked. */
  #base: number | undefined;
  /** The message id of the one that was sent last, if the next one must follow it. */
  #previous: string | undefined;
  /** A recovery, or a barrier, is under way. */
  #isBusy = false;
  #isAloneOut = false;
  #progressAt = 0;
  #heardAt = 0;
  #cancelWatch: (() => void) | undefined;
  #idle: (() => void)[] = [];
  #pendingBytes = 0;
  #onLess: () => void = () => {};

  constructor(view: StreamView, patienceMs: number, replicas: number) {
    this.#view = view;
    this.#patienceMs = patienceMs;
    this.#isOneReplica = replicas === 1;
    const { connection } = view;
    this.#subscription = connection.nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answered(message);
      },
    });
    this.#ignoreLoss = connection.whenLost(() => void this.#recover("the connection was lost"));
  }

  /** Bytes of data accepted and not acknowledged. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Called when there are fewer. */
  set onLess(call: () => void) {
    this.#onLess = call;
  }

  add(items: readonly LaneItem[]): void {
    if (this.#head === this.#queue.length) this.#progressAt = this.#view.connection.clock.now();
    for (const item of items) {
      this.#pendingBytes += item.data.length;
      this.#queue.push({ item, expected: -1, isAlone: false, isDone: false });
    }
    this.#pump();
  }

  /** Runs something between what was added before and what is added after; resolves with it. */
  barrier(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ run: () => run().then(resolve), failed: reject });
      this.#pump();
    });
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.#head < this.#queue.length) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** The stream was made anew: it is empty. */
  begunAnew(): void {
    this.#goBackTo(0);
    this.#window = mostMessages;
  }

  close(): void {
    this.#endWatch();
    this.#ignoreLoss();
    this.#subscription.unsubscribe();
  }

  #pump(): void {
    while (!this.#isBusy && !this.#isAloneOut) {
      const next = this.#queue[this.#sent];
      if (next === undefined) return;
      if (!("item" in next)) {
        if (this.#head === this.#sent) void this.#pass(next);
        return;
      }
      if (next.item.isOver || next.isDone) {
        next.isDone = true;
        this.#sent++;
        this.#advance();
        continue;
      }
      if (this.#inFlight >= this.#window || this.#inFlightBytes >= mostBytes) return;
      if (this.#base === undefined) return void this.#recover("");
      const { expectedSeq } = next.item;
      // The server decides, since its key may be one that is known: but when all before it is there.
      const isAlone = expectedSeq >= 0 && expectedSeq !== this.#base;
      if (isAlone && this.#inFlight > 0) return;
      this.#send(next, isAlone ? expectedSeq : this.#base, isAlone);
    }
  }

  #send(place: Place, expected: number, isAlone: boolean): void {
    const { item } = place;
    const { nats, location } = this.#view.connection;
    place.expected = expected;
    place.isAlone = isAlone;
    this.#isAloneOut = isAlone;
    this.#sent++;
    this.#inFlight++;
    this.#inFlightBytes += item.data.length;
    const follows = isAlone || !this.#isOneReplica ? undefined : this.#previous;
    this.#previous = isAlone ? undefined : item.messageId;
    if (!isAlone) this.#base = expected + 1;
    const token = String(this.#tokens++);
    this.#byToken.set(token, place);
    try {
      nats.publish(location.stream, item.data, {
        // The client asks its headers for nothing but their bytes.
        headers: recordHeaders(item.id, item.data, expected, item.messageId, follows) as never,
        reply: `${this.#inbox}.${token}`,
      });
    } catch (error) {
      return void this.#recover(error instanceof Error ? error.message : String(error));
    }
    this.#watch();
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const place = this.#byToken.get(token);
    if (place === undefined) return;
    this.#byToken.delete(token);
    const isCurrent = Number(token) >= this.#firstToken;
    if (isCurrent) {
      this.#inFlight--;
      this.#inFlightBytes -= place.item.data.length;
    }
    if (message.data.length === 0) {
      if (isCurrent) void this.#recover("no server leads the stream now");
      return;
    }
    const answer = message.json<Answer>();
    if (answer.error === undefined) this.#stored(place, answer, isCurrent);
    else if (isCurrent) this.#refused(place, answer.error);
  }

  #stored(place: Place, { seq, duplicate = false }: Answer, isCurrent: boolean): void {
    if (isCurrent) {
      if (place.isAlone) this.#isAloneOut = false;
      // What follows expects one more than there are; what is on its way already is refused and sent again.
      if (duplicate && this.#inFlight === 0 && !place.isAlone) this.#goBackTo(place.expected);
      else if (place.isAlone) this.#base = duplicate ? this.#base : seq;
      if (!duplicate) this.#window = Math.min(mostMessages, this.#window * 2);
    }
    this.#progressAt = this.#view.connection.clock.now();
    this.#settle(place, () => {
      if (!duplicate) this.#view.acknowledged(seq - 1);
      place.item.settled(seq - 1, duplicate);
    });
    this.#watch();
    this.#pump();
  }

  #refused(place: Place, error: NonNullable<Answer["error"]>): void {
    if (error.err_code === errorCode.wrongLastSequence) {
      const last = Number(/\d+/.exec(error.description ?? "")?.[0]);
      if (place.isAlone) {
        this.#isAloneOut = false;
        this.#base = last;
        this.#settle(place, () => place.item.failed(conflictError(place.item.expectedSeq, last)));
        return this.#pump();
      }
      // Somebody else appended, or what was sent before this was not stored: from there again.
      this.#rewind(last);
      return this.#pump();
    }
    if (error.err_code === errorCode.wrongLastMessageId) {
      this.#rewind(undefined);
      return this.#pump();
    }
    if (error.code === 503 && !full.has(error.err_code ?? 0)) return void this.#recover(error.description ?? "503");
    const { shown } = this.#view.connection.location;
    const failure = full.has(error.err_code ?? 0)
      ? new SeqlogError(
          "SEQLOG_NO_SPACE",
          `${shown}: the server has no room for the record: ${error.description ?? ""}. Nothing was appended`,
          { path: shown, errno: "ENOSPC" },
        )
      : ioError(shown, "append", new Error(error.description ?? "refused"));
    if (place.isAlone) this.#isAloneOut = false;
    this.#settle(place, () => place.item.failed(failure));
    if (this.#inFlight === 0) this.#goBackTo(place.expected);
    this.#pump();
  }

  /** Sends from the first message on that was not acknowledged, which is to follow message `last`. */
  #rewind(last: number | undefined): void {
    this.#firstToken = this.#tokens;
    this.#inFlight = 0;
    this.#inFlightBytes = 0;
    this.#isAloneOut = false;
    this.#sent = this.#head;
    this.#goBackTo(last);
    this.#window = 1;
  }

  #goBackTo(last: number | undefined): void {
    this.#base = last;
    this.#previous = undefined;
  }

  async #recover(why: string): Promise<void> {
    const { connection } = this.#view;
    if (why !== "") this.#rewind(undefined);
    if (this.#isBusy || this.#view.isClosed) return;
    this.#isBusy = true;
    this.#endWatch();
    try {
      const waited = connection.clock.now() - this.#progressAt;
      if (this.#head < this.#queue.length && waited > this.#patienceMs) {
        throw ioError(connection.location.shown, "append", new Error(why));
      }
      if (why !== "") await connection.pause();
      if (why !== "" && waited > moveOnMs) await connection.moveOn();
      await this.#view.refresh();
      const window = this.#window;
      this.#rewind(this.#view.nextSeq);
      this.#window = window;
    } catch (error) {
      this.#failAll(error as Error);
    } finally {
      this.#isBusy = false;
    }
    this.#pump();
  }

  #failAll(error: Error): void {
    const waiting = this.#queue.slice(this.#head);
    this.#rewind(undefined);
    this.#byToken.clear();
    this.#queue = [];
    this.#head = 0;
    this.#sent = 0;
    this.#pendingBytes = 0;
    for (const entry of waiting) {
      if (!("item" in entry)) entry.failed(error);
      else if (!entry.isDone) entry.item.failed(error);
    }
    this.#onLess();
    this.#wakeIdle();
  }

  async #pass(barrier: Barrier): Promise<void> {
    this.#isBusy = true;
    this.#sent++;
    try {
      await barrier.run();
    } catch (error) {
      barrier.failed(error as Error);
    }
    this.#isBusy = false;
    this.#head++;
    // The connection may have been lost meanwhile.
    this.#sent = Math.max(this.#sent, this.#head);
    this.#advance();
    this.#pump();
  }

  #settle(place: Place, tell: () => void): void {
    if (place.isDone) return;
    place.isDone = true;
    tell();
    this.#advance();
  }

  /** Lets go of what is done at the head. */
  #advance(): void {
    const before = this.#pendingBytes;
    for (; this.#head < this.#sent; this.#head++) {
      const entry = this.#queue[this.#head] as Place | Barrier;
      if (!("item" in entry) || !entry.isDone) break;
      this.#pendingBytes -= entry.item.data.length;
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
      this.#sent = 0;
      this.#byToken.clear();
      this.#endWatch();
      this.#wakeIdle();
    } else if (this.#head > 4096) {
      this.#queue = this.#queue.slice(this.#head);
      this.#sent -= this.#head;
      this.#head = 0;
    }
    if (this.#pendingBytes < before) this.#onLess();
  }

  #endWatch(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
  }

  #wakeIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const call of idle) call();
  }

  #watch(): void {
    const { clock } = this.#view.connection;
    this.#heardAt = clock.now();
    if (this.#cancelWatch !== undefined) return;
    const look = (): void => {
      this.#cancelWatch = undefined;
      if (this.#inFlight === 0) return;
      if (clock.now() - this.#heardAt >= silenceMs) return void this.#recover(`no answer for ${silenceMs / 1000} s`);
      // Somebody waits for the append: that holds the process.
      this.#cancelWatch = clock.after(silenceMs, look, { keepAlive: true });
    };
    this.#cancelWatch = clock.after(silenceMs, look, { keepAlive: true });
  }
}

interface Answer {
  readonly seq: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}
