/** What happened in simulated histories. */
export interface Tally {
  /** Ends of all processes, by a power cut or by SIGKILL. */
  crashes: number;
  acknowledged: number;
  /** Records that readers got, of other processes and of the writer's own. */
  served: number;
  /** Bytes set aside at open. */
  torn: number;
  /** Records past the mark that were made durable again. */
  redone: number;
  /** Appends refused after a failed write. */
  poisoned: number;
  /** Bits turned over in segments and MANIFESTs, each of them reported. */
  rotten: number;
  /** Record indexes damaged, cut or removed, none of which changed a read. */
  indexesLost: number;
}

/** Nothing yet. */
export function emptyTally(): Tally {
  return { crashes: 0, acknowledged: 0, served: 0, torn: 0, redone: 0, poisoned: 0, rotten: 0, indexesLost: 0 };
}

/** A tally of any kind: numbers by name. */
export type Counts<T> = { [Name in keyof T]: number };

/** Adds one to the other. */
export function addTally<T extends Counts<T>>(to: T, more: T): void {
  for (const key of Object.keys(to) as (keyof T)[]) (to as Counts<T>)[key] += more[key];
}
