/** A bar on standard error with what is being measured, when a person looks at it; nothing otherwise. */
import type { CliContext } from "../cli-context.ts";

/** Told what is measured. */
export interface BenchProgress {
  update(done: number, total: number, doing: string): void;
  stop(): void;
}

const silent: BenchProgress = { update() {}, stop() {} };

export async function startBenchProgress(context: CliContext): Promise<BenchProgress> {
  if (!context.stderr.isTerminal) return silent;
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: "measuring {bar} {percentage} %  {doing}",
    stream: process.stderr,
    barsize: 20,
    autopadding: true,
    clearOnComplete: true,
  });
  bar.start(1, 0, { doing: "preparing" });
  return {
    update(done, total, doing) {
      bar.setTotal(total);
      bar.update(done, { doing });
    },
    stop: () => bar.stop(),
  };
}
