/** The logs under a directory that programs append to: found by their MANIFEST, opened to read when they are asked for. */
import { join } from "node:path";
import { SeqlogError } from "../../errors.ts";
import { FileLog } from "../../log/file-log.ts";
import type { Log } from "../../log/log.ts";
import { loadManifest, manifestPath } from "../../log/manifest.ts";
import { runSync } from "../../storage/plan.ts";
import type { Machine } from "../../storage/storage.ts";
import { LogSource } from "./log-source.ts";
import { LookAgain } from "./look-again.ts";
import { problemOfPath, reservedSegment } from "./stream-path.ts";

/** Directories below this many others are not looked into. */
const maxDepth = 8;

/** A log that can be read. */
export interface PlainLog {
  readonly name: string;
  /** Undefined when its MANIFEST cannot be read. */
  readonly codec: string | null | undefined;
}

/** A source in use. */
export interface HeldSource {
  readonly source: LogSource;
  release(): void;
}

interface Opened {
  readonly source: LogSource;
  pins: number;
}

/** Where plain logs come from. */
export interface LogCollection {
  find(name: string): PlainLog | undefined;
  list(): PlainLog[];
  hold(log: PlainLog): Promise<HeldSource>;
  close(): Promise<void>;
}

/** Those under a directory. */
export class DirectoryLogs implements LogCollection {
  readonly #machine: Machine;
  readonly #directory: string;
  readonly #most: number;
  #names = new Set<string>();
  readonly #lookAgain: LookAgain;
  /** Used last at the end. */
  readonly #open = new Map<string, Promise<Opened>>();

  constructor(machine: Machine, directory: string, maxOpenLogs: number) {
    this.#machine = machine;
    this.#directory = directory;
    this.#most = maxOpenLogs;
    this.#lookAgain = new LookAgain(machine.clock);
  }

  find(name: string): PlainLog | undefined {
    if (!this.#names.has(name)) this.#look();
    return this.#names.has(name) ? { name, codec: this.#codecOf(name) } : undefined;
  }

  list(): PlainLog[] {
    this.#look();
    return [...this.#names].map((name) => ({ name, codec: this.#codecOf(name) }));
  }

  #codecOf(name: string): string | null | undefined {
    try {
      return runSync(loadManifest(this.#machine.storage, this.#placeOf(name)))?.codec;
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
      return undefined;
    }
  }

  /** Names are those of directories that were found: none is made of what a client sends. */
  #placeOf(name: string): string {
    return join(this.#directory, ...name.split("/"));
  }

  #look(): void {
    if (!this.#lookAgain.isDue) return;
    const found = new Set<string>();
    this.#lookAgain.look(() => this.#lookInto(this.#directory, [], found));
    this.#names = found;
    for (const name of this.#open.keys()) if (!found.has(name)) void this.#drop(name);
  }

  #lookInto(directory: string, above: readonly string[], found: Set<string>): void {
    const { storage } = this.#machine;
    for (const name of this.#namesIn(directory)) {
      if (above.length === 0 && name === reservedSegment) continue;
      const at = join(directory, name);
      const segments = [...above, name];
      if (storage.statSync(at)?.kind !== "directory") continue;
      if (storage.statSync(manifestPath(at))?.kind !== "file") {
        if (segments.length < maxDepth) this.#lookInto(at, segments, found);
        continue;
      }
      const path = segments.join("/");
      if (problemOfPath(path) === undefined) found.add(path);
    }
  }

  /** What cannot be looked into has no logs that could be read. */
  #namesIn(directory: string): string[] {
    try {
      return this.#machine.storage.listSync(directory);
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
      return [];
    }
  }

  async hold(log: PlainLog): Promise<HeldSource> {
    const { name } = log;
    for (;;) {
      const opening = this.#open.get(name) ?? this.#openLog(log);
      // Used last.
      this.#open.delete(name);
      this.#open.set(name, opening);
      const opened = await opening;
      if (opened.source.isGone) {
        await this.#drop(name);
        continue;
      }
      opened.pins++;
      this.#closeSome();
      let isOver = false;
      const release = (): void => {
        if (!isOver) opened.pins--;
        isOver = true;
      };
      try {
        await opened.source.refresh();
        return { source: opened.source, release };
      } catch (error) {
        release();
        await this.#drop(name);
        throw error;
      }
    }
  }

  #openLog({ name, codec }: PlainLog): Promise<Opened> {
    const { clock } = this.#machine;
    const opening = FileLog.open(this.#placeOf(name), { machine: this.#machine, readOnly: true }).then((log) => {
      const manifest = runSync(loadManifest(this.#machine.storage, log.location));
      return { source: new LogSource(clock, log as never, codec, manifest?.logId ?? name), pins: 0 };
    });
    opening.catch(() => this.#open.delete(name));
    return opening;
  }

  #closeSome(): void {
    let over = this.#open.size - this.#most;
    for (const [name, opening] of this.#open) {
      if (over <= 0) return;
      over--;
      void opening.then(({ pins, source }) => {
        const isIdle = pins === 0 && !source.isBusy && this.#open.get(name) === opening;
        return isIdle ? this.#drop(name) : undefined;
      });
    }
  }

  async #drop(name: string): Promise<void> {
    const opening = this.#open.get(name);
    this.#open.delete(name);
    await opening?.then(({ source }) => source.close()).catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((name) => this.#drop(name)));
  }
}

/** Logs that a program has open itself, and goes on to use. */
export class GivenLogs implements LogCollection {
  readonly #sources = new Map<string, { readonly log: PlainLog; readonly source: LogSource }>();

  /** @throws {TypeError} for a name that cannot be one */
  constructor(machine: Machine, logs: Readonly<Record<string, Log<never, unknown>>>) {
    for (const [name, log] of Object.entries(logs)) {
      const problem = problemOfPath(name);
      if (problem !== undefined)
        throw new TypeError(`logs: ${JSON.stringify(name)} cannot be a stream's name: ${problem}`);
      const source = new LogSource(machine.clock, log, log.codec, `${name}.${machine.clock.now()}`);
      this.#sources.set(name, { log: { name, codec: log.codec }, source });
    }
  }

  find(name: string): PlainLog | undefined {
    return this.#sources.get(name)?.log;
  }

  list(): PlainLog[] {
    return [...this.#sources.values()].map(({ log }) => log);
  }

  async hold({ name }: PlainLog): Promise<HeldSource> {
    const { source } = this.#sources.get(name) as { source: LogSource };
    await source.refresh();
    return { source, release: () => undefined };
  }

  /** They are the program's. */
  async close(): Promise<void> {}
}
