/** Warnings of the library at a shell: notes of the command, in its words; others as node tells them. */
import { printableLine } from "./printable.ts";

/** Takes the place of node's own listener, unless it is told to print no warnings. */
export function tellWarnings(
  process: Pick<NodeJS.Process, "listeners" | "removeAllListeners" | "on" | "stderr">,
): void {
  const others = process.listeners("warning");
  if (others.length === 0) return;
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    if ((warning as NodeJS.ErrnoException).code === "SEQLOG_NOT_DURABLE") {
      process.stderr.write(`${printableLine(`seqlog: note: ${inWords(warning.message)}`)}\n`);
    } else for (const tell of others) tell(warning);
  });
}

/** A shell has other names for what is to be done. */
function inWords(message: string): string {
  return message.replace(/ Use replicas: 3, or .*$/s, " Make it with --replicas 3 where there are three servers");
}
