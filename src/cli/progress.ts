/** A progress line on standard error, when a person looks at it; nothing otherwise. */
import type { CliContext } from "./cli-context.ts";

/** Told how far the work is. */
export interface Progress {
  /** @param totalBytes how much there is to do; 0 when that is not known */
  update(bytes: number, totalBytes: number, records: number): void;
  /** For what is not counted in bytes: the line as it is to be. */
  show(line: string): void;
  stop(): void;
}

const silent: Progress = { update() {}, show() {}, stop() {} };

/** Starts a progress line that begins with what is being done. */
export async function startProgress(context: CliContext, doing: string): Promise<Progress> {
  if (!context.stderr.isTerminal) return silent;
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: (_options, _params, { line }: { readonly line: string }) => line,
    stream: process.stderr,
    clearOnComplete: true,
  });
  bar.start(1, 0, { line: doing });
  return {
    update(bytes, totalBytes, records) {
      const percent = totalBytes > 0 ? ` ${String(Math.floor((100 * bytes) / totalBytes)).padStart(3)} %,` : "";
      bar.update(0, { line: `${doing}${percent} ${formatBytes(bytes)}, ${records} records` });
    },
    show: (line) => bar.update(0, { line }),
    stop: () => bar.stop(),
  };
}

/** A number of bytes as a person reads it: `512 B`, `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ""}`;
}
