/** `seqlog verify`: read every byte of a log and say what does not hold. */
import type { Command } from "commander";
import { verify as verifyLog } from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { damageFacts, damageLines } from "./damage-lines.ts";
import { exitCodes } from "./exit-codes.ts";
import { filesArgumentHelp, requireFiles } from "./log-argument.ts";
import { printableLine } from "./printable.ts";
import { startProgress } from "./progress.ts";

const help = `
Nothing is changed. All of the log is read, also behind damage, and every damaged range is told: the
file, the offset where it starts and the one behind it ("end"). Where it is known which records are
affected, in JSON "seq" is the first and "records" their number. Of more than 1,000 ranges the first
are told, and how many there are ("damagedRanges"). A torn tail, left by a writer that
was killed, is not damage: it was never acknowledged, and the next open for writing sets it aside.

To get the whole records out of a damaged log see \`seqlog salvage --help\`.

Examples:
  seqlog verify ./events
  seqlog verify ./events --json || echo "damaged"`;

/** Defines `verify`. */
export function defineVerify(command: Command, context: CliContext): void {
  command
    .description("Check every record. Exit code 1 when there is damage. Works beside a process that appends.")
    .argument("<LOG>", filesArgumentHelp)
    .option(
      "--json",
      'print {"ok","records","damage":[{"file","offset","end","seq","records","reason"}],"damagedRanges","tornBytes"}',
    )
    .addHelpText("after", help)
    .action((location: string, options: { readonly json?: boolean }) =>
      verify(location, options.json === true, context),
    );
}

async function verify(location: string, json: boolean, context: CliContext): Promise<void> {
  requireFiles(location, "each record is checked when it is read, as `seqlog cat` does");
  const progress = await startProgress(context, "verifying");
  const result = await verifyLog(location, {
    onProgress: ({ bytes, totalBytes, records }) => progress.update(bytes, totalBytes, records),
  }).finally(() => progress.stop());
  const { ok, records, damage, damagedRanges, tornBytes } = result;
  if (!ok) context.exitCode = exitCodes.damage;
  if (json) {
    context.stdout.line(JSON.stringify({ ok, records, damage: damageFacts(damage), damagedRanges, tornBytes }));
    return;
  }
  for (const line of damageLines(damage, damagedRanges)) context.stdout.line(line);
  if (tornBytes > 0) context.stdout.line(`torn tail: ${tornBytes} bytes that were never acknowledged; not damage`);
  context.stdout.line(`${ok ? "ok" : "DAMAGED"}: ${records} records are whole`);
  if (!ok) {
    context.stderr.line(
      printableLine(`seqlog: note: \`seqlog salvage ${location} --out DIR\` copies them to a new log`),
    );
    await context.stderr.flush();
  }
}
