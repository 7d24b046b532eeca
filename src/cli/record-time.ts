/** When a record was appended: its id says so, unless it is of version 4, which holds no time. */

/** ISO 8601, or undefined where the id holds no time. */
export function isoTime(time: Date): string | undefined {
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** How long before `nowMs`: `now`, `12s ago`, `3m ago`, `5h ago`, `9d ago`; `in 4s` where a clock is off; `-` without a time. */
export function relativeTime(time: Date, nowMs: number): string {
  const ms = nowMs - time.getTime();
  if (Number.isNaN(ms)) return "-";
  if (Math.abs(ms) < 1_000) return "now";
  const span = formatSpan(Math.abs(ms));
  return ms < 0 ? `in ${span}` : `${span} ago`;
}

/** A length of time in its largest unit: `0s`, `12s`, `3m`, `5h`, `9d`. */
export function formatSpan(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
