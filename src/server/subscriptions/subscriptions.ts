/**
 * All subscriptions of a directory. They are read when this process becomes the one that makes and
 * removes its streams, and live in its memory from then on; SUBSCRIPTIONS.md has what lies on the disk.
 *
 * Appends touch it in one place, `appended`: it looks up who is subscribed, which is known for each
 * stream until a subscription changes, and waits for nothing.
 */
import { SeqlogError } from "../../errors.ts";
import { createIdSourceV4, formatId, idLength } from "../../format/uuid.ts";
import type { Machine } from "../../storage/storage.ts";
import { Refusal } from "../streams/refusal.ts";
import type { StreamEntry } from "../streams/stream-entry.ts";
import type { StreamStore } from "../streams/stream-store.ts";
import { Unfinished } from "../streams/unfinished.ts";
import { ActiveSubscription, subscriptionNotFound } from "./active-subscription.ts";
import { backoffMs } from "./backoff.ts";
import { DeliverySlots } from "./delivery-slots.ts";
import { Journal, hasJournal } from "./journal.ts";
import { Keys, type PublicJwk, type TokenOf } from "./keys.ts";
import { Pattern } from "./pattern.ts";
import { type PostWebhook, postWebhook } from "./post-webhook.ts";
import {
  type CreateChange,
  type StreamLink,
  type SubscriptionConfig,
  SubscriptionState,
} from "./subscription-state.ts";
import type { Surroundings } from "./surroundings.ts";
import { Tails } from "./tails.ts";
import { WebhookTargets } from "./webhook-target.ts";

/** Webhooks under way, and of them to one host. */
const mostDeliveries = 64;
const mostDeliveriesOfHost = 4;

/** Streams that a pattern may meet when its subscription is made: of each it is looked how far it goes. */
const maxFirstStreams = 10_000;

/** How they work. */
export interface SubscriptionOptions {
  /** Hosts that webhooks may go to beside the public internet. */
  readonly allowWebhooks: readonly string[];
  /** The server's URL as receivers of webhooks know it. */
  readonly publicUrl: string | undefined;
  readonly maxSubscriptions: number;
  readonly webhookTimeoutMs: number;
  /** Told of what goes wrong beside the requests. */
  readonly report: (error: Error) => void;
  /** Sends webhooks; for tests. */
  readonly post?: PostWebhook;
}

/** What was read. */
interface Loaded {
  readonly around: Surroundings;
  readonly byId: Map<string, ActiveSubscription>;
  readonly byUid: Map<string, ActiveSubscription>;
}

interface Interested {
  readonly version: number;
  readonly subscriptions: readonly ActiveSubscription[];
}

export class Subscriptions {
  readonly #machine: Machine;
  readonly #directory: string;
  readonly #store: StreamStore;
  readonly #options: SubscriptionOptions;
  readonly #tails: Tails;
  readonly #targets: WebhookTargets;
  readonly #slots = new DeliverySlots(mostDeliveries, mostDeliveriesOfHost);
  readonly #unfinished = new Unfinished();
  #loading: Promise<Loaded> | undefined;
  #loaded: Loaded | undefined;
  /** The journal that is being closed. */
  #closing: Promise<void> = Promise.resolve();
  /** Whether there are subscriptions, or will be in a moment: then it is noted how far streams go. */
  #isWatching = false;
  /** Grows when it changes who is subscribed to what. */
  #version = 0;
  readonly #interested = new WeakMap<StreamEntry, Interested>();
  /** Making and removing come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** How often in a row it was read again because of an error, before a change was kept. */
  #failures = 0;
  #stopRestart: () => void = () => undefined;
  #isClosed = false;

  /** @throws {TypeError} for hosts that are none */
  constructor(machine: Machine, directory: string, store: StreamStore, options: SubscriptionOptions) {
    this.#machine = machine;
    this.#directory = directory;
    this.#store = store;
    this.#options = options;
    this.#targets = new WebhookTargets(options.allowWebhooks);
    this.#tails = new Tails(machine.clock, store);
    store.watcher = { owned: () => this.#start(), removed: (entry) => this.#removed(entry) };
    if (store.isOwned) this.#start();
  }

  /** A stream goes so far, durably. Called before the append is answered; never throws. */
  appended(entry: StreamEntry, tail: number): void {
    if (!this.#isWatching) return;
    this.#tails.note(entry, tail);
    if (this.#loaded === undefined) return;
    for (const subscription of this.#interestedIn(entry, this.#loaded)) subscription.note(entry, tail);
  }

  #interestedIn(entry: StreamEntry, { byUid }: Loaded): readonly ActiveSubscription[] {
    const known = this.#interested.get(entry);
    if (known?.version === this.#version) return known.subscriptions;
    const subscriptions = [...byUid.values()].filter(({ streams }) => streams.includes(entry));
    this.#interested.set(entry, { version: this.#version, subscriptions });
    return subscriptions;
  }

  #removed(entry: StreamEntry): void {
    if (this.#loaded === undefined) return;
    for (const subscription of this.#interestedIn(entry, this.#loaded)) subscription.removed(entry);
    for (const subscription of this.#loaded.byUid.values()) {
      if (subscription.state.config.wakeStream === entry.meta.path) subscription.retell();
    }
  }

  /**
   * Makes a subscription, or finds it as it is asked for.
   * @param baseUrl what is in front of `/v1/stream/` in the request
   * @throws {Refusal}; SEQLOG_LOCKED when another process makes and removes streams here
   */
  async put(
    config: SubscriptionConfig,
    baseUrl: string,
  ): Promise<{ readonly subscription: ActiveSubscription; readonly isNew: boolean }> {
    this.#checkTarget(config);
    return await this.#inTurn(async () => {
      const loaded = await this.#ready();
      const existing = loaded.byId.get(config.id);
      if (existing !== undefined) return { subscription: sameOrRefused(existing, config), isNew: false };
      this.#checkCount(loaded);
      const links = await this.#firstLinks(config);
      return { subscription: await this.#make(loaded, config, links, baseUrl), isNew: true };
    });
  }

  #checkTarget({ webhookUrl }: SubscriptionConfig): void {
    const problem = webhookUrl === null ? undefined : this.#targets.problemOf(webhookUrl);
    if (problem === undefined) return;
    throw new Refusal("bad-request", "WEBHOOK_URL_REJECTED", `webhooks may not go to webhook.url: ${problem}`);
  }

  #checkCount({ byId }: Loaded): void {
    const { maxSubscriptions } = this.#options;
    if (byId.size < maxSubscriptions) return;
    throw new Refusal("conflict", "TOO_MANY_SUBSCRIPTIONS", `there are ${maxSubscriptions} subscriptions already`);
  }

  /** Of streams that are there it is about what comes from now on. */
  async #firstLinks(config: SubscriptionConfig): Promise<StreamLink[]> {
    const links = config.streams.map((path) => ({ path, isExplicit: true }));
    const pattern = config.pattern === null ? undefined : new Pattern(config.pattern);
    if (pattern !== undefined) {
      const named = new Set([...config.streams, config.wakeStream]);
      for (const { meta } of this.#store.entries()) {
        if (!named.has(meta.path) && pattern.matches(meta.path)) links.push({ path: meta.path, isExplicit: false });
      }
    }
    if (links.length > maxFirstStreams) {
      const what = `the pattern meets more than ${maxFirstStreams} streams that are there already`;
      throw new Refusal("conflict", "TOO_MANY_STREAMS", what);
    }
    const placed = await Promise.all(links.map(({ path, isExplicit }) => this.#firstLink(path, isExplicit)));
    return placed.filter((link) => link !== undefined);
  }

  async #firstLink(path: string, isExplicit: boolean): Promise<StreamLink | undefined> {
    const entry = this.#store.find(path);
    if (entry === undefined || entry.meta.isDeleted) return { path, stream: null, acked: 0, isExplicit };
    const tail = await this.#tailOf(entry);
    return tail === undefined ? undefined : { path, stream: entry.meta.id, acked: tail, isExplicit };
  }

  /** Undefined of a stream that cannot be read: all of it is new when it can. */
  async #tailOf(entry: StreamEntry): Promise<number | undefined> {
    try {
      return await this.#tails.of(entry);
    } catch (error) {
      if (!this.#isClosed && !entry.isGone) this.#options.report(error as Error);
      return undefined;
    }
  }

  async #make(
    { around, byId, byUid }: Loaded,
    config: SubscriptionConfig,
    links: readonly StreamLink[],
    baseUrl: string,
  ): Promise<ActiveSubscription> {
    const id = new Uint8Array(idLength);
    createIdSourceV4(this.#machine.random).write(id, 0);
    const uid = formatId(id, 0);
    const createdAt = this.#machine.clock.now();
    const create: CreateChange = {
      type: "create",
      format: 1,
      uid,
      config,
      baseUrl,
      createdAt,
      generation: 0,
      wake: null,
      links,
    };
    try {
      await around.journal.append(create);
    } catch (error) {
      around.failed(error);
      throw error;
    }
    const subscription = new ActiveSubscription(new SubscriptionState(create), around);
    byId.set(config.id, subscription);
    byUid.set(uid, subscription);
    this.#version++;
    // Streams that came, or were appended to, while this was made.
    this.#unfinished.add(this.#look([subscription]));
    around.changed();
    return subscription;
  }

  /** The subscription of an id. @throws {Refusal}; SEQLOG_LOCKED when another process makes and removes streams here */
  async get(id: string): Promise<ActiveSubscription> {
    const subscription = (await this.#existing())?.byId.get(id);
    if (subscription === undefined) throw subscriptionNotFound(id);
    return subscription;
  }

  /** That which a token is of. @throws {Refusal} */
  async ofToken(id: string, { uid }: TokenOf): Promise<ActiveSubscription> {
    const subscription = (await this.#existing())?.byUid.get(uid);
    if (subscription?.state.config.id !== id) throw subscriptionNotFound(id);
    return subscription;
  }

  /** Fine when there is none. */
  async delete(id: string): Promise<void> {
    await this.#inTurn(async () => {
      const loaded = await this.#existing();
      const subscription = loaded?.byId.get(id);
      if (loaded === undefined || subscription === undefined) return;
      await subscription.delete();
      loaded.byId.delete(id);
      loaded.byUid.delete(subscription.state.uid);
      this.#version++;
    });
  }

  /** The secrets of the directory; undefined when it has none so far, or none that can be read. */
  get keys(): Keys | undefined {
    if (this.#loaded !== undefined) return this.#loaded.around.keys;
    try {
      return Keys.find(this.#machine.storage, this.#directory);
    } catch (error) {
      // Strangers may ask: they are not told where it lies.
      this.#options.report(error as Error);
      return undefined;
    }
  }

  /** What signatures are checked with. */
  get publicKeys(): readonly PublicJwk[] {
    const { keys } = this;
    return keys === undefined ? [] : [keys.jwk];
  }

  /** Undefined where there never was a subscription: nothing is made to say that. */
  async #existing(): Promise<Loaded | undefined> {
    return hasJournal(this.#machine.storage, this.#directory) ? await this.#ready() : undefined;
  }

  async #ready(): Promise<Loaded> {
    if (this.#isClosed) throw closedError(this.#directory);
    this.#store.own();
    return await (this.#loading ??= this.#load());
  }

  /** Goes to work when this process is the owner of the directory. */
  #start(): void {
    if (this.#isClosed || !hasJournal(this.#machine.storage, this.#directory)) return;
    // It was told of what failed, and tries again.
    this.#unfinished.add(this.#ready().then(() => undefined));
  }

  async #load(): Promise<Loaded> {
    this.#isWatching = true;
    try {
      await this.#closing;
      const keys = Keys.open(this.#machine, this.#directory);
      const { journal, states } = await Journal.open(this.#machine, this.#directory);
      return this.#begin(keys, journal, states);
    } catch (error) {
      this.#loading = undefined;
      this.#restartLater(error);
      throw error;
    }
  }

  #begin(keys: Keys, journal: Journal, states: ReadonlyMap<string, SubscriptionState>): Loaded {
    const { publicUrl, webhookTimeoutMs, post = postWebhook } = this.#options;
    const all: ActiveSubscription[] = [];
    let look!: () => void;
    const looked = new Promise<void>((resolve) => (look = resolve)).then(() => this.#look(all));
    const around: Surroundings = {
      machine: this.#machine,
      store: this.#store,
      tails: this.#tails,
      journal,
      keys,
      slots: this.#slots,
      targets: this.#targets,
      post,
      webhookTimeoutMs,
      publicUrl,
      unfinished: this.#unfinished,
      looked,
      failed: (error) => this.#failed(loaded, error),
      changed: () => {
        this.#failures = 0;
        this.#compactIfLong(loaded);
      },
      relinked: () => void this.#version++,
      appended: (entry, tail) => this.appended(entry, tail),
    };
    const loaded: Loaded = { around, byId: new Map(), byUid: new Map() };
    for (const state of states.values()) {
      const subscription = new ActiveSubscription(state, around);
      all.push(subscription);
      loaded.byId.set(state.config.id, subscription);
      loaded.byUid.set(state.uid, subscription);
    }
    this.#loaded = loaded;
    this.#version++;
    this.#unfinished.add(looked);
    look();
    for (const subscription of all) subscription.resume();
    return loaded;
  }

  /** Looks which streams have something to do: nothing was written down of that when they were appended to. */
  async #look(subscriptions: readonly ActiveSubscription[]): Promise<void> {
    if (subscriptions.length === 0) return;
    const looks: Promise<void>[] = [];
    try {
      for (const entry of this.#store.entries()) {
        const interested = subscriptions.filter(({ streams }) => streams.includes(entry));
        if (interested.length > 0) looks.push(this.#lookAt(entry, interested));
      }
    } catch (error) {
      // Of some stream it is not known what it is called: whoever asks for one is told too.
      this.#options.report(error as Error);
    }
    await Promise.all(looks);
  }

  async #lookAt(entry: StreamEntry, interested: readonly ActiveSubscription[]): Promise<void> {
    const tail = this.#isClosed ? undefined : await this.#tailOf(entry);
    if (tail !== undefined) for (const subscription of interested) subscription.note(entry, tail);
  }

  #compactIfLong({ around, byUid }: Loaded): void {
    if (!around.journal.isLong) return;
    const compacted = around.journal.compact(async () => {
      // One that ends meanwhile has nothing to be kept.
      for (const subscription of byUid.values()) {
        await subscription.rewrite().catch((error: unknown) => {
          if (error instanceof SeqlogError) throw error;
        });
      }
    });
    this.#unfinished.add(compacted.catch((error: unknown) => around.failed(error)));
  }

  /** What is on the disk may be otherwise than it is known here: it is read again. */
  #failed(loaded: Loaded, error: unknown): void {
    if (this.#loaded !== loaded) return;
    this.#end(loaded);
    this.#restartLater(error);
  }

  #end({ around, byUid }: Loaded): void {
    this.#loaded = undefined;
    this.#loading = undefined;
    for (const subscription of byUid.values()) subscription.stop();
    this.#closing = around.journal.close().catch(() => undefined);
  }

  #restartLater(error: unknown): void {
    if (this.#isClosed) return;
    this.#options.report(error as Error);
    this.#failures++;
    const waitMs = backoffMs(this.#failures, this.#machine.random);
    this.#stopRestart();
    this.#stopRestart = this.#machine.clock.after(waitMs, () => this.#start(), { keepAlive: false });
  }

  /** Calls off webhooks, and gives the journal back. What is not done with comes again at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopRestart();
    await this.#turn;
    await this.#loading?.catch(() => undefined);
    if (this.#loaded !== undefined) this.#end(this.#loaded);
    await this.#unfinished.idle();
    await this.#closing;
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(call);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function sameOrRefused(existing: ActiveSubscription, config: SubscriptionConfig): ActiveSubscription {
  if (JSON.stringify(existing.state.config) === JSON.stringify(config)) return existing;
  throw new Refusal(
    "conflict",
    "SUBSCRIPTION_ALREADY_EXISTS",
    `there is a subscription ${JSON.stringify(config.id)} already, and it is not what was asked for`,
  );
}

function closedError(path: string): SeqlogError<"SEQLOG_CLOSED"> {
  return new SeqlogError("SEQLOG_CLOSED", "the server is closing", { path });
}
