/** A user's database for the checkpoints of one consumer: it outlives every process, and what it took is durable. */
import type { Checkpoint, CheckpointStore } from "../../src/log/consumer-contract.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";

/** That it was out of order. */
export class StoreDown extends Error {}

/** One row of it, and the effects that were committed with it. */
export class SimulatedStore {
  held: Checkpoint | undefined;
  /** Whether it was ever emptied by hand. */
  wasCleared = false;
  /** Whether it never fails. */
  isReliable = false;
  /** By generation: the records whose effects were committed. */
  readonly #effects = new Map<number, number[]>();
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** For a handler that commits by itself. */
  loading(): CheckpointStore {
    return { load: () => this.held };
  }

  /** For a consumer that saves. @param failed called when it is out of order */
  saving(machine: SimulatedMachine, failed: () => void): CheckpointStore {
    return {
      load: () => this.held,
      save: async (checkpoint) => {
        if (this.#random.chance(0.5)) await machine.clock.turn();
        if (!machine.running) return;
        if (!this.isReliable && this.#random.chance(0.01)) {
          failed();
          throw new StoreDown("the store is down");
        }
        this.held = checkpoint;
      },
    };
  }

  /** A handler's transaction. @throws when the effect was there already */
  commit(seq: number, checkpoint: Checkpoint): void {
    const { generation } = checkpoint;
    const effects = this.#effects.get(generation) ?? [];
    const last = effects.at(-1) ?? -1;
    if (seq <= last) throw new Error(`the effect of record ${seq} was committed after that of ${last}`);
    effects.push(seq);
    this.#effects.set(generation, effects);
    this.held = checkpoint;
  }

  /** Somebody lets it begin anew. */
  clear(): void {
    this.held = undefined;
    this.wasCleared = true;
  }
}
