/** The streams that one subscription is about, and which of them have more than was acknowledged. */
import type { StreamEntry } from "../streams/stream-entry.ts";
import type { StreamStore } from "../streams/stream-store.ts";
import { Pattern } from "./pattern.ts";
import type { StreamLink, SubscriptionState } from "./subscription-state.ts";
import type { Tails } from "./tails.ts";

/** One of them, as it is told. */
export interface StreamInfo {
  readonly path: string;
  /** Undefined: there is no such stream so far. */
  readonly entry: StreamEntry | undefined;
  readonly isExplicit: boolean;
  readonly acked: number;
  readonly tail: number;
}

/** Whether there is anything behind what was acknowledged. */
export function isPending(acked: number, tail: number): boolean {
  return tail > Math.max(acked, 0);
}

export class SubscribedStreams {
  readonly #state: SubscriptionState;
  readonly #store: StreamStore;
  readonly #tails: Tails;
  readonly #pattern: Pattern | undefined;
  /** Who has waited longest comes first. */
  readonly #pending = new Map<string, StreamEntry>();

  constructor(state: SubscriptionState, store: StreamStore, tails: Tails) {
    this.#state = state;
    this.#store = store;
    this.#tails = tails;
    const { pattern } = state.config;
    this.#pattern = pattern === null ? undefined : new Pattern(pattern);
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** The name of a stream with something to do; empty when there is none. */
  get firstPending(): string {
    for (const path of this.#pending.keys()) return path;
    return "";
  }

  /** The stream of a name, if anybody can see it. */
  live(path: string): StreamEntry | undefined {
    const entry = this.#store.find(path);
    return entry === undefined || entry.meta.isDeleted ? undefined : entry;
  }

  /** Whether the pattern meets a name. The stream that it is woken through is no reason to wake it. */
  isMet(path: string): boolean {
    return path !== this.#state.config.wakeStream && this.#pattern?.matches(path) === true;
  }

  /** Whether it is about a stream. */
  includes(entry: StreamEntry): boolean {
    return this.linkOf(entry) !== undefined || this.isMet(entry.meta.path);
  }

  /** What is known of a stream; of an older one of the same name nothing is. */
  linkOf({ meta }: StreamEntry): StreamLink | undefined {
    const link = this.#state.links.get(meta.path);
    return link !== undefined && (link.stream === null || link.stream === meta.id) ? link : undefined;
  }

  /** A stream that came later than the subscription, and was never acknowledged, is new from its beginning. */
  ackedOf(entry: StreamEntry): number {
    return this.linkOf(entry)?.acked ?? -1;
  }

  /** A stream that it is about goes so far. */
  note(entry: StreamEntry, tail: number): void {
    const { path } = entry.meta;
    if (this.#pending.get(path) === entry || entry.isGone || entry.meta.isDeleted) return;
    if (isPending(this.ackedOf(entry), tail)) this.#pending.set(path, entry);
  }

  /** Looks again at a stream of which more is acknowledged, or that is asked for no more. */
  review(path: string): void {
    // Where there is more to do it comes behind those that have waited longer.
    this.#pending.delete(path);
    const entry = this.live(path);
    if (entry !== undefined && this.includes(entry)) this.note(entry, this.#tails.known(entry) ?? 0);
  }

  /** A stream is gone. Returns what was known of it, which is forgotten. */
  remove(entry: StreamEntry): StreamLink | undefined {
    const { path } = entry.meta;
    if (this.#pending.get(path) === entry) this.#pending.delete(path);
    const link = this.linkOf(entry);
    if (link !== undefined) this.#state.links.delete(path);
    return link;
  }

  /** At most so many: first those with something to do. */
  async list(most: number): Promise<StreamInfo[]> {
    const infos: StreamInfo[] = [];
    for (const entry of this.#pending.values()) {
      if (infos.length >= most) return infos;
      infos.push(this.#infoOf(entry, this.#tails.known(entry) ?? 0));
    }
    const listed = new Set(infos.map(({ path }) => path));
    for (const link of this.#state.links.values()) {
      if (infos.length >= most) return infos;
      if (listed.has(link.path)) continue;
      const info = await this.#infoOfLink(link);
      if (info !== undefined) infos.push(info);
    }
    return infos;
  }

  #infoOf(entry: StreamEntry, tail: number): StreamInfo {
    const isExplicit = this.linkOf(entry)?.isExplicit === true;
    return { path: entry.meta.path, entry, isExplicit, acked: this.ackedOf(entry), tail };
  }

  async #infoOfLink(link: StreamLink): Promise<StreamInfo | undefined> {
    const { path, isExplicit, acked } = link;
    const entry = this.live(path);
    if (entry === undefined) {
      return link.stream === null ? { path, entry, isExplicit, acked, tail: 0 } : undefined;
    }
    if (this.linkOf(entry) !== link) return undefined;
    // One that cannot be opened is told of as it was known last.
    return this.#infoOf(entry, await this.#tails.of(entry).catch(() => Math.max(acked, 0)));
  }
}
