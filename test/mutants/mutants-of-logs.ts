/** Ways to get the log wrong. Their promises are those of docs/durability.md. */
import type { Mutant } from "./mutant.ts";

const segmentWriter = "segment/segment-writer.ts";
const directoryWriter = "log/directory-writer.ts";
const recoverSegment = "segment/recover-segment.ts";
const recoverDirectory = "log/recover-directory.ts";
const recoveryTable = "segment/recovery-table.ts";
const commitQueue = "segment/commit-queue.ts";
const writeFully = "storage/write-fully.ts";

/** All of them. */
export const mutantsOfLogs: readonly Mutant[] = [
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
