/**
 * All measurements in turn, round after round: what disturbs the machine for a second disturbs one
 * figure of one round, not one measurement. The first round warms up and is thrown away; the order
 * rotates, so that none always follows the same neighbour.
 */
import { makeScratchDirectory, nodeStorage, removeScratchDirectory } from "../../storage/node-storage.ts";
import type { Measurement, MeasurementKey } from "./measurement.ts";
import type { Sample, Span } from "./meter.ts";

/** Five, so that a median has two on either side. */
export const roundCount = 5;

/** The samples of all rounds. */
export type Samples = ReadonlyMap<MeasurementKey, readonly Sample[]>;

/**
 * @param span of one measurement in one round
 * @param told before each measurement, with how many of how many are done
 * @throws the signal's reason when it was aborted
 */
export async function inRounds(
  measurements: readonly Measurement[],
  scratch: string,
  span: Span,
  told: (done: number, total: number, measurement: Measurement) => void,
): Promise<Samples> {
  const samples = new Map<MeasurementKey, Sample[]>(measurements.map(({ key }) => [key, []]));
  const total = (roundCount + 1) * measurements.length;
  for (let done = 0; done < total; done++) {
    const round = Math.floor(done / measurements.length);
    const measurement = measurements[(done + round) % measurements.length] as Measurement;
    told(done, total, measurement);
    const isWarmUp = round === 0;
    const own = makeScratchDirectory("round-", scratch);
    const sample = await measurement.measure(own, isWarmUp ? { ...span, seconds: span.seconds / 2 } : span);
    span.signal.throwIfAborted();
    if (!isWarmUp) samples.get(measurement.key)?.push(sample);
    removeScratchDirectory(own);
    // What this one left in the file system's journal is not the next one's to wait for.
    nodeStorage.fsyncDirectorySync(scratch);
  }
  return samples;
}
