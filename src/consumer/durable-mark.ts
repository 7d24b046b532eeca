/**
 * Keeps checkpoints behind the mark: under the weaker durability modes readers are served records
 * that a power cut may still take, and a checkpoint past them would skip what comes in their place.
 */
import { IndexFile } from "../segment/index-file.ts";
import { SeqlogError } from "../errors.ts";
import { closedError } from "../segment/read-range.ts";
import { indexPath, seedOf } from "../log/segment-files.ts";
import { run } from "../storage/plan.ts";
import type { ConsumedDirectory } from "./consumed-directory.ts";
import type { Mark } from "./consumed-log.ts";

/** How often the record index of another process's log is looked at while somebody waits for its mark. */
const pollMs = 50;

/** How far one log is durable. */
export class DurableMark implements Mark {
  readonly #log: ConsumedDirectory<unknown>;
  #flushed = { generation: -1, seq: 0 };
  #isStopped = false;
  readonly #waiting = new Set<() => void>();

  constructor(log: ConsumedDirectory<unknown>) {
    this.#log = log;
  }

  /**
   * Resolves when the records before `seq` are durable: in the writer's process it makes them so, in
   * another it waits for the writer.
   * @throws SEQLOG_CLOSED when `stop`, or the signal, ends the wait
   */
  async reach(seq: number, signal?: AbortSignal): Promise<void> {
    const { directory: view, flush } = this.#log;
    while (!this.#isDurable(seq)) {
      if (flush !== undefined) {
        const reached = { generation: view.generation, seq: view.nextSeq };
        await flush();
        this.#flushed = reached;
        if (reached.generation !== view.generation || seq > reached.seq) return;
        continue;
      }
      await view.refresh();
      if (this.#isDurable(seq) || seq <= (await this.#firmEnd())) return;
      if (this.#isStopped || view.isClosed || signal?.aborted === true) throw closedError(view.location);
      await this.#pause(signal);
    }
  }

  /** How far the log is durable now; in the writer's process all that there is. */
  async end(): Promise<number> {
    const { directory: view, flush } = this.#log;
    const { nextSeq } = view;
    if (flush !== undefined) await this.reach(nextSeq);
    else if (!this.#isDurable(nextSeq)) return Math.min(nextSeq, await this.#firmEnd());
    return nextSeq;
  }

  get isReached(): boolean {
    const { manifest, isClosed } = this.#log.directory;
    return manifest.window !== null || manifest.state !== "open" || isClosed;
  }

  /** From here on nothing is waited for. */
  stop(): void {
    this.#isStopped = true;
    for (const go of this.#waiting) go();
  }

  #isDurable(seq: number): boolean {
    const { manifest, generation } = this.#log.directory;
    // A window says that each record was durable before it was acknowledged.
    if (manifest.window !== null || manifest.state !== "open") return true;
    return this.#flushed.generation === generation && seq <= this.#flushed.seq;
  }

  /** After the last firm entry of the active segment; sealed ones are durable. */
  async #firmEnd(): Promise<number> {
    const { machine, directory: view } = this.#log;
    const base = view.segments.at(-1)?.base ?? view.firstSeq;
    const path = indexPath(view.location, { base, generation: view.generation });
    let index: IndexFile;
    try {
      index = IndexFile.openSync(machine.storage, path, "read", base, seedOf(view.manifest, base));
    } catch (error) {
      if (SeqlogError.is(error, "SEQLOG_NOT_FOUND")) return base;
      throw error;
    }
    try {
      const last = await run(index.last("firm"));
      return last === undefined ? base : last.seq + 1;
    } finally {
      index.closeSync();
    }
  }

  #pause(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        cancel();
        this.#waiting.delete(go);
        signal?.removeEventListener("abort", go);
        resolve();
      };
      const cancel = this.#log.machine.clock.after(pollMs, go, { keepAlive: true });
      this.#waiting.add(go);
      signal?.addEventListener("abort", go, { once: true });
    });
  }
}
