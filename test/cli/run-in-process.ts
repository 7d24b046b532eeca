/**
 * Runs `seqlog` inside the test's own process: the same from arguments to exit code, without the tenth
 * of a second that a process takes to start. For tests of many small cases.
 */
import { PassThrough, Readable } from "node:stream";
import { runCli } from "../../src/cli/run-cli.ts";

/** How a run ended. */
export interface Outcome {
  readonly code: number;
  readonly text: string;
  readonly stderr: string;
}

/** Runs a command; on request as if its output went to a terminal. */
export async function runInProcess(
  args: readonly string[],
  { input = "", isTTY = false }: { readonly input?: string | Uint8Array; readonly isTTY?: boolean } = {},
): Promise<Outcome> {
  const stdout = Object.assign(new PassThrough(), { isTTY });
  const stderr = new PassThrough();
  const texts = Promise.all([stdout, stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString()));
  const code = await runCli(args, { stdin: Readable.from([Buffer.from(input)]), stdout, stderr });
  stdout.end();
  stderr.end();
  const [text = "", errors = ""] = await texts;
  return { code, text, stderr: errors };
}
