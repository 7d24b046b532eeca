/**
 * A file that a command writes: it gets its name when all of it is on the disk, and until then is
 * another one beside it, which a failure removes.
 */
import * as path from "node:path";
import { Writable } from "node:stream";
import { nodeMachine } from "../storage/node-machine.ts";
import type { StorageFile } from "../storage/storage.ts";
import { shortWriteError } from "../storage/write-fully.ts";
import { Output } from "./output.ts";
import { UsageError } from "./usage-error.ts";

const { storage } = nodeMachine;

export class OutputFile {
  /** What is put in here goes into the file. */
  readonly output: Output;
  readonly #path: string;
  readonly #temporary: string;
  readonly #overwrite: boolean;
  readonly #stream: FileStream;

  private constructor(at: string, temporary: string, overwrite: boolean, stream: FileStream) {
    this.output = new Output(stream);
    this.#path = at;
    this.#temporary = temporary;
    this.#overwrite = overwrite;
    this.#stream = stream;
  }

  /** @throws {UsageError} when something is there, unless it is a file that may be overwritten */
  static create(at: string, overwrite: boolean): OutputFile {
    refuseWhatIsThere(at, overwrite);
    const suffix = new Uint8Array(6);
    nodeMachine.random.fill(suffix);
    const name = `.${path.basename(at)}.${Buffer.from(suffix).toString("hex")}.tmp`;
    const temporary = path.join(path.dirname(at), name);
    return new OutputFile(at, temporary, overwrite, new FileStream(storage.openSync(temporary, "create-new")));
  }

  /** Ends the output with an error; whoever writes finds out by `output`. */
  abort(error: Error): void {
    this.#stream.destroy(error);
  }

  /** Brings all of it to the disk, under its name. */
  async commit(): Promise<void> {
    await this.output.flush();
    await this.#stream.sync();
    await this.#stream.closeFile();
    // Again: it took a while. What comes between here and the next line cannot be told apart.
    refuseWhatIsThere(this.#path, this.#overwrite);
    storage.renameSync(this.#temporary, this.#path);
    storage.fsyncDirectorySync(path.dirname(path.resolve(this.#path)));
  }

  /** Leaves nothing. */
  async discard(): Promise<void> {
    await this.#stream.closeFile();
    storage.unlinkSync(this.#temporary);
  }
}

function refuseWhatIsThere(at: string, overwrite: boolean): void {
  const kind = storage.statSync(at)?.kind;
  if (kind === undefined) return;
  if (kind === "directory") throw new UsageError(`${at} is a directory; name a file`);
  if (kind !== "file") throw new UsageError(`${at} is not a regular file; send the output there with > instead`);
  if (!overwrite) throw new UsageError(`${at} is there already; --force replaces it`);
}

/** Writes one piece after the other, each whole. */
class FileStream extends Writable {
  readonly #file: StorageFile;
  #position = 0;
  /** The write under way; never rejects. */
  #writing: Promise<void> = Promise.resolve();

  constructor(file: StorageFile) {
    super();
    this.#file = file;
  }

  override _write(piece: Uint8Array, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#writing = new Promise((resolve) => {
      this.#file.write(piece, this.#position, (error, written) => {
        this.#position += written;
        resolve();
        if (error !== undefined) done(error);
        else if (written !== piece.length) done(shortWriteError(this.#file.path, written, piece.length));
        else done();
      });
    });
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#file.fsync((error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  /** After the write that is under way, whose bytes and descriptor are the system's until then. */
  async closeFile(): Promise<void> {
    await this.#writing;
    this.#file.closeSync();
  }
}
