/** The log whose consumers a command looks after, and one of them by its name. */
import { type ConsumerInfo, FileLog, type Log } from "../index.ts";
import { kindOfLog, openStream } from "./log-argument.ts";
import { UsageError } from "./usage-error.ts";

/** Open for reading alone, so beside a writer too: consumers have locks of their own. */
export async function openForConsumers(location: string): Promise<Log> {
  const kind = kindOfLog(location);
  if (kind === "file") {
    throw new UsageError(
      `${location} is a single file, which has no consumers; a directory log has (\`seqlog import\` makes one)`,
    );
  }
  return kind === "stream" ? openStream(location, { readOnly: true }) : FileLog.open(location, { readOnly: true });
}

/** @throws {UsageError} naming those that there are */
export async function requireConsumer(log: Log, location: string, name: string): Promise<ConsumerInfo> {
  const consumers = await log.consumers();
  const found = consumers.find((consumer) => consumer.name === name);
  if (found !== undefined) return found;
  const names = consumers.map((consumer) => consumer.name);
  const others = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
  throw new UsageError(`${location}: there is no consumer ${JSON.stringify(name)}; ${others}`, "NO_CONSUMER", {
    consumer: name,
    consumers: names,
  });
}
