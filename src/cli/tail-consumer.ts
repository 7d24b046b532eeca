/** `seqlog tail --consumer`: tails with a durable consumer, which goes on where it left off. */
import type { Consumer, Log, Position } from "../index.ts";
import { withoutLogins } from "../jetstream/jetstream-location.ts";
import type { CliContext } from "./cli-context.ts";
import { inWordsOfTheCommand } from "./consumer-advice.ts";
import { openForConsumers } from "./consumers-log.ts";
import { onInterruption } from "./interruption.ts";
import { printDeliveries } from "./print-deliveries.ts";
import type { Selection } from "./print-records.ts";
import { printableLine } from "./printable.ts";
import type { RecordFormat } from "./record-format.ts";

/** Which consumer, and which of its records. */
export interface ConsumerTail {
  readonly name: string;
  /** Where one begins that is new. */
  readonly from: Position | undefined;
  /** The option that said so, as it was given. */
  readonly fromOption: string | undefined;
  readonly follow: boolean;
  readonly selection: Selection;
}

/** What was handed over so long before a crash may be printed again: nobody waits for each checkpoint. */
const checkpointMs = 100;

/** A reader that looks away (a pager) is no reason to print anything again: the longest wait that there is. */
const ackWaitMs = 2 ** 31 - 1;

/** Tails to the end of the log as it is now, or on and on. */
export async function tailConsumer(
  location: string,
  { name, from, fromOption, follow, selection }: ConsumerTail,
  format: RecordFormat,
  context: CliContext,
): Promise<void> {
  const { stdout } = context;
  const log = await openForConsumers(location);
  const stop = new AbortController();
  const interruption = onInterruption(() => stop.abort());
  try {
    if (fromOption !== undefined) await tellOfFrom(log, location, name, fromOption, context);
    const consumer = await open(log, location, name, from);
    const end = follow ? Infinity : log.nextSeq;
    try {
      await printDeliveries(consumer, end, selection, format, stdout, AbortSignal.any([stop.signal, stdout.signal]));
    } finally {
      await consumer.close();
    }
  } finally {
    interruption.stopListening();
    await log.close();
  }
  if (interruption.exitCode !== undefined) context.exitCode = interruption.exitCode;
}

/** The same command line may be started again and again, so that this is no error. */
async function tellOfFrom(
  log: Log,
  location: string,
  name: string,
  fromOption: string,
  { stderr }: CliContext,
): Promise<void> {
  const there = (await log.consumers()).find((consumer) => consumer.name === name);
  if (there?.nextSeq === undefined) return;
  stderr.line(
    printableLine(
      `seqlog: note: the consumer ${name} goes on at seq ${there.nextSeq}, since ${fromOption} is for a new one; ` +
        `\`seqlog consumers seek ${withoutLogins(location)} ${name} --to …\` moves it`,
    ),
  );
  await stderr.flush();
}

async function open(log: Log, location: string, name: string, from: Position | undefined): Promise<Consumer> {
  try {
    return await log.consumer(name, {
      ...(from === undefined ? {} : { from }),
      ackWaitMs,
      checkpoint: { intervalMs: checkpointMs },
    });
  } catch (error) {
    throw inWordsOfTheCommand(error, location, name);
  }
}
