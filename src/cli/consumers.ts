/** `seqlog consumers`: look after the durable consumers of a directory log. */
import type { Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import {
  type DeleteOptions,
  deleteConsumer,
  type MoveOptions,
  resetConsumer,
  seekConsumer,
} from "./consumer-changes.ts";
import { listConsumers, showConsumer } from "./consumer-reports.ts";
import { parsePosition } from "./position.ts";
import { positionHelp } from "./read-options.ts";

const directoryHelp = "a directory log";
const nameHelp = "the consumer's name";
const moveJson = 'print {"dryRun","name","before","after"}; before is null when there was none, or it cannot be read';

const help = `
All of them work beside a process that appends. A consumer that a process has open can be looked at, and
not changed (exit code 3). \`seqlog tail --consumer NAME LOG\` makes one, and so does log.consumer(name).

Examples:
  seqlog consumers list ./events
  seqlog consumers seek ./events billing --to 2h --dry-run
  seqlog help consumers seek`;

const listHelp = `
LAG is what a consumer has not acknowledged, AGE the time since the first of these records was appended.
CHECKPOINT says where its checkpoint is: in the log, or in a store of its own (its program's database), of
which the log has a mirror, up to a second behind.
Whether a process has it open is what its lock file says.

Examples:
  seqlog consumers list ./events
  seqlog consumers list ./events --json`;

const showHelp = `
Exit code 2 when there is none of that name.

Examples:
  seqlog consumers show ./events billing`;

/** What a shell cannot change. */
const ofStores = `A consumer whose program gave it a store (its own database) is refused, since the log has only a mirror of its
checkpoint: move it in the program, with consumer.seek(position), or in the database.`;

const forceHelp = "of a log on servers: also when a process is said to have it open, as one that was killed is";

const seekHelp = `
Back, and the records from there on are delivered again; ahead, and those between are never delivered to it.
It must be there, and its checkpoint must be one of this log: \`reset\` is for all else.
${ofStores}

Examples:
  seqlog consumers seek ./events billing --to 2026-05-01 --dry-run
  seqlog consumers seek ./events billing --to 4711`;

const resetHelp = `
Unlike \`seek\` it asks for nothing that was: it mends a checkpoint that is damaged, of another log, or from
before the log was reset, and makes a consumer where there is none. Without --to the consumer begins at the
first record there is.
${ofStores}

Examples:
  seqlog consumers reset ./events billing --dry-run
  seqlog consumers reset ./events report --to end`;

const deleteHelp = `
Its position is forgotten, and what retention kept for it is free to go; the records stay. Without --yes nothing
is deleted, and the command says what would be (exit code 2).
Of a consumer with a store of its own only the mirror is forgotten: retention keeps nothing for it until its
program opens it again, and where it goes on is what the store says.

Examples:
  seqlog consumers delete ./events billing
  seqlog consumers delete ./events billing --yes`;

/** Defines `consumers` and what is below it. */
export function defineConsumers(command: Command, context: CliContext): void {
  command
    .description("Durable consumers of a log: where they stand, how far they are behind, and where they go on.")
    .addHelpText("after", help);
  command
    .command("list")
    .summary("list all: position, lag, whether a process has it open")
    .description("Every consumer: its next record, how far it is behind, whether a process has it open.")
    .argument("<DIR>", directoryHelp)
    .option("--json", 'print {"consumers":[…]}, each as of `show`')
    .addHelpText("after", listHelp)
    .action((location: string, options: { readonly json?: boolean }) => listConsumers(location, options, context));
  command
    .command("show")
    .summary("tell about one")
    .description("One consumer.")
    .argument("<DIR>", directoryHelp)
    .argument("<NAME>", nameHelp)
    .option("--json", 'print {"name","nextSeq","lag":{"records","bytes","ms"},"isActive","hasStore","problem"}')
    .addHelpText("after", showHelp)
    .action((location: string, name: string, options: { readonly json?: boolean }) =>
      showConsumer(location, name, options, context),
    );
  command
    .command("seek")
    .summary("have one go on somewhere else")
    .description("Have a consumer go on somewhere else.")
    .argument("<DIR>", directoryHelp)
    .argument("<NAME>", nameHelp)
    .requiredOption("--to <position>", `its next record: ${positionHelp}`, parsePosition)
    .option("--force", forceHelp)
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--json", moveJson)
    .addHelpText("after", seekHelp)
    .action((location: string, name: string, options: MoveOptions) => seekConsumer(location, name, options, context));
  command
    .command("reset")
    .summary("give one a new checkpoint, whatever became of the old one")
    .description("Give a consumer a new checkpoint, whatever became of the old one.")
    .argument("<DIR>", directoryHelp)
    .argument("<NAME>", nameHelp)
    .option("--to <position>", `its next record (default: start): ${positionHelp}`, parsePosition, "start")
    .option("--force", forceHelp)
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--json", moveJson)
    .addHelpText("after", resetHelp)
    .action((location: string, name: string, options: MoveOptions) => resetConsumer(location, name, options, context));
  command
    .command("delete")
    .summary("forget one (needs --yes)")
    .description("Forget a consumer.")
    .argument("<DIR>", directoryHelp)
    .argument("<NAME>", nameHelp)
    .option("--yes", "really do it")
    .option("--force", forceHelp)
    .option("--json", 'print {"deleted":{…}}, as of `show`')
    .addHelpText("after", deleteHelp)
    .action((location: string, name: string, options: DeleteOptions) =>
      deleteConsumer(location, name, options, context),
    );
}
