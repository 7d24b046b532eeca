/** A program of this folder that tells on standard output what it does, a line each, and may be killed at any of them. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** What a program told, and how it ended. */
export interface Told {
  readonly lines: readonly string[];
  /** An exit code, or the signal that ended it. */
  readonly end: number | string;
}

/** How to run a program. */
export interface TellOptions {
  /** It is killed, with SIGKILL, when it told so many lines. Left out: it runs to its end. */
  readonly killAt?: number;
  /** Called with each line. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a program and resolves, when it has ended, with every line it told. What it told with one
 * blocking write a line is not lost by the kill, so a line is there if, and only if, the program came
 * so far.
 * @param program beside this file, or an absolute path
 */
export async function toldLines(program: string, args: readonly string[], options: TellOptions = {}): Promise<Told> {
  const { killAt = Infinity, onLine } = options;
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const ended = new Promise<number | string>((resolve) =>
    child.once("close", (code, signal) => resolve(signal ?? code ?? 0)),
  );
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    onLine?.(line);
    if (lines.length >= killAt) child.kill("SIGKILL");
  }
  return { lines, end: await ended };
}
