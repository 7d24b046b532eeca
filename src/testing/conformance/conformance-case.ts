/** One case of the suite, and the logs that it opens: all closed and removed at its end, whatever happened. */
import type { Codec } from "../../log/codec.ts";
import type { Log } from "../../log/log.ts";
import type { Retention } from "../../log/retention.ts";
import type { ConformanceOpenOptions, ConformanceTarget } from "./conformance-target.ts";

/** A rule of the contract as a test. */
export interface CaseBody {
  readonly name: string;
  /** The part of the target without which the case is left out. */
  readonly needs?: "openReader" | "openRetaining" | "crash" | "maxRecordBytes";
  run(t: CaseLogs): Promise<void>;
}

/** Something to be closed. */
interface Closable {
  close(): Promise<void>;
}

/** The logs of one running case. */
export class CaseLogs {
  /** The target under test. */
  readonly target: ConformanceTarget;
  readonly #name: string;
  readonly #open = new Set<Closable>();
  readonly #used = new Set<string>();
  #isOver = false;

  constructor(target: ConformanceTarget, name: string) {
    this.target = target;
    this.#name = name;
  }

  /** Whether the case has ended, perhaps because it took too long: loops that wait stop then. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Opens the case's log, the same one each time; with a `part`, another one. */
  async open(options: ConformanceOpenOptions = {}, part = ""): Promise<Log> {
    return this.#keep(await this.target.open(this.#nameOf(part), options));
  }

  /** As `open`, with a codec. */
  async openWithCodec<In, Out>(codec: Codec<In, Out>, part = ""): Promise<Log<In, Out>> {
    return this.#keep(await this.target.openWithCodec(this.#nameOf(part), codec));
  }

  /** As `open`, with `retention`. */
  async openRetaining(retention: Retention, part = ""): Promise<Log> {
    const { target } = this;
    if (target.openRetaining === undefined) throw new TypeError("this case needs a target with openRetaining");
    return this.#keep(await target.openRetaining(this.#nameOf(part), retention));
  }

  /** A second handle on the case's log, for reading. */
  async openReader(part = ""): Promise<Log> {
    const { target } = this;
    if (target.openReader === undefined) throw new TypeError("this case needs a target with openReader");
    return this.#keep(await target.openReader(this.#nameOf(part)));
  }

  /** Ends the writer; what is left is opened. */
  async crashAndOpen(log: Log): Promise<Log> {
    const { target } = this;
    if (target.crash === undefined) throw new TypeError("this case needs a target with crash");
    this.#open.delete(log);
    await target.crash(this.#nameOf(""), log);
    return await this.open();
  }

  /** Closes a log and opens it again. */
  async reopen(log: Log): Promise<Log> {
    await log.close();
    return await this.open();
  }

  /** Nobody waits for the case any more. */
  giveUp(): void {
    this.#isOver = true;
  }

  /** Closes what is open and removes it. */
  async end(): Promise<void> {
    this.#isOver = true;
    for (const log of [...this.#open].reverse()) await log.close();
    for (const name of this.#used) await this.target.destroy?.(name);
  }

  #nameOf(part: string): string {
    const name = part === "" ? this.#name : `${this.#name}-${part}`;
    this.#used.add(name);
    return name;
  }

  #keep<T extends Closable>(log: T): T {
    this.#open.add(log);
    return log;
  }
}
