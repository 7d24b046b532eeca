/** `seqlog serve`, the built command, as a process that tests may kill and start again. Build first: `npm run build`. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const mainPath = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** How a server is to be started. */
export interface ServerOptions {
  readonly port?: number;
  /** More of the command's arguments. */
  readonly args?: readonly string[];
}

/** A server that listens on 127.0.0.1. Whoever starts one kills or stops it. */
export class ServerProcess {
  /** Where it is, as `http://127.0.0.1:7700`. */
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | NodeJS.Signals | null>;

  private constructor(child: ChildProcess, ended: Promise<number | NodeJS.Signals | null>, url: string) {
    this.#child = child;
    this.#ended = ended;
    this.url = url;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts it on a directory; resolves when it listens. */
  static async start(directory: string, { port = 0, args = [] }: ServerOptions = {}): Promise<ServerProcess> {
    const command = [mainPath, "serve", directory, "--port", String(port), "--json", ...args];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
      child.once("close", (code, signal) => resolve(code ?? signal));
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const { url } = JSON.parse(line) as { url: string };
      return new ServerProcess(child, ended, url);
    }
    throw new Error(`seqlog serve ended with ${await ended} before it listened`);
  }

  /** Ends it without a word; fine when it has ended. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Asks it to end, as Ctrl-C does; resolves with its exit code. */
  async stop(): Promise<number | NodeJS.Signals | null> {
    this.#child.kill("SIGTERM");
    return await this.#ended;
  }

  /** Memory that is resident now, and the most that ever was, in bytes. Linux. */
  memory(): { readonly resident: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    const [, resident] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    return { resident: Number(resident) * 1024, peak: Number(peak) * 1024 };
  }
}
