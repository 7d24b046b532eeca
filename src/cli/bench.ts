/** `seqlog bench`: what the disk under a directory gives, and what limits the log on it. */
import * as path from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import type { Mount } from "../storage/mount.ts";
import { makeScratchDirectory, removeScratchDirectory } from "../storage/node-storage.ts";
import { checkBenchPlace } from "./bench/bench-place.ts";
import { startBenchProgress } from "./bench/bench-progress.ts";
import { type Figures, figuresOf } from "./bench/figures.ts";
import { cautionsOf, type Verdict, verdictsOf } from "./bench/limits.ts";
import { type MeasurementKey, sizesFor } from "./bench/measurement.ts";
import { type MeasurementGroup, prepareMeasurements } from "./bench/measurements.ts";
import { tableLines, verdictLines, wrap } from "./bench/report.ts";
import { inRounds, roundCount } from "./bench/rounds.ts";
import type { CliContext } from "./cli-context.ts";
import { onInterruption } from "./interruption.ts";
import { printableLine } from "./printable.ts";

const mostSize = 64 * 1024;
const leastSeconds = 0.1;
const mostSeconds = 300;
const defaultSeconds = 2;

/** That one measurement writes in one round, so that a fast disk is not filled. */
const mostBytes = 256 * 1024 * 1024;

const help = `
Makes a directory in DIR, measures in it, and removes it, also after Ctrl-C. It needs up to 600 MiB
there, and half a minute. Refuses memory (tmpfs): it has no price for durability.

"raw" rows use no log: the same bytes are only written, or only read. All rows take turns in
${roundCount} rounds, and a figure is the median of the rounds. MB/s count records with their headers. p50 and
p99 are of single durable appends. "× fsync" is beside the first row, the raw fsync rate. Nothing else
should use the disk meanwhile.

Examples:
  seqlog bench
  seqlog bench /var/lib/my-app --size 1024
  seqlog bench /mnt/disk --seconds 10 --json`;

interface Options {
  readonly size: number;
  readonly seconds: number;
  readonly json?: boolean;
}

/** What was measured, before it is shown. */
interface Result {
  readonly groups: readonly MeasurementGroup[];
  readonly figures: ReadonlyMap<MeasurementKey, Figures>;
  readonly verdicts: readonly Verdict[];
  readonly cautions: readonly string[];
}

/** Defines `bench`. */
export function defineBench(command: Command, context: CliContext): void {
  command
    .description(
      "Measure what the disk under a directory gives: raw fsyncs, single appends, group commit, reading; and say what limits them.",
    )
    .argument("[DIR]", "an existing directory on the disk to measure", ".")
    .option("--size <bytes>", "data in a record", parseSize, 256)
    .option("--seconds <count>", "how long to measure each row", parseSeconds, defaultSeconds)
    .option(
      "--json",
      'print {"directory","fileSystem","size","rows":[{"key","recordsPerSecond",…}],"limits":[…],"cautions":[…]}',
    )
    .addHelpText("after", help)
    .action((directory: string, options: Options) => bench(directory, options, context));
}

async function bench(directory: string, options: Options, context: CliContext): Promise<void> {
  const mount = checkBenchPlace(directory);
  const stop = new AbortController();
  const interruption = onInterruption(() => stop.abort());
  const progress = await startBenchProgress(context);
  let scratch: string | undefined;
  let result: Result;
  try {
    scratch = makeScratchDirectory(`.seqlog-bench-${process.pid}-`, directory);
    result = await measure(scratch, options, stop.signal, progress.update);
  } catch (error) {
    if (interruption.exitCode === undefined) throw error;
    context.exitCode = interruption.exitCode;
    context.stderr.line(printableLine(`seqlog: interrupted; nothing is left in ${directory}`));
    return;
  } finally {
    progress.stop();
    if (scratch !== undefined) removeScratchDirectory(scratch);
    interruption.stopListening();
  }
  if (options.json === true) context.stdout.line(asJson(directory, mount, options, result));
  else for (const line of asLines(directory, mount, options, result, context)) context.stdout.line(line);
}

async function measure(
  scratch: string,
  { size, seconds }: Options,
  signal: AbortSignal,
  told: (done: number, total: number, label: string) => void,
): Promise<Result> {
  const sizes = sizesFor(size);
  const groups = await prepareMeasurements(scratch, sizes, signal);
  const measurements = groups.flatMap((group) => group.measurements);
  const span = { seconds: seconds / roundCount, mostRecords: mostBytes / sizes.recordBytes, signal };
  const samples = await inRounds(measurements, scratch, span, (done, total, { label }) => told(done, total, label));
  const figures = new Map(measurements.map(({ key }) => [key, figuresOf(samples.get(key) ?? [])]));
  return { groups, figures, verdicts: verdictsOf(figures, sizes), cautions: cautionsOf(figures) };
}

function asLines(
  directory: string,
  mount: Mount | undefined,
  { size, seconds }: Options,
  { groups, figures, verdicts, cautions }: Result,
  { stdout }: CliContext,
): string[] {
  const paint = pc.createColors(pc.isColorSupported && stdout.isTerminal);
  const on = mount === undefined ? "" : `: ${mount.type} on ${mount.source}`;
  return [
    printableLine(`${path.resolve(directory)}${on}`),
    `${size} ${size === 1 ? "byte" : "bytes"} of data in a record, ${roundCount} rounds, ${seconds} s for each row`,
    "",
    ...tableLines(groups, figures, sizesFor(size).recordBytes, paint.bold),
    "",
    paint.bold("What limits it"),
    ...verdictLines(verdicts),
    ...cautions.flatMap((caution) => ["", ...wrap("", `Caution: ${caution}.`).map((line) => paint.yellow(line))]),
  ];
}

function asJson(
  directory: string,
  mount: Mount | undefined,
  { size, seconds }: Options,
  { groups, figures, verdicts, cautions }: Result,
): string {
  const { recordBytes } = sizesFor(size);
  const fsyncs = figures.get("rawFsync")?.recordsPerSecond ?? Number.NaN;
  const rows = groups.flatMap(({ measurements }) =>
    measurements.map(({ key, label, hasLatencies }) => {
      const { recordsPerSecond, spread, p50Us, p99Us, cpuShare } = figures.get(key) as Figures;
      return {
        key,
        label,
        recordsPerSecond,
        bytesPerSecond: recordsPerSecond * recordBytes,
        ...(hasLatencies ? { p50Us, p99Us } : {}),
        timesFsync: recordsPerSecond / fsyncs,
        spread,
        cpuShare,
      };
    }),
  );
  const limits = verdicts.map(({ key, limit, text }) => ({ key, limit, text }));
  const fileSystem = mount ?? null;
  return JSON.stringify({ directory, fileSystem, size, seconds, rounds: roundCount, rows, limits, cautions });
}

function parseSize(text: string): number {
  const size = /^\d+$/.test(text) ? Number(text) : 0;
  if (size < 1 || size > mostSize) throw new InvalidArgumentError(`It must be a whole number from 1 to ${mostSize}.`);
  return size;
}

function parseSeconds(text: string): number {
  const seconds = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds < leastSeconds || seconds > mostSeconds) {
    throw new InvalidArgumentError(`It must be a number of seconds from ${leastSeconds} to ${mostSeconds}.`);
  }
  return seconds;
}
