/** Everything that can be reached by a name: streams, and logs that programs append to. A stream's name comes first. */
import type { Log } from "../../log/log.ts";
import type { Machine } from "../../storage/storage.ts";
import { contentTypeOf } from "./log-source.ts";
import { DirectoryLogs, GivenLogs, type LogCollection, type PlainLog } from "./plain-logs.ts";
import { Refusal, notFound } from "./refusal.ts";
import type { Source } from "./source.ts";
import type { StreamEntry } from "./stream-entry.ts";
import { type StoreOptions, StreamStore } from "./stream-store.ts";

/** What a name stands for. */
export type Found =
  | { readonly kind: "stream"; readonly entry: StreamEntry }
  | { readonly kind: "log"; readonly log: PlainLog }
  | undefined;

/** One line of the list. */
export interface Listed {
  readonly name: string;
  readonly kind: "stream" | "log";
  readonly contentType: string;
  readonly createdAt?: string;
  readonly ttlSeconds?: number;
  readonly expiresAt?: string;
  readonly forkedFrom?: string;
}

/** A source in use. */
export interface SourceInUse {
  readonly source: Source;
  /** Notes that it is read. */
  touch(): void;
  release(): void;
}

export class Catalog {
  /** Undefined where logs were given, and there is no directory for streams. */
  readonly streams: StreamStore | undefined;
  readonly #logs: LogCollection;

  private constructor(streams: StreamStore | undefined, logs: LogCollection) {
    this.streams = streams;
    this.#logs = logs;
  }

  static ofDirectory(machine: Machine, directory: string, options: StoreOptions): Catalog {
    return new Catalog(
      StreamStore.open(machine, directory, options),
      new DirectoryLogs(machine, directory, options.maxOpenLogs),
    );
  }

  static ofLogs(machine: Machine, logs: Readonly<Record<string, Log<never, unknown>>>): Catalog {
    return new Catalog(undefined, new GivenLogs(machine, logs));
  }

  /** @throws when a stream that cannot be read may have the name */
  find(name: string): Found {
    const entry = this.streams?.find(name);
    if (entry !== undefined) return { kind: "stream", entry };
    const log = this.#logs.find(name);
    if (log !== undefined) return { kind: "log", log };
    const other = this.streams?.findSurely(name);
    return other === undefined ? undefined : { kind: "stream", entry: other };
  }

  /** The stream of a name, to be changed. @throws {Refusal} for what is no stream, or no more */
  streamToChange(name: string): StreamEntry {
    const found = this.#existing(name);
    if (found.kind === "stream") return found.entry;
    throw new Refusal(
      "not-allowed",
      "PLAIN_LOG",
      `${name} is a log that a program appends to; over HTTP it is only read`,
    );
  }

  /** Opens what has a name. @throws {Refusal} */
  async read(name: string): Promise<SourceInUse> {
    const found = this.#existing(name);
    if (found.kind === "log") {
      const { source, release } = await this.#logs.hold(found.log);
      return { source, release, touch: () => undefined };
    }
    const streams = this.streams as StreamStore;
    const source = await streams.source(found.entry);
    return { source, release: () => source.release(), touch: () => streams.touch(found.entry, "read") };
  }

  /** @throws {Refusal} when nothing that can be read has this name */
  check(name: string): void {
    this.#existing(name);
  }

  #existing(name: string): NonNullable<Found> {
    const found = this.find(name);
    if (found === undefined) throw notFound(name);
    if (found.kind === "stream" && found.entry.meta.isDeleted) {
      throw new Refusal("gone", "DELETED_WITH_FORKS", `${name} was deleted; it lives on for its forks alone`);
    }
    return found;
  }

  /** All names, sorted. */
  list(): Listed[] {
    const listed = new Map<string, Listed>();
    for (const { name, codec } of this.#logs.list()) {
      listed.set(name, { name, kind: "log", contentType: contentTypeOf(codec) });
    }
    for (const { meta } of this.streams?.entries() ?? []) {
      const { path, contentType, createdAt, ttlSeconds, expiresAt, fork } = meta;
      listed.set(path, {
        name: path,
        kind: "stream",
        contentType,
        createdAt: new Date(createdAt).toISOString(),
        ...(ttlSeconds === null ? {} : { ttlSeconds }),
        ...(expiresAt === null ? {} : { expiresAt }),
        ...(fork === null ? {} : { forkedFrom: fork.path }),
      });
    }
    return [...listed.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async close(): Promise<void> {
    await Promise.all([this.streams?.close(), this.#logs.close()]);
  }
}
