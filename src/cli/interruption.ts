/** Ctrl-C and SIGTERM, for commands that have something to finish first. */
import { type ExitCode, exitCodes } from "./exit-codes.ts";

/** Listens until `stopListening`. A second signal ends the process at once, as usual. */
export interface Interruption {
  /** Set when a signal came. */
  readonly exitCode: ExitCode | undefined;
  stopListening(): void;
}

/** Calls `interrupt` at the first SIGINT or SIGTERM. */
export function onInterruption(interrupt: () => void): Interruption {
  let exitCode: ExitCode | undefined;
  const stopListening = (): void => {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", terminated);
  };
  const end = (code: ExitCode): void => {
    stopListening();
    exitCode = code;
    interrupt();
  };
  const interrupted = (): void => end(exitCodes.interrupted);
  const terminated = (): void => end(exitCodes.terminated);
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", terminated);
  return {
    get exitCode() {
      return exitCode;
    },
    stopListening,
  };
}
