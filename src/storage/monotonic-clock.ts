/** A clock that never goes back and tells microseconds; for measuring. What the log does never depends on it. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3;
}
