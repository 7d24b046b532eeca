/** What all subscriptions of a directory work with. */
import type { Machine } from "../../storage/storage.ts";
import type { StreamEntry } from "../streams/stream-entry.ts";
import type { StreamStore } from "../streams/stream-store.ts";
import type { Unfinished } from "../streams/unfinished.ts";
import type { DeliverySlots } from "./delivery-slots.ts";
import type { Journal } from "./journal.ts";
import type { Keys } from "./keys.ts";
import type { PostWebhook } from "./post-webhook.ts";
import type { Tails } from "./tails.ts";
import type { WebhookTargets } from "./webhook-target.ts";

export interface Surroundings {
  readonly machine: Machine;
  readonly store: StreamStore;
  readonly tails: Tails;
  readonly journal: Journal;
  readonly keys: Keys;
  readonly slots: DeliverySlots;
  readonly targets: WebhookTargets;
  readonly post: PostWebhook;
  readonly webhookTimeoutMs: number;
  /** In front of `/v1/stream/`, where the operator says so. */
  readonly publicUrl: string | undefined;
  /** Work beside the requests. */
  readonly unfinished: Unfinished;
  /** Resolves when it is known which streams have something to do. */
  readonly looked: Promise<void>;
  /** What is kept may be otherwise than it is known here. */
  failed(error: unknown): void;
  changed(): void;
  /** Which streams it is about has changed. */
  relinked(): void;
  /** Something was appended to a stream. */
  appended(entry: StreamEntry, tail: number): void;
}
