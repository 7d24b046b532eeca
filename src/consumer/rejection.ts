/**
 * A promise that was rejected, for whoever asks. Nobody has to: an acknowledgement that is not awaited
 * must not end the process as an unhandled rejection, since its failure is told by the loop as well.
 */
export function rejection(reason: Error): Promise<never> {
  const rejected = Promise.reject(reason);
  rejected.catch(() => undefined);
  return rejected;
}
