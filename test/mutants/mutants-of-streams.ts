/** Ways to get the streams of the HTTP server wrong. Their promises are those of docs/server.md. */
import type { Mutant } from "./mutant.ts";

const createStream = "server/streams/create-stream.ts";
const openStream = "server/streams/open-stream.ts";
const stateSnapshot = "server/streams/state-snapshot.ts";
const streamDirectory = "server/streams/stream-directory.ts";
const streamEntry = "server/streams/stream-entry.ts";
const streamStore = "server/streams/stream-store.ts";

/** All of them. */
export const mutantsOfStreams: readonly Mutant[] = [
  {
    name: "an append is answered before it is durable",
    breaks: 1,
    edits: [
      {
        file: openStream,
        find: `      const { segment } = await this.#log.append(encodeFrame(frame), { expectedSeq });
`,
        replace: `      const { segment } = { segment: this.#segment ?? "" };
      this.#log.append(encodeFrame(frame), { expectedSeq }).catch(() => undefined);
`,
      },
    ],
  },
  {
    name: "a snapshot forgets where producers stand",
    breaks: 3,
    edits: [
      {
        file: stateSnapshot,
        find: `  for (const [id, epoch, lastSeq] of producers) state.producers.set(id, { epoch, lastSeq });
`,
        replace: ``,
      },
    ],
  },
  {
    name: "a snapshot forgets the epochs of producers",
    breaks: 3,
    edits: [
      {
        file: stateSnapshot,
        find: `state.producers.set(id, { epoch, lastSeq })`,
        replace: `state.producers.set(id, { epoch: epoch * 0, lastSeq })`,
      },
    ],
  },
  {
    name: "a snapshot forgets the last Stream-Seq",
    breaks: 2,
    edits: [{ file: stateSnapshot, find: `  state.streamSeq = streamSeq ?? undefined;\n`, replace: `` }],
  },
  {
    name: "a snapshot forgets the close",
    breaks: 2,
    edits: [{ file: stateSnapshot, find: `  state.isClosed = isClosed;\n`, replace: `` }],
  },
  {
    name: "records behind the snapshot move no producer",
    breaks: 3,
    edits: [
      {
        file: openStream,
        find: `state.apply(frameAt(log, state.nextSeq, batch.bytesAt(i)));`,
        replace: `state.apply({ ...frameAt(log, state.nextSeq, batch.bytesAt(i)), producer: undefined });`,
      },
    ],
  },
  {
    name: "a repeated append is answered while the first is on its way",
    breaks: 3,
    edits: [
      {
        file: openStream,
        find: `      if (firm.kind !== "accept" && firm.kind === verdict?.kind) {
        return { ...firm,`,
        replace: `      if (verdict !== undefined) {
        return { ...(firm.kind === "accept" ? verdict : firm),`,
      },
    ],
  },
  {
    name: "the name of a new stream is not synced",
    breaks: 4,
    edits: [{ file: createStream, find: `  storage.fsyncDirectorySync(places.parent);\n`, replace: `` }],
  },
  {
    name: "a new stream has its name before its first record",
    breaks: 4,
    edits: [
      {
        file: createStream,
        find: `    records: log.frames.map(encodeFrame),
  });
  storage.renameSync(places.draft, places.directory);`,
        replace: `    records: [],
  });
  storage.renameSync(places.draft, places.directory);`,
      },
    ],
  },
  {
    name: "a deletion is not synced",
    breaks: 4,
    edits: [
      {
        file: streamDirectory,
        find: `      storage.renameSync(directory, aside);
      storage.fsyncDirectorySync(this.#root);`,
        replace: `      storage.renameSync(directory, aside);`,
      },
    ],
  },
  {
    name: "what a killed server left is built upon before it is durable",
    breaks: 4,
    edits: [
      {
        file: streamDirectory,
        find: `    const isSyncing = this.isOwned && this.#isUnsynced;`,
        replace: `    const isSyncing = false;`,
      },
    ],
  },
  {
    name: "the life of a stream is prolonged in memory alone",
    breaks: 5,
    edits: [
      {
        file: streamStore,
        find: `    this.#storeMeta(entry, { ...entry.meta, aliveUntil: Math.ceil(end + lease) });`,
        replace: `    entry.meta = { ...entry.meta, aliveUntil: Math.ceil(end + lease) };`,
      },
    ],
  },
  {
    name: "after a restart a stream's TTL counts from its making",
    breaks: 5,
    edits: [
      {
        file: streamStore,
        find: `aliveUntil === null || ttlSeconds === null ? createdAt : aliveUntil - ttlSeconds * 1000;`,
        replace: `aliveUntil === null || ttlSeconds !== null ? createdAt : aliveUntil;`,
      },
    ],
  },
  {
    name: "an append is no use of a stream",
    breaks: 5,
    edits: [
      {
        file: streamStore,
        find: `    if (use === "append") this.#own();\n`,
        replace: `    if (use === "append") return this.#own();\n`,
      },
    ],
  },
  {
    name: "a stream with a TTL never ends",
    breaks: 5,
    edits: [
      {
        file: streamEntry,
        find: `ttlSeconds === null ? Infinity : this.lastAccessMs + ttlSeconds * 1000;`,
        replace: `Infinity;`,
      },
    ],
  },
  {
    name: "a use puts off the time that was given for a stream's end",
    breaks: 5,
    edits: [
      {
        file: streamEntry,
        find: `    return Math.min(absolute, idle);`,
        replace: `    return ttlSeconds === null ? Math.max(absolute, this.lastAccessMs + 20_000) : idle;`,
      },
    ],
  },
  {
    name: "each server has a lock of its own for the directory",
    breaks: 8,
    edits: [
      {
        file: streamDirectory,
        find: `acquireWriterLock(this.#machine, lockPath(this.#parent), "kernel")`,
        replace: `acquireWriterLock(this.#machine, lockPath(this.#parent) + this.#machine.owner.pid, "kernel")`,
      },
    ],
  },
  {
    name: "both servers append to a stream with a TTL",
    breaks: 8,
    edits: [{ file: streamStore, find: `    if (use === "append") this.#own();\n`, replace: `` }],
  },
  {
    name: "a server that is not the owner does not look again",
    breaks: 8,
    edits: [
      {
        file: streamStore,
        find: `    this.#directory.tryToOwn();
    this.#look(extent);
`,
        replace: ``,
      },
    ],
  },
  {
    name: "a server that is not the owner does not read again what a stream is",
    breaks: 8,
    edits: [
      {
        file: streamStore,
        find: `    const meta = this.#directory.lookAt(entry.meta.id);`,
        replace: `    const meta = entry.meta as ReturnType<StreamDirectory["lookAt"]>;`,
      },
    ],
  },
  {
    name: "a server takes over without looking what there is",
    breaks: 8,
    edits: [
      {
        file: streamStore,
        find: `    // What the other process did before it let go.
    this.#look("all");`,
        replace: ``,
      },
    ],
  },
  {
    name: "a server that has ended keeps the directory",
    breaks: 8,
    edits: [
      {
        file: streamStore,
        find: `    await this.#unfinished.idle();
    this.#directory.release();`,
        replace: `    await this.#unfinished.idle();`,
      },
    ],
  },
];
