/** `seqlog promote`: a local log becomes a stream of NATS JetStream. */
import type { Command } from "commander";
import type { PromoteProgress, PromoteReport } from "../jetstream/index.ts";
import type { CliContext } from "./cli-context.ts";
import { onInterruption } from "./interruption.ts";
import { loadJetStream } from "./load-jetstream.ts";
import { kindOfLog } from "./log-argument.ts";
import { natsLogin } from "./nats-login.ts";
import { parseReplicas } from "./parse-replicas.ts";
import { printableLine } from "./printable.ts";
import { startProgress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

interface Options {
  readonly replicas: number;
  readonly json?: boolean;
}

const help = `
Numbers, ids and times stay what they are. Only what is in the log when the command begins is copied;
the log is not changed, and may be written meanwhile: \`seqlog mirror\` goes on from there.

Keys do not move: an append with a key that was made to the directory, repeated to the stream, is a NEW record
there. Let programs finish what they would repeat before you promote.

Interrupted, by whatever, run it again: it goes on where the stream ends. A stream that is there must be
empty or the beginning of this log; when a record in it differs, nothing is changed (exit code 2). In the
end every record of the stream was compared with the log: number, id, CRC and bytes.

Try it with a cluster on this machine: \`npm run cluster\` in a clone of seqlog.

Examples:
  seqlog promote ./events nats://localhost:4222/events
  seqlog promote ./events nats://a:4222,b:4222,c:4222/events --replicas 3`;

/** Defines `promote`. */
export function definePromote(command: Command, context: CliContext): void {
  command
    .description("Copy a log into a stream of NATS JetStream, then compare all of it.")
    .argument("<DIR>", "a directory log")
    .argument("<URL>", "nats://host:port,host:port,…/stream; made when it does not exist")
    .option(
      "--replicas <count>",
      "copies of each record in the cluster, of a stream that is made now",
      parseReplicas,
      1,
    )
    .option("--json", 'print {"location","firstSeq","nextSeq","records","earlier","copied"}')
    .addHelpText("after", help)
    .action((directory: string, url: string, options: Options) => promote(directory, url, options, context));
}

async function promote(directory: string, url: string, options: Options, context: CliContext): Promise<void> {
  if (kindOfLog(directory) !== "directory") {
    throw new UsageError(`${directory} is no directory log; promote copies from one to nats://`);
  }
  const library = await loadJetStream();
  const progress = await startProgress(context, "promoting");
  const stop = new AbortController();
  const interruption = onInterruption(() => stop.abort(interrupted));
  const { stdout, stderr } = context;
  try {
    const report = await library.promote(directory, url, {
      ...natsLogin(url),
      replicas: options.replicas,
      signal: stop.signal,
      onProgress: (at) => progress.show(inWords(at)),
    });
    progress.stop();
    if (options.json === true) stdout.line(JSON.stringify(report));
    else {
      stdout.line(printableLine(told(report, directory)));
      if (report.copied > 0) stdout.line(aboutKeys);
    }
  } catch (error) {
    if (error !== interrupted || interruption.exitCode === undefined) throw error;
    context.exitCode = interruption.exitCode;
    stderr.line("seqlog: interrupted; run the same command again to go on where the stream ends");
  } finally {
    progress.stop();
    interruption.stopListening();
  }
}

const interrupted = new Error("interrupted");

const aboutKeys =
  "note: keys did not move: an append with a key that was made to the directory, repeated to the stream, is a new record";

function inWords({ doing, records, total }: PromoteProgress): string {
  const percent = String(Math.floor((100 * records) / Math.max(1, total))).padStart(3);
  return `promoting: ${doing}, ${percent} %, ${records} of ${total} records`;
}

function told({ location, firstSeq, nextSeq, records, earlier, copied }: PromoteReport, directory: string): string {
  const more = earlier === 0 ? "" : `; it has ${earlier} before seq ${firstSeq} besides, which the log no longer has`;
  if (records === 0 && earlier === 0) return `${directory} is empty; so is ${location}`;
  const seqs = `seq ${firstSeq} to ${nextSeq - 1}`;
  return `copied ${copied} records; ${location} holds ${records}, ${seqs}: count, ids, CRCs and bytes are those of ${directory}${more}`;
}
