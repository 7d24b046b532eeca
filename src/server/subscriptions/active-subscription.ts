/**
 * One subscription at work: when there is something to do it wakes whoever is to do it, by a webhook or
 * a message in a stream, and waits until that is done with.
 *
 * Invariants:
 * - Its changes come one after the other; each is durable before it is true, and before anybody is told.
 * - A wake has a generation of its own, one more than the last; whoever comes with another one is refused.
 * - A wake that was not done with comes again: its webhook until it is answered, and when its lease is
 *   over as the next one.
 */
import { SeqlogError } from "../../errors.ts";
import { createIdSourceV4, formatId, idLength } from "../../format/uuid.ts";
import { offsetToken } from "../streams/offset-token.ts";
import { Refusal } from "../streams/refusal.ts";
import type { StreamEntry } from "../streams/stream-entry.ts";
import { descriptionOf } from "./description.ts";
import { type Failure, retrying } from "./retrying.ts";
import { type StreamInfo, SubscribedStreams, isPending } from "./subscribed-streams.ts";
import {
  type Ack,
  type AckRequest,
  invalidOffset,
  maxExplicitStreams,
  tooManyStreams,
} from "./subscription-request.ts";
import type { Change, StreamLink, SubscriptionState } from "./subscription-state.ts";
import type { Surroundings } from "./surroundings.ts";
import { toldOf } from "./told-streams.ts";
import { writeWakeEvent } from "./wake-event.ts";
import { saysDone, webhookOf } from "./wake-webhook.ts";

/** Streams that a wake lists; those with something to do first, and what is left out with the next one. */
const maxListed = 1000;

/** How a request about a wake comes in. */
export type AckKind = "callback" | "ack" | "release";

export class ActiveSubscription {
  readonly state: SubscriptionState;
  readonly streams: SubscribedStreams;
  readonly #around: Surroundings;
  #turn: Promise<unknown> = Promise.resolve();
  #isWakeDue = false;
  /** Ends what is under way with it. */
  readonly #stopped = new AbortController();
  #isDeleted = false;
  /** Ends the telling of a wake. */
  #told = new AbortController();
  #failure: Failure | undefined;
  #lease: object | undefined;
  #stopLease: () => void = () => undefined;

  constructor(state: SubscriptionState, around: Surroundings) {
    this.state = state;
    this.#around = around;
    this.streams = new SubscribedStreams(state, around.store, around.tails);
  }

  /** Goes on with the wake that was under way when the last process ended: it may never have come, so it comes again. */
  resume(): void {
    const { wake } = this.state;
    if (wake === null) return;
    if (wake.holder !== null) this.#startLease();
    else if (!wake.isTold) this.#tell();
  }

  /** The stream that told of its wakes is gone: who has not heard of the last one waits for it in another one. */
  retell(): void {
    const { wake } = this.state;
    if (wake === null || wake.holder !== null) return;
    this.#endTelling();
    this.#tell();
  }

  /** A stream goes so far. In the way of every append: nothing is waited for. */
  note(entry: StreamEntry, tail: number): void {
    this.streams.note(entry, tail);
    this.#wakeSoon();
  }

  /** A stream is gone. */
  removed(entry: StreamEntry): void {
    const link = this.streams.remove(entry);
    if (link === undefined) return;
    const { path, stream } = link;
    this.#beside(() => this.#commit({ type: "unlink", uid: this.state.uid, path, stream }));
  }

  #wakeSoon(): void {
    if (this.#isWakeDue || this.state.wake !== null || !this.streams.hasPending) return;
    this.#isWakeDue = true;
    // What comes in the same turn is one wake.
    this.#beside(async () => {
      await this.#around.machine.clock.turn();
      this.#isWakeDue = false;
      await this.#wakeIfPending();
    });
  }

  /** Whether there is something to do, of which somebody is told then. */
  async #wakeIfPending(): Promise<boolean> {
    if (this.state.wake !== null) return true;
    if (!this.streams.hasPending) return false;
    await this.#beginWake(null);
    this.#tell();
    return true;
  }

  async #beginWake(holder: string | null): Promise<void> {
    const { uid, generation } = this.state;
    const id = new Uint8Array(idLength);
    createIdSourceV4(this.#around.machine.random).write(id, 0);
    const wake = { id: `w_${formatId(id, 0)}`, holder, isTold: false };
    await this.#commit({ type: "wake", uid, generation: generation + 1, wake });
  }

  /** Tells of the wake, until somebody has heard of it. */
  #tell(): void {
    const { machine } = this.#around;
    this.#told = new AbortController();
    const { signal } = this.#told;
    const { generation, wake, config } = this.state;
    if (this.#stopped.signal.aborted || wake === null) return;
    const attempt = (): Promise<void> =>
      config.type === "webhook" ? this.#deliver(generation, wake.id, signal) : this.#writeEvent(generation);
    const note = (failure: Failure | undefined): void => void (this.#failure = failure);
    this.#around.unfinished.add(retrying(attempt, { machine, signal, note }));
  }

  async #writeEvent(generation: number): Promise<void> {
    const { store, machine, looked } = this.#around;
    await looked;
    if (!this.streams.hasPending) return await this.#inTurn(() => this.#finishIfCurrent(generation));
    const { id, wakeStream } = this.state.config;
    const event = {
      subscriptionId: id,
      stream: this.streams.firstPending,
      generation,
      nowMs: machine.clock.now(),
    };
    const { entry, tail } = await writeWakeEvent(store, wakeStream as string, event);
    this.#around.appended(entry, tail);
    await this.#inTurn(async () => {
      if (this.#isCurrent(generation)) await this.#commit({ type: "told", uid: this.state.uid });
    });
  }

  /** Sends the webhook. @throws why it was not taken */
  async #deliver(generation: number, wakeId: string, told: AbortSignal): Promise<void> {
    const { slots, targets, post, machine, webhookTimeoutMs, looked } = this.#around;
    await looked;
    if (!this.streams.hasPending) return await this.#inTurn(() => this.#finishIfCurrent(generation));
    const url = this.state.config.webhookUrl as string;
    const host = URL.canParse(url) ? new URL(url).host : url;
    let listed: readonly StreamInfo[] = [];
    const { status, body } = await slots.run(host, told, async () => {
      listed = await this.streams.list(maxListed);
      told.throwIfAborted();
      const webhook = webhookOf(this.state, { generation, wakeId, listed }, this.#around);
      // One that was called back about meanwhile is still answered.
      const signal = this.#stopped.signal;
      return await post(webhook, { clock: machine.clock, targets, timeoutMs: webhookTimeoutMs, signal });
    });
    if (status < 200 || status > 299) throw new Error(`the webhook was answered with status ${status}`);
    await this.#inTurn(async () => {
      if (!this.#isCurrent(generation)) return;
      if (saysDone(body)) await this.#finish(listed.flatMap((info) => this.#doneWith(info)));
      else if (this.#lease === undefined) this.#startLease();
    });
  }

  /** What the receiver was told of a stream, if the subscription is about it still. */
  #doneWith({ path, entry, acked, tail }: StreamInfo): StreamLink[] {
    if (entry === undefined || !isPending(acked, tail)) return [];
    if (this.streams.live(path) !== entry || !this.streams.includes(entry)) return [];
    const isExplicit = this.streams.linkOf(entry)?.isExplicit === true;
    return [{ path, stream: entry.meta.id, acked: Math.max(tail, this.streams.ackedOf(entry)), isExplicit }];
  }

  /** A worker takes the wake, or begins one. @throws {Refusal} */
  async claim(worker: string): Promise<Record<string, unknown>> {
    this.#expect("pull-wake");
    await this.#around.looked;
    return await this.#inTurn(async () => {
      const { wake, uid } = this.state;
      if (wake !== null && wake.holder !== null) {
        throw new Refusal("conflict", "ALREADY_CLAIMED", `${wake.holder} is at it`, {
          current_holder: wake.holder,
          generation: this.state.generation,
        });
      }
      if (!this.streams.hasPending) {
        // Its streams are gone: what comes next is told of anew.
        if (wake !== null) await this.#finish([]);
        throw new Refusal("conflict", "NO_PENDING_WORK", "there is nothing to do");
      }
      if (wake === null) await this.#beginWake(worker);
      else await this.#commit({ type: "claim", uid, holder: worker });
      this.#endTelling();
      this.#startLease();
      const { generation } = this.state;
      return {
        wake_id: this.state.wake?.id,
        generation,
        token: this.#around.keys.tokenOf({ uid, generation }),
        streams: (await this.streams.list(maxListed)).map(toldOf),
        lease_ttl_ms: this.state.config.leaseMs,
      };
    });
  }

  /**
   * Whoever was woken says how far it is, or that it is done; or gives the wake back. The lease begins anew.
   * @param generation that of the token it came with
   * @returns whether the next wake has begun
   * @throws {Refusal}
   */
  async acknowledge(kind: AckKind, generation: number, request: AckRequest): Promise<boolean> {
    this.#expect(kind === "callback" ? "webhook" : "pull-wake");
    return await this.#inTurn(async () => {
      const { wake, uid } = this.state;
      const isOurs = request.generation === generation && request.wakeId === wake?.id;
      if (!isOurs || !this.#isCurrent(generation)) {
        throw new Refusal("conflict", "FENCED", "this wake is over", { generation: this.state.generation });
      }
      if (kind === "release") return await this.#finish([]);
      const links = await this.#linksOf(request.acks);
      if (request.isDone) return await this.#finish(links);
      if (links.length > 0) await this.#commit({ type: "ack", uid, links, isOver: false });
      for (const { path } of links) this.streams.review(path);
      this.#endTelling();
      this.#startLease();
      return false;
    });
  }

  /** @throws {Refusal} for an offset that the stream has not, or that was passed before */
  async #linksOf(acks: readonly Ack[]): Promise<StreamLink[]> {
    const links = new Map<string, StreamLink>();
    for (const { path, seq } of acks) {
      const entry = this.streams.live(path);
      const link = entry === undefined ? this.state.links.get(path) : this.streams.linkOf(entry);
      if (link === undefined && (entry === undefined || !this.streams.isMet(path))) {
        throw invalidOffset(`the subscription is not about a stream ${path}`);
      }
      const acked = Math.max(link?.acked ?? -1, links.get(path)?.acked ?? -1);
      if (seq < acked) throw invalidOffset(`of ${path} more is acknowledged: ${offsetToken(acked)}`);
      const tail = entry === undefined ? 0 : await this.#around.tails.of(entry);
      if (seq > tail) throw invalidOffset(`${path} goes no farther than ${offsetToken(tail)}`);
      links.set(path, { path, stream: entry?.meta.id ?? null, acked: seq, isExplicit: link?.isExplicit === true });
    }
    return [...links.values()];
  }

  /** The wake is over, and so much done with. Returns whether the next one has begun. */
  async #finish(links: readonly StreamLink[]): Promise<boolean> {
    await this.#commit({ type: "ack", uid: this.state.uid, links, isOver: true });
    try {
      this.#endTelling();
      this.#endLease();
      for (const { path } of links) this.streams.review(path);
      return await this.#wakeIfPending();
    } catch (error) {
      // Else nobody would look whether there is more to do before the next append.
      this.#around.failed(error);
      throw error;
    }
  }

  /** Nothing is left to do that anybody could be told of. */
  async #finishIfCurrent(generation: number): Promise<void> {
    if (this.#isCurrent(generation)) await this.#finish([]);
  }

  /** Names more streams. @throws {Refusal} */
  async link(paths: readonly string[]): Promise<void> {
    await this.#inTurn(async () => {
      const { links, uid, config } = this.state;
      if (config.wakeStream !== null && paths.includes(config.wakeStream)) {
        throw new Refusal("bad-request", "INVALID_REQUEST", "wake_stream cannot be one of its streams");
      }
      const named = [...links.values()].filter(({ isExplicit }) => isExplicit).map(({ path }) => path);
      if (new Set([...named, ...paths]).size > maxExplicitStreams) throw tooManyStreams();
      const added: StreamLink[] = [];
      for (const path of paths) added.push(await this.#newLink(path));
      await this.#commit({ type: "link", uid, links: added });
      this.#around.relinked();
      for (const path of paths) this.streams.review(path);
      this.#wakeSoon();
    });
  }

  /** A stream that is named begins with what comes from now on, unless it is known already. */
  async #newLink(path: string): Promise<StreamLink> {
    const entry = this.streams.live(path);
    if (entry === undefined) return { path, stream: null, acked: 0, isExplicit: true };
    const isKnown = this.streams.includes(entry);
    const acked = isKnown ? this.streams.ackedOf(entry) : await this.#around.tails.of(entry);
    return { path, stream: entry.meta.id, acked, isExplicit: true };
  }

  /** Names a stream no more; where the pattern meets it, it stays. Fine when it was not named. */
  async unlink(path: string): Promise<void> {
    await this.#inTurn(async () => {
      const { uid } = this.state;
      const link = this.state.links.get(path);
      if (link?.isExplicit !== true) return;
      const { stream } = link;
      if (stream !== null && this.streams.isMet(path)) {
        await this.#commit({ type: "link", uid, links: [{ ...link, isExplicit: false }] });
      } else {
        await this.#commit({ type: "unlink", uid, path, stream });
      }
      this.#around.relinked();
      this.streams.review(path);
    });
  }

  /** What a GET says. */
  async describe(): Promise<Record<string, unknown>> {
    await this.#around.looked;
    return descriptionOf(this.state, await this.streams.list(Infinity), this.#failure, this.#around);
  }

  /** Writes it into the journal again, as a whole. */
  async rewrite(): Promise<void> {
    await this.#inTurn(() => this.#around.journal.append(this.state.toCreate()));
  }

  /** Ends it for good, durably. */
  async delete(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#append({ type: "delete", uid: this.state.uid });
      this.#isDeleted = true;
      this.stop();
    });
  }

  /** Ends what is under way with it; what is kept stays. */
  stop(): void {
    this.#stopped.abort();
    this.#endTelling();
    this.#endLease();
  }

  #startLease(): void {
    this.#endLease();
    if (this.#stopped.signal.aborted) return;
    const lease = {};
    this.#lease = lease;
    const over = (): void =>
      this.#beside(async () => {
        // It may have begun anew meanwhile.
        if (this.#lease === lease) await this.#finish([]);
      });
    this.#stopLease = this.#around.machine.clock.after(this.state.config.leaseMs, over, { keepAlive: false });
  }

  #endLease(): void {
    this.#stopLease();
    this.#lease = undefined;
  }

  #endTelling(): void {
    this.#told.abort();
    this.#failure = undefined;
  }

  #isCurrent(generation: number): boolean {
    return this.state.wake !== null && this.state.generation === generation;
  }

  #expect(type: SubscriptionState["config"]["type"]): void {
    if (this.state.config.type === type) return;
    throw new Refusal("bad-request", "INVALID_REQUEST", `this is a ${this.state.config.type} subscription`);
  }

  async #commit(change: Exclude<Change, { type: "create" | "delete" }>): Promise<void> {
    await this.#append(change);
    this.state.apply(change);
    this.#around.changed();
  }

  async #append(change: Change): Promise<void> {
    try {
      await this.#around.journal.append(change);
    } catch (error) {
      this.#around.failed(error);
      throw error;
    }
  }

  /** Work that no request waits for. */
  #beside(call: () => Promise<unknown>): void {
    const failed = (error: unknown): void => {
      // One that was stopped has nothing to do any more.
      if (!this.#stopped.signal.aborted) this.#around.failed(error);
    };
    const ended = this.#inTurn(call).then(() => undefined, failed);
    this.#around.unfinished.add(ended);
  }

  #stoppedError(): Error {
    const { id } = this.state.config;
    if (this.#isDeleted) return subscriptionNotFound(id);
    // The server is closing, or what is kept is read again.
    return new SeqlogError("SEQLOG_CLOSED", `the subscription ${JSON.stringify(id)} is not open`, { path: id });
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      if (this.#stopped.signal.aborted) throw this.#stoppedError();
      return await call();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** The refusal for an id that no subscription has. */
export function subscriptionNotFound(id: string): Refusal {
  return new Refusal("not-found", "SUBSCRIPTION_NOT_FOUND", `there is no subscription ${JSON.stringify(id)}`);
}
