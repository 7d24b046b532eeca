/** Waits for a condition by asking again and again. */

/**
 * Resolves with the first value of `ask` that is not undefined or false; an ask that throws counts
 * as one that has no answer yet, and its error is told when the time is up.
 */
export async function until(what, ask, timeoutMs = 180_000) {
  const deadline = performance.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const why = last instanceof Error ? `: ${last.message}` : "";
      throw new Error(`not within ${timeoutMs / 1000} s: ${what}${why}`, { cause: last });
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}
