/** The ways of doing the same thing again and again until the time is over. */
import { nodeMachine } from "../../storage/node-machine.ts";
import { Meter, type Sample, type Span } from "./meter.ts";

/** Blocking calls let the event loop turn this often, so that Ctrl-C is heard. */
const longestBlockUs = 50_000;

/** Calls that block, and return how many records they did. */
export async function blocking(operation: () => number, span: Span): Promise<Sample> {
  const meter = new Meter(span);
  while (!meter.isOver) {
    meter.start();
    for (let us = 0; us < longestBlockUs && !meter.isOver;) {
      us += meter.lap(operation());
    }
    meter.pause();
    await nodeMachine.clock.turn();
  }
  return meter.sample();
}

/** The next one begins when the one before ended. Each resolves with how many records it did. */
export async function oneAtATime(operation: () => Promise<number>, span: Span): Promise<Sample> {
  const meter = new Meter(span);
  meter.start();
  while (!meter.isOver) {
    meter.lap(await operation());
  }
  meter.pause();
  return meter.sample();
}

/** So many callers, each of which waits for its own before the next. Timed as a whole. */
export async function callersAtOnce(callers: number, append: () => Promise<unknown>, span: Span): Promise<Sample> {
  const meter = new Meter(span);
  const { seconds, mostRecords, signal } = span;
  let records = 0;
  // By a timer: asking the clock for each record would cost a tenth of it.
  const time = { isOver: false };
  const cancel = nodeMachine.clock.after(seconds * 1000, () => (time.isOver = true), { keepAlive: true });
  const call = async (): Promise<void> => {
    while (!time.isOver && records < mostRecords && !signal.aborted) {
      await append();
      records++;
    }
  };
  meter.start();
  try {
    await Promise.all(Array.from({ length: callers }, call));
  } finally {
    cancel();
  }
  meter.lap(records);
  meter.pause();
  return { ...meter.sample(), latenciesUs: [] };
}
