/** `seqlog repair`: put right what can be put right without losing a byte. */
import type { Command } from "commander";
import { repair as repairLog, verify } from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { damageFacts, damageLines } from "./damage-lines.ts";
import { exitCodes } from "./exit-codes.ts";
import { filesArgumentHelp, requireFiles } from "./log-argument.ts";
import { printableLine } from "./printable.ts";

interface RepairOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const help = `
No bytes are deleted: what is cut off is first copied into a file beside the log. Damage that
would cost a record is reported and left as it is (exit code 1): \`seqlog salvage\` gets the whole
records out. Nobody else may write the log meanwhile, not even for --dry-run. Of more than 1,000 damaged ranges the first are told, and how many there are.

Examples:
  seqlog repair ./events --dry-run
  seqlog repair ./events --json`;

/** Defines `repair`. */
export function defineRepair(command: Command, context: CliContext): void {
  command
    .description("Finish an interrupted recovery, set a torn tail aside, rebuild a lost MANIFEST or record index.")
    .argument("<LOG>", filesArgumentHelp)
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--json", 'print {"dryRun","changes":[{"file","action","bytes"}],"damage":[…],"damagedRanges","tornBytes"}')
    .addHelpText("after", help)
    .action((location: string, options: RepairOptions) => repair(location, options, context));
}

async function repair(location: string, options: RepairOptions, context: CliContext): Promise<void> {
  requireFiles(location, "there is nothing that this command could repair");
  const dryRun = options.dryRun === true;
  const { changes, damage: found, tornBytes } = await repairLog(location, { dryRun });
  // Repair looks where recovery looks, at the end. Whoever asks for it wants to know about all of the log; but
  // what a dry run left undone is not damage.
  const isSettled = found.length === 0 && (!dryRun || changes.length === 0);
  const { damage, damagedRanges } = isSettled ? await verify(location) : { damage: found, damagedRanges: found.length };
  if (damagedRanges > 0) context.exitCode = exitCodes.damage;
  const { stdout } = context;
  if (options.json === true) {
    stdout.line(JSON.stringify({ dryRun, changes, damage: damageFacts(damage), damagedRanges, tornBytes }));
    return;
  }
  for (const { file, action, bytes } of changes) {
    stdout.line(
      printableLine(
        `${dryRun ? "would be done" : "done"}: ${file}: ${action}${bytes === undefined ? "" : ` (${bytes} bytes)`}`,
      ),
    );
  }
  for (const line of damageLines(damage, damagedRanges)) stdout.line(line);
  if (tornBytes > 0) stdout.line(`torn tail: ${tornBytes} bytes that were never acknowledged`);
  if (damagedRanges > 0)
    stdout.line(`${damagedRanges} damaged ${damagedRanges === 1 ? "place is" : "places are"} left as found`);
  else if (changes.length === 0) stdout.line("nothing to repair");
}
