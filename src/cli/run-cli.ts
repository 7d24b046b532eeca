/** One run of `seqlog`: from arguments and streams to an exit code. Never ends the process itself. */
import { createRequire } from "node:module";
import type { Readable } from "node:stream";
import { Command, CommanderError, Help } from "commander";
import type { CliContext } from "./cli-context.ts";
import { commandTable } from "./command-table.ts";
import { formatReport, reportError } from "./error-report.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { Output, type OutputStream } from "./output.ts";
import { printableText } from "./printable.ts";
import { shortHelp } from "./short-help.ts";

/** The standard streams of a process, or a test's own. */
export interface CliStreams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

/** Runs `seqlog` with the arguments after its name. */
export async function runCli(args: readonly string[], streams: CliStreams): Promise<ExitCode> {
  const context: CliContext = {
    stdin: streams.stdin,
    stdout: new Output(streams.stdout),
    stderr: new Output(streams.stderr),
    exitCode: exitCodes.fine,
  };
  try {
    // The help is the error.
    if (args.length === 0) {
      context.exitCode = exitCodes.usage;
      context.stderr.put(shortHelp());
    } else await runCommand(args, context);
    await context.stdout.flush();
  } catch (error) {
    context.exitCode = await reportFailure(error, args, context);
  }
  await Promise.allSettled([context.stdout.flush(), context.stderr.flush()]);
  return context.exitCode;
}

async function runCommand(args: readonly string[], context: CliContext): Promise<void> {
  const program = await buildProgram(args, context);
  await program.parseAsync(args, { from: "user" });
}

async function buildProgram(args: readonly string[], context: CliContext): Promise<Command> {
  const program: Command = new Command("seqlog")
    .description("A durable, sequential record log. LOG is a directory, or a single .log file.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    // The table has its own.
    .helpCommand(false)
    // In the list of all, which knows the arguments of those alone that were loaded.
    .configureHelp({ subcommandTerm: (command) => (command.parent === program ? command.name() : termOf(command)) })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.put(text),
      writeErr: (text) => context.stderr.put(text),
      // Printed as every other error is, by reportFailure.
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText("after", help);
  // Of `seqlog help cat` and `seqlog cat --help` alike one of the first two words is the command.
  const named = new Set(args.slice(0, 2));
  for (const { name, summary, load } of commandTable) {
    const command = program.command(name).summary(summary);
    if (named.has(name)) (await load())(command, context);
  }
  return program;
}

/** As commander shows a command below another one: with its arguments. */
function termOf(command: Command): string {
  return new Help().subcommandTerm(command);
}

const help = `
A login to nats:// is a user and password, or a token, in the URL (nats://user:password@host/name) or, where others
can see the arguments, in the environment: NATS_USER and NATS_PASSWORD, NATS_TOKEN, or the name of a file in
NATS_CREDS or NATS_NKEY. NATS_CA names the certificates of your own CA, NATS_CERT and NATS_KEY a client's own.

Exit codes: 0 fine, 1 damage found, 2 wrong usage or input, 3 another process is writing, 4 I/O error.

Examples:
  git log --oneline | seqlog append ./history
  seqlog tail -f ./history
  seqlog verify ./history --json`;

function packageVersion(): string {
  const manifest = createRequire(import.meta.url)("../../package.json") as { readonly version: string };
  return manifest.version;
}

async function reportFailure(thrown: unknown, args: readonly string[], context: CliContext): Promise<ExitCode> {
  // Asked for: --help and --version end this way too.
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.fine;
  // Of a command that only has others below it the help is the error.
  if (thrown instanceof CommanderError && thrown.code === "commander.help") return exitCodes.usage;
  // A reader that went away ends the command, and is nobody's mistake.
  if (context.stdout.closed && thrown === context.stdout.signal.reason && isClosedPipe(thrown)) return exitCodes.fine;
  await Promise.allSettled([context.stdout.flush()]);
  const report = reportError(thrown);
  context.stderr.line(formatReport(report, asksForJson(args)));
  // For reports of bugs.
  if (process.env["SEQLOG_DEBUG"] === "1" && thrown instanceof Error)
    context.stderr.line(printableText(String(thrown.stack)));
  return report.exitCode;
}

function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EPIPE";
}

/** Looked for by hand: the error may be that the arguments could not be understood. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}
