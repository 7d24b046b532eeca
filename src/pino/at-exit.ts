/** What is to be done before the process ends by itself, by `process.exit` or by an uncaught exception. A signal that kills it leaves no time. */
const calls = new Set<(isLast: boolean) => void>();

/** One listener for all: Node warns of many. */
function run(): void {
  // Those that were registered later run later, and may have something to say still.
  const isLast = process.listeners("exit").at(-1) === run;
  let failure: { readonly error: unknown } | undefined;
  for (const call of calls) {
    try {
      call(isLast);
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure !== undefined) throw failure.error;
}

/** Calls at exit, blocking, and says whether nobody comes after; returns how to take it back. */
export function atExit(call: (isLast: boolean) => void): () => void {
  if (calls.size === 0) process.on("exit", run);
  calls.add(call);
  return () => {
    if (calls.delete(call) && calls.size === 0) process.off("exit", run);
  };
}
