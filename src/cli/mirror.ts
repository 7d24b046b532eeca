/** `seqlog mirror`: a stream of NATS JetStream follows a log. */
import type { Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import { onInterruption } from "./interruption.ts";
import { loadJetStream } from "./load-jetstream.ts";
import { kindOfLog } from "./log-argument.ts";
import { natsLogin } from "./nats-login.ts";
import { parseReplicas } from "./parse-replicas.ts";
import { startProgress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

interface Options {
  readonly replicas: number;
  readonly name: string;
}

const help = `
It works beside the process that appends, and goes on until it is interrupted. The log stays what counts:
whatever crashes, the stream is a beginning of the log, with each record once. It ends with an error when
the log is reset, or records that the stream lacks are removed from it; a log opened with the retention
\`protect: "consumers"\` keeps those.

It is a durable consumer of the log: \`seqlog consumers\` shows how far it is behind.

Examples:
  seqlog mirror ./events nats://localhost:4222/events
  seqlog mirror ./events nats://a:4222,b:4222,c:4222/events --replicas 3`;

/** Defines `mirror`. */
export function defineMirror(command: Command, context: CliContext): void {
  command
    .description("Keep a stream of NATS JetStream in step with a log, until interrupted.")
    .argument("<DIR>", "a directory log")
    .argument("<URL>", "nats://host:port,host:port,…/stream; made when it does not exist")
    .option(
      "--replicas <count>",
      "copies of each record in the cluster, of a stream that is made now",
      parseReplicas,
      1,
    )
    .option("--name <consumer>", "its name as a consumer of the log", "mirror")
    .addHelpText("after", help)
    .action((directory: string, url: string, options: Options) => mirror(directory, url, options, context));
}

async function mirror(directory: string, url: string, options: Options, context: CliContext): Promise<void> {
  if (kindOfLog(directory) !== "directory") {
    throw new UsageError(`${directory} is no directory log; mirror copies from one to nats://`);
  }
  const library = await loadJetStream();
  const progress = await startProgress(context, "mirroring");
  const stop = new AbortController();
  const interruption = onInterruption(() => stop.abort(interrupted));
  let nextSeq = 0;
  try {
    await library.mirror(directory, url, {
      ...natsLogin(url),
      replicas: options.replicas,
      consumer: options.name,
      signal: stop.signal,
      onProgress(seq) {
        nextSeq = seq;
        progress.show(`mirroring: ${seq} records are in the stream`);
      },
    });
  } catch (error) {
    if (error !== interrupted || interruption.exitCode === undefined) throw error;
    context.exitCode = interruption.exitCode;
    context.stderr.line(`seqlog: interrupted; the stream has the records before seq ${nextSeq}`);
  } finally {
    progress.stop();
    interruption.stopListening();
  }
}

const interrupted = new Error("interrupted");
