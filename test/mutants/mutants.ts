/**
 * Named ways to get the product wrong, each as an edit of its source. `npm run test:mutants` builds
 * each one apart and shows that the checks catch it; the product itself has no switch for any.
 */

import { mutantsOfStreams } from "./mutants-of-streams.ts";

/** Replaces one piece of a source file, which must be there exactly once. */
export interface Edit {
  /** Under src/. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A product with a fault in it. */
export interface Mutant {
  readonly name: string;
  /** The promise of docs/durability.md that it breaks; where streams are looked at, of docs/server.md. */
  readonly breaks: number;
  /** Which histories look for it; those of the log alone where this is left out. */
  readonly lookIn?: "consumers" | "streams";
  readonly edits: readonly Edit[];
}

const segmentWriter = "segment/segment-writer.ts";
const directoryWriter = "log/directory-writer.ts";
const recoverSegment = "segment/recover-segment.ts";
const recoverDirectory = "log/recover-directory.ts";
const recoveryTable = "segment/recovery-table.ts";
const commitQueue = "segment/commit-queue.ts";
const writeFully = "storage/write-fully.ts";
const checkpointFile = "consumer/checkpoint-file.ts";
const logConsumer = "consumer/log-consumer.ts";
const positionKeeper = "consumer/position-keeper.ts";
const protectedBy = "consumer/protected.ts";

/** All of them. */
export const mutants: readonly Mutant[] = [
  ...mutantsOfLogs(),
  ...mutantsOfConsumers().map((mutant) => ({ ...mutant, lookIn: "consumers" }) as const),
  ...mutantsOfStreams.map((mutant) => ({ ...mutant, lookIn: "streams" }) as const),
];

function mutantsOfLogs(): Mutant[] {
  return [
    {
      name: "acknowledges before sync",
      breaks: 1,
      edits: [
        {
          file: segmentWriter,
          find: `const dsync = storage.hasDsync && options.ackPoint === "durable";`,
          replace: `const dsync = false;`,
        },
        {
          file: segmentWriter,
          find: `if (failure === undefined && this.#ackPoint === "durable" && !this.#isDsync) {`,
          replace: `if (failure === undefined && false) {`,
        },
      ],
    },
    {
      name: "a blocking append does not wait for the sync",
      breaks: 1,
      edits: [
        {
          file: segmentWriter,
          find: `const dsync = storage.hasDsync && options.ackPoint === "durable";`,
          replace: `const dsync = false;`,
        },
        {
          file: segmentWriter,
          find: `if (this.#ackPoint === "durable" && !this.#isDsync) this.#log.fsyncSync();`,
          replace: ``,
        },
      ],
    },
    {
      name: "no directory fsync after a roll creates a segment",
      breaks: 3,
      edits: [
        {
          file: directoryWriter,
          find: `      createSegment(storage, this.location, name);
      storage.fsyncDirectorySync(this.location);
      this.#base = name.base;`,
          replace: `      createSegment(storage, this.location, name);
      this.#base = name.base;`,
        },
      ],
    },
    {
      name: "a failed fsync is tried again",
      breaks: 4,
      edits: [
        {
          file: segmentWriter,
          find: `this.#log.fsync((fsyncError) => this.#finish(() => done(fsyncError)));`,
          replace: `this.#log.fsync((fsyncError) => {
          if (fsyncError === undefined) return this.#finish(() => done(undefined));
          this.#log.fsync((again) => this.#finish(() => done(again)));
        });`,
        },
      ],
    },
    {
      name: "a failed write does not poison",
      breaks: 4,
      edits: [
        {
          file: commitQueue,
          find: `  #failAndPoison(batch: Batch, error: Error): void {
    this.poison(error);`,
          replace: `  #failAndPoison(batch: Batch, error: Error): void {
    if (!batch.isSettled) return batch.fail(error);`,
        },
      ],
    },
    {
      name: "the record index is published before its records are durable",
      breaks: 5,
      edits: [
        {
          file: segmentWriter,
          find: `    const { bytes } = batch;
    this.#begin();`,
          replace: `    const { bytes } = batch;
    this.index.writeSync(this.#nextSeq, batch.entries(this.index.seed, this.#nextSeq, "firm"));
    this.#begin();`,
        },
      ],
    },
    {
      name: "under the weaker modes entries are firm before the fsync",
      breaks: 5,
      edits: [
        {
          file: segmentWriter,
          find: `    const kind = this.#ackPoint === "durable" ? "firm" : "provisional";`,
          replace: `    const kind = "firm";`,
        },
      ],
    },
    {
      name: "readers go by the file's size",
      breaks: 5,
      edits: [
        {
          file: "segment/durable-end.ts",
          find: `  const claimed = yield* extendDurableEnd(file, index, mark);
  if (claimed.nextSeq === mark.nextSeq) return mark;
  const chain = yield* walkChain(file, { seq: mark.nextSeq, offset: mark.end }, claimed.end);`,
          replace: `  const chain = yield* walkChain(file, { seq: mark.nextSeq, offset: mark.end }, file.statSync().size);`,
        },
        {
          file: "segment/durable-end.ts",
          find: `  const nextSeq = yield* index.endOfRun(known.nextSeq);
  if (nextSeq === known.nextSeq) return known;`,
          replace: `  if (known.nextSeq >= 0) {
    const chain = yield* walkChain(file, { seq: known.nextSeq, offset: known.end }, file.statSync().size);
    return { nextSeq: chain.nextSeq, end: chain.end };
  }
  const nextSeq = yield* index.endOfRun(known.nextSeq);`,
        },
      ],
    },
    {
      name: "a reader does not ask the record index about a header",
      breaks: 6,
      edits: [
        {
          file: "segment/verify-chunk.ts",
          find: `    if (entryHeaderCrc(entries, at) !== crc32OfHeader(chunk.view, start)) return i;`,
          replace: ``,
        },
      ],
    },
    {
      name: "interior damage is cut off as if it were a torn tail",
      breaks: 7,
      edits: [
        {
          file: recoveryTable,
          find: `if (mark !== undefined && closed === undefined && chain.end < mark.end) {`,
          replace: `if (mark !== undefined && closed === undefined && chain.end < 0) {`,
        },
        {
          file: recoveryTable,
          find: `    if (closed === undefined) return { row: "mark-gone"`,
          replace: `    if (closed === null) return { row: "mark-gone"`,
        },
      ],
    },
    {
      name: "a torn tail is cut off without a copy",
      breaks: 7,
      edits: [
        {
          file: recoverSegment,
          find: `savedAs = yield* setAside(storage, file, action.setAside);`,
          replace: `savedAs = file.path;`,
        },
      ],
    },
    {
      name: "a torn tail is appended to",
      breaks: 2,
      edits: [
        {
          file: recoverSegment,
          find: `    if (evidence.size > action.end) file.truncateSync(action.end);`,
          replace: ``,
        },
      ],
    },
    {
      name: "a cut that was never synced is built upon",
      breaks: 2,
      edits: [
        {
          file: recoverSegment,
          find: `    if (evidence.size > action.end) file.truncateSync(action.end);
    file.fsyncSync();`,
          replace: `    if (evidence.size > action.end) {
      file.truncateSync(action.end);
      file.fsyncSync();
    }`,
        },
      ],
    },
    {
      name: "the redo copy is skipped after a failed fsync",
      breaks: 2,
      edits: [
        {
          file: recoverSegment,
          find: `    yield* saveTail(storage, file, action.redoFrom.offset, action.end, action.redoFrom.seq);
    yield* redoTail(storage, file, index);`,
          replace: `    file.fsyncSync();
    yield* indexAnew(file, index, action.redoFrom, action.end);`,
        },
      ],
    },
    {
      name: "the redo cuts the segment before its copy is durable",
      breaks: 8,
      edits: [
        {
          file: "segment/redo.ts",
          find: `    if (trailer !== undefined) writeFullySync(copy, trailer(crc), end - start);
    copy.fsyncSync();`,
          replace: `    if (trailer !== undefined) writeFullySync(copy, trailer(crc), end - start);`,
        },
      ],
    },
    {
      name: "opening builds on names that are not durable",
      breaks: 8,
      edits: [
        {
          file: recoverDirectory,
          find: `  storage.fsyncDirectorySync(directory);
  const names = currentSegments`,
          replace: `  const names = currentSegments`,
        },
      ],
    },
    {
      name: "an all-zero header is a record",
      breaks: 2,
      edits: [
        {
          file: "format/uuid.ts",
          find: `export function isRecordId(bytes: Uint8Array, at: number): boolean {`,
          replace: `export function isRecordId(bytes: Uint8Array, at: number): boolean {
  if (bytes.subarray(at, at + 16).every((byte) => byte === 0)) return true;`,
        },
      ],
    },
    {
      name: "an id may end in zero",
      breaks: 2,
      edits: [
        {
          file: recoverDirectory,
          find: `isOurs: manifest.idVersion === 7,`,
          replace: `isOurs: false,`,
        },
      ],
    },
    {
      name: "reset deletes before it marks",
      breaks: 9,
      edits: [
        {
          file: directoryWriter,
          find: `      this.#store({ ...before.manifest, generation: name.generation, firstSeq: 0 });`,
          replace: `      this.#unlink((segment) => segment.generation !== name.generation);
      this.#store({ ...before.manifest, generation: name.generation, firstSeq: 0 });`,
        },
      ],
    },
    {
      name: "trim writes MANIFEST after the unlink",
      breaks: 9,
      edits: [
        {
          file: directoryWriter,
          find: `    try {
      this.#storeOnFullDisk({ ...this.#manifest, firstSeq }, gone);`,
          replace: `    try {
      this.#unlink((name) => name.generation === this.#manifest.generation && name.base < firstSeq);
      this.#storeOnFullDisk({ ...this.#manifest, firstSeq }, gone);`,
        },
      ],
    },
    {
      name: "trim goes a segment past its bound",
      breaks: 10,
      edits: [
        {
          file: directoryWriter,
          find: `const first = this.#sealed.findIndex((segment) => segment.nextSeq > seq);`,
          replace: `const first = this.#sealed.findIndex((segment) => segment.base > seq);`,
        },
      ],
    },
    {
      name: "MANIFEST is renamed before it is synced",
      breaks: 9,
      edits: [
        {
          file: "storage/replace-file.ts",
          find: `    writeFullySync(file, bytes, 0);
    file.fsyncSync();`,
          replace: `    writeFullySync(file, bytes, 0);`,
        },
      ],
    },
    {
      name: "a stale lock file is unlinked",
      breaks: 2,
      edits: [
        {
          file: "storage/writer-lock.ts",
          find: `  const file = machine.storage.openSync(lockPath, "create");
  try {`,
          replace: `  machine.storage.unlinkSync(lockPath);
  const file = machine.storage.openSync(lockPath, "create");
  try {`,
        },
      ],
    },
    {
      name: "the lock file is unlinked at release",
      breaks: 2,
      edits: [
        {
          file: "storage/writer-lock.ts",
          find: `        file.truncateSync(0);
        if (!isClean)`,
          replace: `        file.truncateSync(0);
        machine.storage.unlinkSync(lockPath);
        if (!isClean)`,
        },
      ],
    },
    {
      name: "a short write goes unseen",
      breaks: 1,
      edits: [
        {
          file: segmentWriter,
          find: `written === bytes.length ? undefined : shortWriteError(this.path, written, bytes.length)`,
          replace: `written >= 0 ? undefined : shortWriteError(this.path, written, bytes.length)`,
        },
        {
          file: writeFully,
          find: `  if (written !== bytes.length) throw`,
          replace: `  if (written < 0) throw`,
        },
      ],
    },
    {
      name: "a failed write is not cut back",
      breaks: 2,
      edits: [
        {
          file: segmentWriter,
          find: `  cutBack(): void {
    this.#second.truncateSync(this.#end);
    this.#fsyncSecond();`,
          replace: `  cutBack(): void {`,
        },
      ],
    },
    {
      name: "zeros are laid ahead from the threadpool",
      breaks: 1,
      edits: [
        {
          file: segmentWriter,
          find: `      if (this.#second.writeSync(zeros.subarray(0, length), batchEnd) < length) this.#zeroAhead = false;
      this.#zeroEnd = batchEnd + length;`,
          replace: `      this.#begin();
      this.#second.write(zeros.subarray(0, length), batchEnd, () => this.#finish(() => undefined));
      this.#zeroEnd = batchEnd + length;`,
        },
      ],
    },
    {
      name: "a blocking append writes on the descriptor of the write in flight",
      breaks: 4,
      edits: [
        {
          file: segmentWriter,
          find: `    writeFullySync(this.#second, batch.bytes, this.#end);
    if (this.#ackPoint === "durable") this.#fsyncSecond();`,
          replace: `    writeFullySync(this.#log, batch.bytes, this.#end);`,
        },
      ],
    },
    {
      name: "a write in flight may fail unheard once a blocking append has written the same bytes",
      breaks: 4,
      edits: [
        {
          file: commitQueue,
          find: `      if (error !== undefined) this.poison(error);
    } else if`,
          replace: `    } else if`,
        },
      ],
    },
    {
      name: "the window is not raised before it is exceeded",
      breaks: 7,
      edits: [
        {
          file: directoryWriter,
          find: `    if (window === null || length <= window) return;`,
          replace: `    if (window === null || length >= 0) return;`,
        },
      ],
    },
    {
      name: "a roll does not seal the old segment",
      breaks: 7,
      edits: [
        {
          file: directoryWriter,
          find: `      old.seal();
    } catch (error) {
      // Even`,
          replace: `      old.syncSync();
    } catch (error) {
      // Even`,
        },
      ],
    },
    {
      name: "a buffer is used again before its callback",
      breaks: 1,
      edits: [
        {
          file: "segment/buffer-pool.ts",
          find: `  return { bytes, plain: new Uint8Array(buffer, byteOffset, size), view: new DataView(buffer, byteOffset, size) };`,
          replace: `  const made = { bytes, plain: new Uint8Array(buffer, byteOffset, size), view: new DataView(buffer, byteOffset, size) };
  // Given back before anybody has used it.
  releaseBuffer(made);
  return made;`,
        },
      ],
    },
    {
      name: "lengths are believed before they are held against the file",
      breaks: 11,
      edits: [
        {
          file: "segment/verify-chunk.ts",
          find: `    const length = checkHeader(bytes, view, at, position + at, left);`,
          replace: `    const length = checkHeader(bytes, view, at, position + at, Number.MAX_SAFE_INTEGER);`,
        },
        {
          // Else recovery would read the same place for ever, which breaks no promise.
          file: "segment/walk-chain.ts",
          find: `    if (stopped.needed > chunkLength) {`,
          replace: `    if (stopped.needed > 0) {`,
        },
      ],
    },
  ];
}

function mutantsOfConsumers(): Mutant[] {
  return [
    {
      name: "the checkpoint passes a dead letter that is not durable",
      breaks: 12,
      edits: [{ file: "consumer/dead-letter.ts", find: `  await log.flush();\n}`, replace: `}` }],
    },
    {
      name: "the checkpoint passes a record before it is in the dead letters",
      breaks: 12,
      edits: [
        {
          file: "consumer/redelivery.ts",
          find: `      await bury(deadLetter, this.#host.letterOf(entry));`,
          replace: `      const letter = this.#host.letterOf(entry);
      this.#host.buried(entry);
      await bury(deadLetter, letter);`,
        },
      ],
    },
    {
      name: "the older of two checkpoints counts",
      breaks: 12,
      edits: [
        {
          file: "consumer/checkpoint-slot.ts",
          find: `.sort((a, b) => b.counter - a.counter)`,
          replace: `.sort((a, b) => a.counter - b.counter)`,
        },
      ],
    },
    {
      name: "a checkpoint is written over the one before",
      breaks: 12,
      edits: [{ file: checkpointFile, find: `    this.#slot = 1 - this.#slot;`, replace: `` }],
    },
    {
      name: "the checkpoint passes a record that is not acknowledged",
      breaks: 12,
      edits: [
        {
          file: logConsumer,
          find: `    const first = this.#inFlight.first;
    const { seq, beforeId }`,
          replace: `    const first = [...this.#inFlight.pending()].at(-1);
    const { seq, beforeId }`,
        },
      ],
    },
    {
      name: "the checkpoint passes the mark",
      breaks: 12,
      edits: [
        {
          file: positionKeeper,
          find: `    if (checkpoint.generation === this.#log.view.generation) await this.#mark.reach(checkpoint.nextSeq);`,
          replace: ``,
        },
      ],
    },
    {
      name: "a checkpoint is not synced",
      breaks: 12,
      edits: [
        { file: checkpointFile, find: `    const dsync = storage.hasDsync;`, replace: `    const dsync = false;` },
        {
          file: checkpointFile,
          find: `if (failure !== undefined || this.#isDsync) return done(failure);`,
          replace: `if (this.#counter >= 0) return done(failure);`,
        },
      ],
    },
    {
      name: "the name of a checkpoint is not synced",
      breaks: 12,
      edits: [
        {
          file: "storage/replace-file.ts",
          find: `  storage.fsyncDirectorySync(dirname(path));`,
          replace: `  if (!path.endsWith(".ckpt")) storage.fsyncDirectorySync(dirname(path));`,
        },
      ],
    },
    {
      name: "the id of the record before is not compared",
      breaks: 12,
      edits: [
        {
          file: "consumer/check-checkpoint.ts",
          find: `  if (id !== null && id !== checkpoint.lastId) {`,
          replace: `  if (id === "") {`,
        },
      ],
    },
    {
      name: "the generation of a checkpoint is not compared",
      breaks: 9,
      edits: [
        {
          file: "consumer/check-checkpoint.ts",
          find: `  if (checkpoint.generation === log.generation) return undefined;`,
          replace: `  if (checkpoint.generation <= log.generation) return undefined;`,
        },
      ],
    },
    {
      name: "with an interval, the last checkpoint is forgotten at close",
      breaks: 12,
      edits: [
        {
          file: positionKeeper,
          find: `if (!this.#isStopped) await this.flush();`,
          replace: `if (!this.#isStopped) return;`,
        },
      ],
    },
    {
      name: "with an interval, the checkpoint waits for the next acknowledgement",
      breaks: 12,
      edits: [
        {
          file: "consumer/checkpoint-saver.ts",
          find: `    } else if (!this.#isEvery && this.#failure === undefined) this.#arm();`,
          replace: `    }`,
        },
        {
          file: "consumer/checkpoint-saver.ts",
          find: `    if (!this.#isEvery) return this.#arm();`,
          replace: `    if (!this.#isEvery) return this.#advanced - this.#durable > 3 ? this.#arm() : undefined;`,
        },
      ],
    },
    {
      name: "a record is delivered to a second handler while the first gives it back",
      breaks: 12,
      edits: [
        {
          file: logConsumer,
          find: `    if (entry.controller !== undefined) entry.refusal = { delayMs, error };
    else this.retry`,
          replace: `    this.retry`,
        },
      ],
    },
    {
      name: "each process has a lock of its own for a consumer",
      breaks: 12,
      edits: [
        {
          file: "consumer/consumer-paths.ts",
          find: `return acquireWriterLock(machine, paths.lock, kind);`,
          replace: `return acquireWriterLock(machine, paths.lock + machine.owner.pid, kind);`,
        },
      ],
    },
    {
      name: "retention protects the first of several consumers alone",
      breaks: 10,
      edits: [
        {
          file: protectedBy,
          find: `    if (found !== undefined && found.nextSeq < (lowest?.nextSeq ?? Infinity)) lowest = found;`,
          replace: `    lowest ??= found;`,
        },
      ],
    },
    {
      name: "retention goes by a checkpoint that is not durable yet",
      breaks: 10,
      edits: [{ file: protectedBy, find: `Math.min(...needed)`, replace: `Math.max(...needed)` }],
    },
    {
      name: "a store goes back before its mirror does",
      breaks: 10,
      edits: [{ file: positionKeeper, find: `if (isBehind(checkpoint, this.#mirrored)) {`, replace: `if (false) {` }],
    },
    {
      name: "a mirror is not marked as one",
      breaks: 10,
      edits: [
        {
          file: "consumer/checkpoint-slot.ts",
          find: `isMirror ? mirrorMagic : magic`,
          replace: `magic ?? mirrorMagic`,
        },
      ],
    },
    {
      name: "retention removes a record within its limit",
      breaks: 10,
      edits: [
        {
          file: "log/retention.ts",
          find: `nextSeq - segment.nextSeq >= maxRecords`,
          replace: `nextSeq - segment.base >= maxRecords`,
        },
      ],
    },
  ];
}
