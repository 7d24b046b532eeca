/** Runs the built command, `dist/cli/main.js`, as a user would. Build first: `npx tsc -p tsconfig.build.json`. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** The command's file. */
export const mainPath: string = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** How a run ended, and what it said. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  /** Standard output as text. */
  readonly text: string;
  readonly stderr: string;
}

/** A command that runs. Killed when the test ends. */
export class SeqlogProcess {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  #stdout: Buffer[] = [];
  #stderr: Buffer[] = [];
  #looks: (() => void)[] = [];
  #hasEnded = false;

  constructor(args: readonly string[], options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(process.execPath, [mainPath, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    });
    // A command that stops reading its input is not this end's error.
    this.child.stdin?.on("error", () => {});
    this.child.stdout?.on("data", (piece: Buffer) => this.#heard(this.#stdout, piece));
    this.child.stderr?.on("data", (piece: Buffer) => this.#heard(this.#stderr, piece));
    this.finished = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => {
        this.#hasEnded = true;
        this.#look();
        const { stdout, stderr } = this;
        resolve({ code, signal, stdout, text: stdout.toString(), stderr });
      });
    });
    onTestFinished(() => {
      this.child.kill("SIGKILL");
    });
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** Writes to its standard input. */
  write(data: string | Uint8Array): void {
    this.child.stdin?.write(data);
  }

  end(data: string | Uint8Array = ""): void {
    this.child.stdin?.end(data);
  }

  /** Waits until its output makes `holds` true; an error when it ends first. */
  async until(holds: (process: this) => boolean): Promise<void> {
    while (!holds(this)) {
      if (this.#hasEnded) throw new Error(`ended before: stdout ${this.stdout.toString()} stderr ${this.stderr}`);
      await new Promise<void>((resolve) => this.#looks.push(resolve));
    }
  }

  #heard(pieces: Buffer[], piece: Buffer): void {
    pieces.push(piece);
    this.#look();
  }

  #look(): void {
    const looks = this.#looks;
    this.#looks = [];
    for (const look of looks) look();
  }
}

/** Runs a command to its end, with an input. */
export async function seqlog(args: readonly string[], input: string | Uint8Array = ""): Promise<Finished> {
  const process = new SeqlogProcess(args);
  process.end(input);
  return process.finished;
}

/** As `seqlog`, for commands that must succeed; returns the JSON on standard output. */
export async function seqlogJson(args: readonly string[], input?: string | Uint8Array): Promise<unknown> {
  const { code, text, stderr } = await seqlog([...args, "--json"], input);
  if (code !== 0) throw new Error(`seqlog ${args.join(" ")}: exit code ${code}: ${stderr}`);
  return JSON.parse(text) as unknown;
}

/** A directory that is removed when the test ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "seqlog-cli-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A path for a log that does not exist yet. */
export function newLogPath(name = "log"): string {
  return join(temporaryDirectory(), name);
}
