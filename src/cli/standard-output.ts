/**
 * Where standard output and error go when they are redirected to a file. Node's own stream for that
 * takes a short write, as a full disk or a limit makes one, for a whole one: a copy would look complete
 * and not be, and `tail --consumer` would acknowledge what is nowhere.
 */
import { Writable } from "node:stream";
import { isRegularFile, writeToDescriptor } from "../storage/node-storage.ts";
import type { OutputStream } from "./output.ts";

/** A stream of the process, or one in its place that writes all of each piece or fails. */
export function standardOutput(stream: OutputStream & { readonly fd: number }, name: string): OutputStream {
  return isRegularFile(stream.fd) ? new DescriptorStream(stream.fd, name) : stream;
}

class DescriptorStream extends Writable {
  readonly #fd: number;
  readonly #name: string;

  constructor(fd: number, name: string) {
    super();
    this.#fd = fd;
    this.#name = name;
  }

  override _write(piece: Uint8Array, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    try {
      writeToDescriptor(this.#fd, piece, this.#name);
    } catch (error) {
      return done(error as Error);
    }
    done();
  }
}
