/** Input as it comes, until it ends or is told to stop. */
import type { Readable } from "node:stream";

/**
 * The pieces of a stream. After `stop` those that had been taken from the pipe or the terminal by then
 * still come: nobody else will see them. Iterating over the stream itself would drop them.
 *
 * @throws what the stream failed with
 */
export async function* readPieces(input: Readable, stop: AbortSignal): AsyncGenerator<Uint8Array> {
  let isOver = false;
  let failure: Error | undefined;
  let wake = (): void => {};
  const onChange = (): void => wake();
  const onEnd = (): void => {
    isOver = true;
    wake();
  };
  const onError = (error: Error): void => {
    failure = error;
    wake();
  };
  input.on("readable", onChange).on("end", onEnd).on("close", onEnd).on("error", onError);
  stop.addEventListener("abort", onChange);
  try {
    while (!stop.aborted) {
      const piece = input.read() as Uint8Array | null;
      if (piece !== null) yield piece;
      else if (failure !== undefined) throw failure;
      else if (isOver) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    // All at once: while the caller is busy with one, more would be taken.
    const rest: Uint8Array[] = [];
    for (let piece = input.read() as Uint8Array | null; piece !== null; piece = input.read() as Uint8Array | null) {
      rest.push(piece);
    }
    yield* rest;
  } finally {
    stop.removeEventListener("abort", onChange);
    input.destroy();
  }
}
