/**
 * What is known of a subscription for good, and how it changes. Every change is a record of the
 * journal, and what it does to the state is here alone: the journal read again gives the same.
 */

/** What a PUT asked for; a repeated one must ask for the same. */
export interface SubscriptionConfig {
  readonly id: string;
  readonly type: "webhook" | "pull-wake";
  readonly pattern: string | null;
  /** Sorted, each once. */
  readonly streams: readonly string[];
  readonly webhookUrl: string | null;
  readonly wakeStream: string | null;
  readonly leaseMs: number;
  readonly description: string | null;
}

/** A stream that it is about, and how far it has got there. */
export interface StreamLink {
  readonly path: string;
  /** The internal id of the stream: another one of the same name is another one. Null: there was none. */
  readonly stream: string | null;
  /** Records before this one are done with; -1: none is, nor was any there when it began. */
  readonly acked: number;
  /** Named, and not only met by the pattern. */
  readonly isExplicit: boolean;
}

/** A call to work that is not over. */
export interface Wake {
  readonly id: string;
  /** Who took it; of a webhook nobody does. */
  readonly holder: string | null;
  /** Whether those who wait for work were told of it, durably; of a webhook that is never known for good. */
  readonly isTold: boolean;
}

/** One step. */
export type Change =
  | {
      readonly type: "create";
      readonly format: 1;
      /** A UUID: it tells one from another one that had the same id before. */
      readonly uid: string;
      readonly config: SubscriptionConfig;
      /** What was in front of `/v1/stream/` when it was made. */
      readonly baseUrl: string;
      readonly createdAt: number;
      readonly generation: number;
      readonly wake: Wake | null;
      readonly links: readonly StreamLink[];
    }
  | { readonly type: "delete"; readonly uid: string }
  | { readonly type: "link"; readonly uid: string; readonly links: readonly StreamLink[] }
  | { readonly type: "unlink"; readonly uid: string; readonly path: string; readonly stream: string | null }
  | { readonly type: "wake"; readonly uid: string; readonly generation: number; readonly wake: Wake }
  | { readonly type: "told"; readonly uid: string }
  | { readonly type: "claim"; readonly uid: string; readonly holder: string }
  /** `isOver`: and the wake with it. */
  | { readonly type: "ack"; readonly uid: string; readonly links: readonly StreamLink[]; readonly isOver: boolean };

export type CreateChange = Extract<Change, { type: "create" }>;

export class SubscriptionState {
  readonly uid: string;
  readonly config: SubscriptionConfig;
  readonly baseUrl: string;
  readonly createdAt: number;
  /** Of the last wake; it only grows. */
  generation: number;
  wake: Wake | null;
  readonly links: Map<string, StreamLink>;

  constructor({ uid, config, baseUrl, createdAt, generation, wake, links }: CreateChange) {
    this.uid = uid;
    this.config = config;
    this.baseUrl = baseUrl;
    this.createdAt = createdAt;
    this.generation = generation;
    this.wake = wake;
    this.links = new Map(links.map((link) => [link.path, link]));
  }

  /** What a change does. */
  apply(change: Exclude<Change, { type: "create" | "delete" }>): void {
    switch (change.type) {
      case "unlink":
        if (this.links.get(change.path)?.stream === change.stream) this.links.delete(change.path);
        return;
      case "wake":
        this.generation = change.generation;
        this.wake = change.wake;
        return;
      case "told":
        if (this.wake !== null) this.wake = { ...this.wake, isTold: true };
        return;
      case "claim":
        if (this.wake !== null) this.wake = { ...this.wake, holder: change.holder };
        return;
      case "link":
      case "ack":
        for (const link of change.links) this.links.set(link.path, link);
        if (change.type === "ack" && change.isOver) this.wake = null;
    }
  }

  /** The change that brings all of it into being. */
  toCreate(): CreateChange {
    const { uid, config, baseUrl, createdAt, generation, wake } = this;
    const links = [...this.links.values()];
    return { type: "create", format: 1, uid, config, baseUrl, createdAt, generation, wake, links };
  }
}
