/**
 * The appends of one open log on their way into its stream, in the order of the calls.
 *
 * Every message names the one that it expects before it, by its number (`Nats-Expected-Last-Sequence`)
 * and, in a stream of one replica and where that is one of this lane, by its message id
 * (`Nats-Expected-Last-Msg-Id`): a number alone may be reached by what another program appended. With
 * replicas the id must not be named: one that was down for longer than the duplicate window knows no
 * last id, refuses what the others took, and lacks acknowledged records when it leads. So none can
 * overtake one that was lost: when anything goes wrong (an answer that does not come, a new leader,
 * another program's append) the lane goes back to the first message that was not acknowledged.
 *
 * **Each record once.** A message that expects message `n` becomes message `n + 1` or none at all,
 * however late it comes: from the queue of a server that stood still, or over a connection that was
 * lost. So the server's memory of message ids, which ends with the duplicate window, is never relied
 * upon; a record that was sent and whose fate is not known (an {@link Attempt} of its place) is sent again only
 *
 * - to the same place, where one of the two can be stored: after lost answers, as a rule; or
 * - after the stream was seen to be past that place and to hold another record there, which no copy
 *   on its way can change ({@link fatesOf}); or
 * - in a stream of one replica, after a record before it that took no place (its key was known, it
 *   was refused): the copy on its way names that record's message id, and what is sent now comes to be
 *   where the other would have to be, so that the copy cannot follow it.
 *
 * What is left: with replicas, a copy that may still be stored at a place that the stream has not
 * reached, when a record before it took no place. It is sent to that very place once more, which
 * tells of a key that was known; otherwise its fate cannot be known, and it is rejected with SEQLOG_IO.
 * And a copy of an append whose key was known may come when the server has forgotten the key, and the
 * stream rests at the very message that it expects: then the key is used anew.
 *
 * Invariants:
 * - A record is acknowledged when the server's acknowledgement for it came, or it was seen in the
 *   stream at a place that it was sent to; by nothing else.
 * - Records of this lane lie in the stream in the order in which they were added, whatever fails;
 *   with replicas, while no other program appends, and no copy of a rejected record comes late.
 * - After a failure that patience did not outlast, everything that waits is rejected; each of these
 *   records may be in the stream all the same, but none behind a gap of another.
 * - What waits while another program resets the log is rejected with SEQLOG_RESET, as soon as that is
 *   seen: when the stream is shorter than it was, or at any look at it.
 */
import type { Msg, Subscription } from "@nats-io/transport-node";
import { createInbox } from "@nats-io/transport-node";
import { SeqlogError } from "../errors.ts";
import { conflictError } from "../segment/batch.ts";
import { type AppendAnswer, answerOf } from "./append-answer.ts";
import type { Attempt, LaneItem, Place } from "./append-attempt.ts";
import { fatesOf, lookAt } from "./append-look.ts";
import { type Barrier, LaneQueue } from "./lane-queue.ts";
import { recordHeaders } from "./record-message.ts";
import { SilenceWatch, silenceMs } from "./silence-watch.ts";
import { ioError } from "./stream-connection.ts";
import { type StreamView, notFound } from "./stream-view.ts";

/** Sent and not acknowledged, at most. */
const mostBytes = 8 * 1024 * 1024;
const mostMessages = 4096;

/** Messages that are asked for at once. */
const mostLooks = 256;

/** Without progress for so long another server is asked. */
const moveOnMs = 3000;

/** A stream that is being reset is not there for a moment. */
const resetMs = 5000;

export class AppendLane {
  readonly #view: StreamView;
  readonly #patienceMs: number;
  readonly #isOneReplica: boolean;
  readonly #inbox = createInbox();
  readonly #subscription: Subscription;
  readonly #ignoreLoss: () => void;
  readonly #ignoreReset: () => void;
  readonly #watch: SilenceWatch;
  readonly #queue = new LaneQueue();
  /** Whose fate is not known, by token. */
  readonly #attempts = new Map<number, Attempt>();
  #tokens = 0;
  /** Answers to messages of an earlier try say only what became of these. */
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
  #isPassing = false;
  #isAloneOut = false;
  /** On a clock that never goes back. */
  #progressUs = 0;
  #isRefreshing = false;

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
    this.#watch = new SilenceWatch(
      connection.clock,
      () => this.#attempts.size > 0 && !this.#isBusy,
      () => void this.#recover(`no answer for ${silenceMs / 1000} s`),
    );
    this.#ignoreLoss = connection.whenLost(() => void this.#recover("the connection was lost"));
    this.#ignoreReset = view.watch(() => this.#wasReset());
  }

  /** Bytes of data accepted and not acknowledged. */
  get pendingBytes(): number {
    return this.#queue.pendingBytes;
  }

  /** Called when there are fewer. */
  set onLess(call: () => void) {
    this.#queue.onLess = call;
  }

  add(items: readonly LaneItem[]): void {
    this.#begin();
    for (const item of items) this.#queue.add(item);
    this.#pump();
  }

  /** Runs something between what was added before and what is added after; resolves with it. */
  barrier(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#begin();
      this.#queue.addBarrier({ run: () => run().then(resolve), failed: reject });
      this.#pump();
    });
  }

  /** Resolves when nothing waits any more. */
  drained(): Promise<void> {
    return this.#queue.drained();
  }

  /** The stream was made anew: it is empty. */
  begunAnew(): void {
    this.#goBackTo(0);
    this.#window = mostMessages;
  }

  close(): void {
    this.#watch.end();
    this.#ignoreLoss();
    this.#ignoreReset();
    this.#subscription.unsubscribe();
  }

  /** Patience begins with the first of what waits. */
  #begin(): void {
    if (this.#queue.isEmpty) this.#progressUs = this.#view.connection.clock.elapsedUs();
  }

  #pump(): void {
    while (!this.#isBusy && !this.#isAloneOut) {
      const { next } = this.#queue;
      if (next === undefined) return;
      if (!("item" in next)) {
        if (this.#queue.isNextFirst) void this.#pass(next);
        return;
      }
      if (next.item.isOver || next.isDone) {
        next.isDone = true;
        this.#queue.goOn();
        this.#advance();
        continue;
      }
      if (this.#inFlight >= this.#window || this.#inFlightBytes >= mostBytes) return;
      if (this.#base === undefined) return void this.#recover("");
      const expected = this.#placeFor(next, this.#base);
      if (expected === undefined) return;
      this.#send(next, expected, expected !== this.#base);
    }
  }

  /** The message that it is to follow; undefined when it has to wait. `base`: the last one, with what is on its way. */
  #placeFor({ item, attempts }: Place, base: number): number | undefined {
    // An answer of before may still come, and tells whether it has to be sent again.
    if (attempts.some(({ isLost }) => !isLost)) {
      this.#watch.begin();
      return undefined;
    }
    // Where a copy that is on its way would be stored, should it come.
    const copy = attempts.find(({ expected, isGuarded }) => expected < base || (expected > base && !isGuarded));
    const expected = copy?.expected ?? (item.expectedSeq >= 0 ? item.expectedSeq : base);
    // The server decides, since its key may be one that is known: but when all before it is there.
    if (expected !== base && this.#inFlight > 0) return undefined;
    if (copy === undefined || expected > base) return expected;
    // The stream is past that place: what is there has to be seen first.
    void this.#recover("");
    return undefined;
  }

  #send(place: Place, expected: number, isAlone: boolean): void {
    const { item } = place;
    const { nats, location } = this.#view.connection;
    this.#isAloneOut = isAlone;
    this.#queue.goOn();
    this.#inFlight++;
    this.#inFlightBytes += item.data.length;
    const follows = isAlone || !this.#isOneReplica ? undefined : this.#previous;
    this.#previous = isAlone ? undefined : item.messageId;
    if (!isAlone) this.#base = expected + 1;
    const token = this.#tokens++;
    const attempt = { place, token, expected, isAlone, isGuarded: follows !== undefined, isLost: false };
    place.attempts.push(attempt);
    this.#attempts.set(token, attempt);
    try {
      nats.publish(location.stream, item.data, {
        // The client asks its headers for nothing but their bytes.
        headers: recordHeaders(item.id, item.data, expected, item.messageId, follows) as never,
        reply: `${this.#inbox}.${token}`,
      });
    } catch (error) {
      return void this.#recover(error instanceof Error ? error.message : String(error));
    }
    this.#watch.begin();
  }

  #answered(message: Msg): void {
    const attempt = this.#attempts.get(Number(message.subject.slice(this.#inbox.length + 1)));
    if (attempt === undefined) return;
    this.#watch.heard();
    const { place } = attempt;
    const isCurrent = attempt.token >= this.#firstToken;
    if (isCurrent) {
      this.#inFlight--;
      this.#inFlightBytes -= place.item.data.length;
      if (attempt.isAlone) this.#isAloneOut = false;
    }
    const answer = answerOf(message);
    if (answer.kind === "unknown") attempt.isLost = true;
    else this.#isKnown(attempt);
    if (answer.kind === "stored") this.#stored(attempt, answer, isCurrent);
    else if (isCurrent) this.#notStored(attempt, answer);
    else this.#pump();
  }

  #stored({ place, expected, isAlone }: Attempt, { seq, duplicate }: StoredAnswer, isCurrent: boolean): void {
    if (isCurrent) {
      if (isAlone) this.#base = duplicate ? this.#base : seq;
      // What follows expects one more than there are; what is on its way already is refused and sent again.
      else if (duplicate && seq !== expected + 1 && this.#inFlight === 0) this.#goBackTo(expected);
      this.#window = Math.min(mostMessages, this.#window * 2);
    }
    this.#settle(place, () => {
      if (!duplicate) this.#view.acknowledged(seq - 1);
      place.item.settled(seq - 1, duplicate);
    });
    this.#pump();
  }

  #notStored(attempt: Attempt, answer: Exclude<AppendAnswer, StoredAnswer>): void {
    if (answer.kind === "misplaced") return this.#misplaced(attempt, answer.last);
    if (answer.kind === "notNow" || answer.kind === "unknown") return void this.#recover(answer.reason);
    const { shown } = this.#view.connection.location;
    const failure =
      answer.kind === "full"
        ? new SeqlogError(
            "SEQLOG_NO_SPACE",
            `${shown}: the server has no room for the record: ${answer.reason}. Nothing was appended`,
            { path: shown, errno: "ENOSPC" },
          )
        : ioError(shown, "append", new Error(answer.reason));
    this.#fail(attempt.place, failure);
    if (this.#inFlight === 0) this.#goBackTo(attempt.expected);
    this.#pump();
  }

  /** Another message is the last one: somebody else appended, or what was sent before this one was not stored. */
  #misplaced({ place, expected, isAlone }: Attempt, last: number | undefined): void {
    if (last !== undefined && last < this.#view.nextSeq) return void this.#recover("the stream is shorter than it was");
    void this.#refresh();
    const { attempts, item } = place;
    if (isAlone && last !== undefined) {
      if (attempts.length > 0 && last < expected) this.#fail(place, unknownOutcome(this.#view.location, expected + 1));
      else if (attempts.length === 0 && expected === item.expectedSeq) this.#fail(place, conflictError(expected, last));
    }
    this.#rewind(last);
    this.#pump();
  }

  /** Sends from the first message on that was not acknowledged, which is to follow message `last`. */
  #rewind(last: number | undefined): void {
    this.#firstToken = this.#tokens;
    this.#inFlight = 0;
    this.#inFlightBytes = 0;
    this.#isAloneOut = false;
    this.#queue.goBack();
    this.#goBackTo(last);
    this.#window = 1;
  }

  #goBackTo(last: number | undefined): void {
    this.#base = last;
    this.#previous = undefined;
  }

  /** Without a `why` nothing failed, but the stream has to be looked at. */
  async #recover(why: string): Promise<void> {
    const { connection } = this.#view;
    const hasFailed = why !== "";
    if (hasFailed) {
      this.#loseAttempts();
      this.#rewind(undefined);
    }
    if (this.#isBusy || this.#view.isClosed) return;
    this.#isBusy = true;
    this.#watch.end();
    try {
      if (hasFailed) await connection.pause();
      if (hasFailed && this.#waitedMs() > moveOnMs) await connection.moveOn();
      const begun = connection.clock.now();
      let last = await this.#look(begun);
      this.#checkPatience(hasFailed ? why : "no progress");
      while (last === undefined) {
        await connection.pause();
        last = await this.#look(begun);
        this.#checkPatience("the stream's leader does not have all of it yet");
      }
      const window = this.#window;
      this.#rewind(last);
      this.#window = window;
    } catch (error) {
      this.#failAll(error as Error);
    } finally {
      this.#isBusy = false;
    }
    this.#pump();
  }

  /** Looks at the stream, and for what became of all whose place it is past; its last message, or undefined when it has to look again. */
  async #look(begun: number): Promise<number | undefined> {
    const { connection, location } = this.#view;
    const leftMs = (): number => Math.max(0, this.#patienceMs - this.#waitedMs());
    const info = await lookAt(connection, leftMs());
    if (info === undefined) {
      // Somebody resets it, or it was removed.
      if (connection.clock.now() - begun > resetMs) throw notFound(location);
      return undefined;
    }
    this.#view.learn(info);
    const { last_seq: last } = info.state;
    const passed = [...this.#attempts.values()].filter(({ place, expected }) => !place.isDone && expected < last);
    let isAgain = false;
    for (let i = 0; i < passed.length; i += mostLooks) {
      const some = passed.slice(i, i + mostLooks);
      const fates = await fatesOf(connection, some, leftMs());
      for (const [j, attempt] of some.entries()) {
        const fate = fates[j];
        if (fate === "again") isAgain = true;
        else this.#isKnown(attempt);
        if (fate === "stored") this.#seen(attempt);
        if (fate === "removed") this.#fail(attempt.place, unknownOutcome(location, attempt.expected + 1));
      }
    }
    return isAgain ? undefined : last;
  }

  /** It was not answered, but it is in the stream. */
  #seen({ place, expected }: Attempt): void {
    this.#settle(place, () => {
      this.#view.acknowledged(expected);
      place.item.settled(expected, false);
    });
  }

  #waitedMs(): number {
    return (this.#view.connection.clock.elapsedUs() - this.#progressUs) / 1000;
  }

  #checkPatience(why: string): void {
    if (this.#queue.isEmpty || this.#waitedMs() <= this.#patienceMs) return;
    throw ioError(this.#view.connection.location.shown, "append", new Error(why));
  }

  /** No answer to what was sent so far is waited for. */
  #loseAttempts(): void {
    for (const [token, attempt] of this.#attempts) {
      attempt.isLost = true;
      if (attempt.place.isDone) this.#attempts.delete(token);
    }
  }

  /** Its fate is known. */
  #isKnown(attempt: Attempt): void {
    const { place, token } = attempt;
    place.attempts = place.attempts.filter((other) => other !== attempt);
    this.#attempts.delete(token);
  }

  /** Another program appended; it may have reset the log before. */
  async #refresh(): Promise<void> {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    try {
      await this.#view.refresh();
    } catch {
      // The appends themselves tell what is wrong.
    }
    this.#isRefreshing = false;
  }

  /** The stream was found to be a new one, or the log was closed. */
  #wasReset(): void {
    const { isClosed, location, generation } = this.#view;
    if (isClosed || this.#isPassing) return;
    this.#failAll(
      new SeqlogError(
        "SEQLOG_RESET",
        `${location}: another program reset the log before this was acknowledged; it is now generation ${generation}, and the record may be in it`,
        { generation },
      ),
    );
  }

  #failAll(error: Error): void {
    this.#rewind(undefined);
    this.#attempts.clear();
    this.#queue.failAll(error);
  }

  async #pass(barrier: Barrier): Promise<void> {
    this.#isBusy = true;
    this.#isPassing = true;
    this.#watch.end();
    this.#queue.goOn();
    try {
      await barrier.run();
    } catch (error) {
      barrier.failed(error as Error);
    }
    this.#isBusy = false;
    this.#isPassing = false;
    this.#progressUs = this.#view.connection.clock.elapsedUs();
    this.#queue.passed();
    this.#advance();
    this.#pump();
  }

  #settle(place: Place, tell: () => void): void {
    if (place.isDone) return;
    place.isDone = true;
    this.#progressUs = this.#view.connection.clock.elapsedUs();
    tell();
    this.#advance();
  }

  #fail(place: Place, error: Error): void {
    this.#settle(place, () => place.item.failed(error));
  }

  /** Lets go of what is done. */
  #advance(): void {
    this.#queue.advance();
    if (!this.#queue.isEmpty) return;
    // Answers that still come are of records that are done.
    this.#attempts.clear();
    this.#firstToken = this.#tokens;
    this.#inFlight = 0;
    this.#inFlightBytes = 0;
    this.#isAloneOut = false;
    this.#watch.end();
  }
}

type StoredAnswer = Extract<AppendAnswer, { readonly kind: "stored" }>;

function unknownOutcome(path: string, seq: number): SeqlogError<"SEQLOG_IO"> {
  return new SeqlogError(
    "SEQLOG_IO",
    `${path}: append: the record was sent and not answered, and whether it is or becomes message ${seq} of the stream cannot be known (ETIMEDOUT)`,
    { path, syscall: "append", errno: "ETIMEDOUT" },
  );
}
