/** A process that appends to a log as a test tells it, and what it said. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { FileOpenOptions } from "../../src/index.ts";
import type { Acknowledged } from "./acknowledged.ts";

const program = fileURLToPath(new URL("worker.mjs", import.meta.url));

/**
 * What to do: append in a form so many times, or flush, or close. `together` is several callers at
 * once, `mixed` the same with one that blocks while their writes are in flight.
 */
export type Order =
  | {
      readonly do: "append" | "batch" | "sync" | "together" | "mixed";
      readonly count: number;
      readonly bytes: number;
    }
  | { readonly do: "flush" | "close" };

/** An error of the worker. */
interface Failure {
  readonly code: string;
  readonly errno?: string;
  readonly message: string;
}

/** A call that was refused. */
interface Refused extends Failure {
  readonly form: string;
}

/** A line of the worker. */
interface Line {
  readonly opened?: number;
  readonly failed?: Failure;
  readonly acknowledged?: Acknowledged;
  readonly refused?: Refused;
  readonly done?: string;
}

/** How to start it. */
interface WorkerOptions {
  readonly open?: FileOpenOptions;
  /** What its records begin with. */
  readonly name?: string;
  /** A program that starts it, with its arguments: a tracer, a shell. */
  readonly under?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A worker in a process of its own. `end` or `kill` it in any case. */
export class Worker {
  readonly acknowledged: Acknowledged[] = [];
  readonly refused: Refused[] = [];
  /** Why the log could not be opened. */
  failed: Failure | undefined;
  /** What was acknowledged after something had been refused. */
  readonly acknowledgedAfterRefusal: Acknowledged[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | NodeJS.Signals | null>;
  readonly #lines: AsyncIterator<string>;

  /** Starts it; `start` also waits until it has the log open. */
  private constructor(path: string, { open = {}, name = "worker", under = [], env = {} }: WorkerOptions) {
    const command = [...under, process.execPath, program, path, JSON.stringify(open), name];
    this.#child = spawn(command[0] as string, command.slice(1), {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    // One that was killed takes no more orders; its answers tell.
    this.#child.stdin?.on("error", () => undefined);
    this.#ended = new Promise((resolve) => this.#child.once("close", (code, signal) => resolve(code ?? signal)));
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** Resolves when it has the log open, or could not open it, or was killed on the way. */
  static async start(path: string, options: WorkerOptions = {}): Promise<Worker> {
    const worker = new Worker(path, options);
    await worker.#until((line) => line.opened !== undefined || line.failed !== undefined);
    return worker;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Resolves when it was done, or when the worker was killed over it. */
  async order(order: Order): Promise<void> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    await this.#until((line) => line.done === order.do);
  }

  /** Lets it end by itself; returns its exit code, or the signal that ended it. */
  async end(): Promise<number | NodeJS.Signals | null> {
    this.#child.stdin?.end();
    await this.#until(() => false);
    return this.#ended;
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#until(() => false);
    await this.#ended;
  }

  async #until(isLast: (line: Line) => boolean): Promise<void> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) return;
      // A kill may have cut the last line off.
      if (!value.endsWith("}")) continue;
      const line = JSON.parse(value) as Line;
      this.failed ??= line.failed;
      if (line.refused !== undefined) this.refused.push(line.refused);
      if (line.acknowledged !== undefined) {
        this.acknowledged.push(line.acknowledged);
        if (this.refused.length > 0) this.acknowledgedAfterRefusal.push(line.acknowledged);
      }
      if (isLast(line)) return;
    }
  }
}
