/** `--replicas`: how many servers keep each record. */
import { InvalidArgumentError } from "commander";

/** For commands that take a directory as well. */
export const replicasHelp = "copies of each record on servers, of a nats:// log that is made now (default: 1)";

export function parseReplicas(text: string): number {
  if (/^[1-5]$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be 1 to 5; three servers can keep 3.");
}
