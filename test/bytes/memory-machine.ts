/**
 * A machine whose files are byte arrays, for tests that open a log some hundred thousand times.
 * Files are shared until they are written: what was handed in stays as it was.
 *
 * It also watches: `touched` names what was changed, `largestBuffer` is the most memory that a
 * single read was given, and work that does not end is stopped after `maxOperations`.
 */
import { ioError } from "../../src/storage/io-error.ts";
import type { Clock, FileStat, Machine, OpenMode, Storage, StorageFile } from "../../src/storage/storage.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

/** The files of a machine by path. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** No open and read of a log of these tests needs as many; whoever does is in a loop. */
const maxOperations = 200_000;

interface Node {
  readonly inode: number;
  bytes: Uint8Array;
  /** The bytes that are the file's; past them it is zeros up to `size`. */
  used: number;
  size: number;
  isShared: boolean;
}

/** The end of work that would not have ended. */
class EndlessWork extends Error {}

/** The machine. Directories are the prefixes of paths, and are all there. */
export class MemoryMachine implements Machine, Storage {
  readonly hasDsync = true;
  readonly storage: Storage = this;
  readonly random: SeededRandom;
  readonly owner = { pid: 1, host: "memory" } as const;
  /** Paths that were written, cut, made, renamed or removed. */
  readonly touched: Set<string> = new Set();
  /** Bytes of the largest buffer that was to be read into. */
  largestBuffer = 0;
  readonly clock: Clock;
  readonly #nodes = new Map<string, Node>();
  #inodes = 0;
  #left = maxOperations;

  constructor(files: Files = new Map(), seed = 0) {
    this.random = new SeededRandom(seed);
    for (const [path, bytes] of files) this.#nodes.set(path, this.#node(bytes));
    // Time passes whenever somebody waits for it.
    this.clock = {
      now: () => 1_700_000_000_000,
      elapsedUs: () => 0,
      after: (_ms, call) => {
        this.step();
        const immediate = setImmediate(call);
        return () => clearImmediate(immediate);
      },
      turn: () => new Promise((resolve) => setImmediate(resolve)),
    };
  }

  isAlive(): boolean {
    return false;
  }

  prefersZeroAheadSync(): boolean {
    return false;
  }

  /** What a file holds now. */
  bytesOf(path: string): Buffer | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined) return undefined;
    const bytes = Buffer.alloc(node.size);
    bytes.set(node.bytes.subarray(0, node.used));
    return bytes;
  }

  /** All of them. */
  get files(): Files {
    return new Map([...this.#nodes.keys()].map((path) => [path, this.bytesOf(path) as Uint8Array]));
  }

  get paths(): string[] {
    return [...this.#nodes.keys()].sort();
  }

  /** Makes a file longer, with zeros that take no memory. */
  extend(path: string, size: number): void {
    (this.#nodes.get(path) as Node).size = size;
  }

  step(): void {
    if (--this.#left < 0) throw new EndlessWork(`more than ${maxOperations} operations`);
  }

  openSync(path: string, mode: OpenMode): StorageFile {
    this.step();
    let node = this.#nodes.get(path);
    if (node !== undefined && mode === "create-new") throw ioError("EEXIST", "open", path);
    if (node === undefined) {
      if (mode === "read" || mode === "write") throw ioError("ENOENT", "open", path);
      this.#nodes.set(path, (node = this.#node(new Uint8Array(0))));
      this.touched.add(path);
    }
    return new MemoryFile(this, path, node);
  }

  statSync(path: string): FileStat | undefined {
    this.step();
    const node = this.#nodes.get(path);
    if (node !== undefined) return statOf(node);
    const isDirectory = [...this.#nodes.keys()].some((known) => known.startsWith(`${path}/`));
    return isDirectory ? { kind: "directory", size: 0, inode: 0, modifiedMs: 0 } : undefined;
  }

  listSync(directory: string): string[] {
    this.step();
    const prefix = `${directory}/`;
    return [...this.#nodes.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  }

  makeDirectorySync(): void {
    this.step();
  }

  renameSync(from: string, to: string): void {
    this.step();
    const node = this.#nodes.get(from);
    if (node === undefined) throw ioError("ENOENT", "rename", from);
    this.#nodes.delete(from);
    this.#nodes.set(to, node);
    this.touched.add(from).add(to);
  }

  unlinkSync(path: string): void {
    this.step();
    if (this.#nodes.delete(path)) this.touched.add(path);
  }

  removeDirectorySync(): void {
    this.step();
  }

  fsyncDirectorySync(): void {
    this.step();
  }

  watch(): { close(): void } {
    return { close: () => undefined };
  }

  #node(bytes: Uint8Array): Node {
    return { inode: ++this.#inodes, bytes, used: bytes.length, size: bytes.length, isShared: true };
  }
}

function statOf(node: Node): FileStat {
  return { kind: "file", size: node.size, inode: node.inode, modifiedMs: 0 };
}

class MemoryFile implements StorageFile {
  readonly path: string;
  readonly #machine: MemoryMachine;
  readonly #node: Node;

  constructor(machine: MemoryMachine, path: string, node: Node) {
    this.#machine = machine;
    this.path = path;
    this.#node = node;
  }

  statSync(): FileStat {
    this.#machine.step();
    return statOf(this.#node);
  }

  readSync(whole: Uint8Array, position: number, start = 0, end: number = whole.length): number {
    const target = whole.subarray(start, end);
    this.#machine.step();
    const { bytes, used, size } = this.#node;
    this.#machine.largestBuffer = Math.max(this.#machine.largestBuffer, target.buffer.byteLength);
    if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`a read at ${position}`);
    const length = Math.min(target.length, Math.max(0, size - position));
    const there = Math.min(length, Math.max(0, used - position));
    target.set(bytes.subarray(position, position + there));
    target.fill(0, there, length);
    return length;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.readSync(target, position);
  }

  writeSync(bytes: Uint8Array, position: number): number {
    this.#change(position + bytes.length);
    this.#node.bytes.set(bytes, position);
    return bytes.length;
  }

  write(bytes: Uint8Array, position: number, done: (error: Error | undefined, written: number) => void): void {
    const written = this.writeSync(bytes, position);
    setImmediate(() => done(undefined, written));
  }

  truncateSync(length: number): void {
    if (length === this.#node.size) return this.#machine.step();
    this.#change(length);
    const node = this.#node;
    if (length < node.used) node.bytes.fill(0, length, node.used);
    node.used = node.size = length;
  }

  fsyncSync(): void {
    this.#machine.step();
  }

  fsync(done: (error: Error | undefined) => void): void {
    this.#machine.step();
    setImmediate(() => done(undefined));
  }

  tryLockSync(): boolean {
    return true;
  }

  closeSync(): void {}

  /** Makes room up to `end` in bytes of the file's own. */
  #change(end: number): void {
    this.#machine.step();
    this.#machine.touched.add(this.path);
    const node = this.#node;
    if (node.isShared || end > node.bytes.length) {
      const bytes = new Uint8Array(Math.max(end, node.size) * (node.isShared ? 1 : 2));
      bytes.set(node.bytes.subarray(0, node.used));
      node.bytes = bytes;
      node.isShared = false;
    }
    node.used = node.size = Math.max(node.size, end);
  }
}
