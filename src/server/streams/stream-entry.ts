/** One stream as the store knows it, whether its log is open or not. Written by the store alone. */
import type { OpenStream } from "./open-stream.ts";
import type { StreamMeta } from "./stream-meta.ts";

/** A stream whose log is open, until it is released. */
export interface HeldStream {
  readonly stream: OpenStream;
  release(): void;
}

export class StreamEntry {
  meta: StreamMeta;
  readonly directory: string;
  /** The stream that it was forked from. */
  source: StreamEntry | undefined;
  /** Its forks. Derived at start, never stored. */
  readonly forks: Set<StreamEntry> = new Set();
  /** When it was read or appended to last, as far as is known; counts with a TTL. */
  lastAccessMs: number;
  /** Whether `aliveUntil` may not be durable, though it was found on the disk. */
  isLeaseUnsynced = false;
  /** Removed: whoever still holds it stops. */
  isGone = false;
  /** The open log. */
  stream: OpenStream | undefined;
  /** Set while the log is being opened, and while it is being closed. */
  opening: Promise<OpenStream> | undefined;
  closing: Promise<void> | undefined;
  /** How many requests use the open log. */
  pins = 0;

  constructor(meta: StreamMeta, directory: string, lastAccessMs: number) {
    this.meta = meta;
    this.directory = directory;
    this.lastAccessMs = lastAccessMs;
  }

  /** When it ends by itself, in milliseconds since 1970. */
  get expiresAtMs(): number {
    const { expiresAt, ttlSeconds } = this.meta;
    const absolute = expiresAt === null ? Infinity : Date.parse(expiresAt);
    const idle = ttlSeconds === null ? Infinity : this.lastAccessMs + ttlSeconds * 1000;
    return Math.min(absolute, idle);
  }
}
