/** The logs of streams that are open: opened when they are asked for, closed when too many are. */
import { SeqlogError } from "../../errors.ts";
import type { Machine } from "../../storage/storage.ts";
import { OpenCache } from "./open-cache.ts";
import { OpenStream, type OpenOptions } from "./open-stream.ts";
import { notFound } from "./refusal.ts";
import type { HeldStream, StreamEntry } from "./stream-entry.ts";
import type { Unfinished } from "./unfinished.ts";

export class OpenLogs {
  readonly #machine: Machine;
  readonly #options: OpenOptions;
  readonly #cache: OpenCache;
  #isClosed = false;

  /** @param most that are open at once, those in use apart */
  constructor(machine: Machine, most: number, options: OpenOptions, unfinished: Unfinished) {
    this.#machine = machine;
    this.#options = options;
    this.#cache = new OpenCache(most, (entry) => unfinished.add(this.close(entry)));
  }

  /** Opens a stream's log, if it is not open, and keeps it open until it is released. */
  async hold(entry: StreamEntry): Promise<HeldStream> {
    entry.pins++;
    try {
      const stream = await this.#opened(entry);
      this.#cache.use(entry);
      let isOver = false;
      const release = (): void => {
        if (isOver) return;
        isOver = true;
        entry.pins--;
      };
      return { stream, release };
    } catch (error) {
      entry.pins--;
      throw error;
    }
  }

  async #opened(entry: StreamEntry): Promise<OpenStream> {
    for (;;) {
      if (this.#isClosed) {
        throw new SeqlogError("SEQLOG_CLOSED", "the server is closing", { path: entry.directory });
      }
      await entry.closing;
      if (entry.isGone) throw notFound(entry.meta.path);
      const stream = entry.stream ?? (await this.#open(entry));
      // An error may have ended it, or it was closed while we waited.
      if (stream === entry.stream && stream.failure === undefined) {
        if (!stream.isWriter) await stream.refresh();
        return stream;
      }
      await this.close(entry);
    }
  }

  async #open(entry: StreamEntry): Promise<OpenStream> {
    entry.opening ??= OpenStream.open(this.#machine, entry.directory, this.#options)
      .then((stream) => (entry.stream = stream))
      .finally(() => (entry.opening = undefined));
    return await entry.opening;
  }

  /** Waits for what is on its way, and closes. Fine when it is not open. */
  async close(entry: StreamEntry): Promise<void> {
    this.#cache.drop(entry);
    await entry.opening?.catch(() => undefined);
    const { stream } = entry;
    if (stream === undefined) return await entry.closing;
    entry.stream = undefined;
    entry.closing = stream
      .close()
      // What was acknowledged is durable; what could not be written says the next open.
      .catch(() => undefined)
      .finally(() => (entry.closing = undefined));
    await entry.closing;
  }

  /** Opens no more. */
  stop(): void {
    this.#isClosed = true;
  }
}
