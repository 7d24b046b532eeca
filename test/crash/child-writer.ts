/** Another process that writes a log, with the compiled library, and does what a test tells it. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { type Interface, createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { FileOpenOptions } from "../../src/index.ts";

const program = fileURLToPath(new URL("child-writer.mjs", import.meta.url));

/** A writer in a process of its own; killed when the test ends. */
export class ChildWriter {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessWithoutNullStreams, lines: Interface) {
    this.#child = child;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Starts it; resolves when it has the log open. */
  static async open(path: string, options: FileOpenOptions = {}): Promise<ChildWriter> {
    const child = spawn(process.execPath, [program, path, JSON.stringify(options)]);
    child.stderr.pipe(process.stderr);
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    const writer = new ChildWriter(child, createInterface({ input: child.stdout }));
    await writer.#answer();
    return writer;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Gives an order (the name of a method of the log, and its argument) and waits for the result. */
  async order(name: string, argument?: unknown): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify([name, argument])}\n`);
    return this.#answer();
  }

  /** Appends many records. */
  async append(...data: string[]): Promise<unknown> {
    return this.order("appendBatch", data);
  }

  /** Ends the process without a word. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the writing process ended");
    return JSON.parse(value);
  }
}
