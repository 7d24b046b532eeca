/** The windows that docs/consumers.md states, to the millisecond, on a clock that a test moves. */
import { describe, expect, test } from "vitest";
import type { CheckpointPolicy } from "../log/consumer-contract.ts";
import { SimulatedClock } from "../testing/simulated-clock.ts";
import { CheckpointSaver } from "./checkpoint-saver.ts";

/** A saver of a position that counts acknowledgements, on a disk whose writes take so long. */
class Place {
  readonly clock = new SimulatedClock();
  readonly saver: CheckpointSaver;
  readonly #startMs = this.clock.now();
  #acknowledged = 0;
  #writes = 0;
  /** When each acknowledgement was made, and when it was durable, in milliseconds from the beginning. */
  readonly madeMs: number[] = [];
  readonly durableMs: number[] = [];

  constructor(policy: CheckpointPolicy, writeMs: number) {
    this.saver = new CheckpointSaver({
      policy,
      clock: this.clock,
      most: 1000,
      written: () => undefined,
      failed: (error) => expect.unreachable(error.message),
      write: async () => {
        this.#writes++;
        const position = this.#acknowledged;
        await new Promise<void>((resolve) => this.clock.after(writeMs, resolve));
        while (this.durableMs.length < position) this.durableMs.push(this.#nowMs);
      },
    });
  }

  get writes(): number {
    return this.#writes;
  }

  get #nowMs(): number {
    return this.clock.now() - this.#startMs;
  }

  acknowledge(): void {
    this.#acknowledged++;
    this.madeMs.push(this.#nowMs);
    this.saver.advance(1);
  }

  /** Acknowledges one each millisecond, so often. */
  async acknowledgeEachMs(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.acknowledge();
      await this.clock.advance(1);
    }
  }

  /** How long each acknowledgement could have been forgotten. */
  get windowsMs(): number[] {
    return this.madeMs.map((madeMs, i) => (this.durableMs[i] ?? Infinity) - madeMs);
  }
}

const intervalMs = 20;

describe("{ intervalMs }", () => {
  test.each([0, 1, 7, 20, 50])(
    "with writes of %i ms an acknowledgement is durable after the interval and two writes at the latest",
    async (writeMs) => {
      const place = new Place({ intervalMs }, writeMs);
      await place.acknowledgeEachMs(300);
      await place.clock.advance(intervalMs + 2 * writeMs);
      expect(Math.max(...place.windowsMs)).toBeLessThanOrEqual(intervalMs + 2 * writeMs);
      // Not more than one write for each interval.
      expect(place.writes).toBeLessThanOrEqual(Math.ceil(300 / (intervalMs + writeMs)) + 1);
    },
  );

  test("while nothing is written it is the interval and one write", async () => {
    const place = new Place({ intervalMs }, 7);
    for (let i = 0; i < 5; i++) {
      place.acknowledge();
      await place.clock.advance(100);
    }
    expect(place.windowsMs).toEqual(Array.from({ length: 5 }, () => intervalMs + 7));
  });
});

describe("every", () => {
  test.each([0, 1, 7])("with writes of %i ms an acknowledgement is durable after two writes", async (writeMs) => {
    const place = new Place("every", writeMs);
    await place.acknowledgeEachMs(100);
    await place.clock.advance(2 * writeMs);
    expect(Math.max(...place.windowsMs)).toBeLessThanOrEqual(2 * writeMs);
    expect(place.windowsMs[0]).toBe(writeMs);
  });

  test("saved() resolves when what was acknowledged before it is durable, and not before", async () => {
    const place = new Place("every", 7);
    place.acknowledge();
    await place.clock.advance(3);
    // Beside the write under way: it is in the next one.
    place.acknowledge();
    let isSaved = false;
    const saved = place.saver.saved().then(() => {
      isSaved = true;
    });
    await place.clock.advance(10);
    expect([isSaved, place.durableMs]).toEqual([false, [7]]);
    await place.clock.advance(1);
    await saved;
    expect(place.durableMs).toEqual([7, 14]);
  });
});
