/** What a command gets to work with, so that a test can run one without a process around it. */
import type { Readable } from "node:stream";
import type { Command } from "commander";
import type { ExitCode } from "./exit-codes.ts";
import type { Output } from "./output.ts";

/** One run of the command line. */
export interface CliContext {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  /** Written by the command when it ends in another way than `fine` without an error. */
  exitCode: ExitCode;
}

/** Adds arguments, options, help and the action to a command that already has its name. */
export type DefineCommand = (command: Command, context: CliContext) => void;
