/** `--replicas`: how many servers keep each record. */
import { InvalidArgumentError } from "commander";

export function parseReplicas(text: string): number {
  if (/^[1-5]$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be 1 to 5; three servers can keep 3.");
}
