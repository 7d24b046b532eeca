/** Tells those who wait for work of a wake: a message in the stream that they follow. */
import { isJsonType } from "../streams/content-type.ts";
import { frameOf } from "../streams/new-frame.ts";
import type { StreamEntry } from "../streams/stream-entry.ts";
import type { StreamStore } from "../streams/stream-store.ts";

/** What it says. */
export interface WakeEvent {
  readonly subscriptionId: string;
  /** One of the streams with something to do. */
  readonly stream: string;
  readonly generation: number;
  readonly nowMs: number;
}

/** Resolves with the stream and where it ends when the message is durable. @throws why it cannot be */
export async function writeWakeEvent(
  store: StreamStore,
  path: string,
  { subscriptionId, stream, generation, nowMs }: WakeEvent,
): Promise<{ readonly entry: StreamEntry; readonly tail: number }> {
  const entry = store.find(path);
  if (entry === undefined || entry.meta.isDeleted) throw new Error(`there is no stream ${path} to tell of it`);
  const { contentType } = entry.meta;
  const text = JSON.stringify({ type: "wake", subscription_id: subscriptionId, stream, generation, ts: nowMs });
  const frame = frameOf(Buffer.from(isJsonType(contentType) ? text : `${text}\n`), contentType, { close: false });
  const held = await store.hold(entry);
  try {
    store.touch(entry, "append");
    const { kind, tail } = await held.stream.append(frame);
    if (kind !== "appended") throw new Error(`the stream ${path} takes no more: it is ${kind}`);
    return { entry, tail };
  } finally {
    held.release();
  }
}
