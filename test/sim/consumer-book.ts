/**
 * Where a consumer may stand, as far as anybody outside can know: what was acknowledged, what may
 * have been, and what was told to be durable. Checked against where it is found.
 */

/** A consumer's life from one position that is known, or asked for, to the next. */
export class Era {
  readonly generation: number;
  readonly base: number;
  /** What may not be forgotten: no checkpoint found may be lower. */
  floor: number;
  /** Records that may be behind the checkpoint: acknowledged, filtered, or perhaps dead letters. */
  readonly asked: Set<number> = new Set();
  /** Of these, the ones that the program acknowledged, or its filter left out. */
  readonly acknowledged: Set<number> = new Set();
  /** Of these, the ones that certainly count. */
  readonly done: Set<number> = new Set();
  readonly filtered: Set<number> = new Set();
  readonly delivered: Set<number> = new Set();
  /** With so many delivered and not behind the checkpoint it must stop; Infinity where that is not promised. */
  maxInFlight = Infinity;
  /** Whether retention has to keep what it needs. */
  isProtected = true;
  /** A position that was asked for and not answered: anything up to here, at first. */
  readonly #top: number;

  constructor(generation: number, base: number, top: number = base) {
    this.generation = generation;
    this.base = base;
    this.floor = base;
    this.#top = top;
  }

  /** The highest that its checkpoint may be. */
  get ceiling(): number {
    let seq = this.#top;
    while (this.asked.has(seq)) seq++;
    return seq;
  }

  /** Up to here all is done, and has to be kept: what a filter left out behind it may be filtered again. */
  get doneTo(): number {
    let end = this.base;
    for (let seq = this.base; this.done.has(seq); seq++) if (!this.filtered.has(seq)) end = seq + 1;
    return end;
  }

  /** A power cut has taken records from `seq` on, and what comes in their place is another. */
  lost(seq: number): void {
    for (const set of [this.asked, this.acknowledged, this.done, this.filtered, this.delivered])
      for (const known of set) if (known >= seq) set.delete(known);
  }
}

/** Who has a consumer open, or is about to. */
export interface Claim {
  readonly owner: object;
  state: "opening" | "open" | "closing";
}

/** What is known of one consumer by all of its processes together. */
export class ConsumerBook {
  readonly name: string;
  /** What its checkpoint may be. */
  eras: Era[] = [];
  /** Whether there may be none. */
  mayBeNone = true;
  readonly claims: Set<Claim> = new Set();

  constructor(name: string) {
    this.name = name;
  }

  claim(owner: object): Claim {
    const claim: Claim = { owner, state: "opening" };
    this.claims.add(claim);
    return claim;
  }

  /** A process has ended for good. */
  release(owner: object): void {
    for (const claim of this.claims) if (claim.owner === owner) this.claims.delete(claim);
  }

  /** Whether somebody else may hold the lock. */
  isContended(own: Claim): boolean {
    return this.claims.size > (this.claims.has(own) ? 1 : 0);
  }

  /** Somebody got in. @throws when somebody else was in */
  entered(own: Claim): void {
    for (const claim of this.claims)
      if (claim !== own && claim.state === "open") throw new Error(`two have the consumer ${this.name} open`);
    // Its log may be closing already.
    if (own.state === "opening") own.state = "open";
  }

  /** It may have gone somewhere else, up to `top`; nobody was told. The function takes it back: it has not. */
  going(generations: readonly number[], top: number): () => void {
    const eras = generations.map((generation) => new Era(generation, 0, top));
    for (const era of eras) era.isProtected = false;
    this.eras.push(...eras);
    return () => (this.eras = this.eras.filter((era) => !eras.includes(era)));
  }

  /** It certainly stands here, durably. */
  stands(generation: number, seq: number): Era {
    const era = new Era(generation, seq);
    this.eras = [era];
    this.mayBeNone = false;
    return era;
  }

  deleted(): void {
    this.eras = [];
    this.mayBeNone = true;
  }

  /**
   * Holds the position of a consumer that was just opened against what is known.
   * @returns the era that it ends, if that is certain
   */
  found(generation: number, seq: number): Era | undefined {
    const fitting = this.eras.filter((era) => era.generation === generation && era.floor <= seq && seq <= era.ceiling);
    if (fitting.length === 0 && !this.mayBeNone) {
      const known = this.eras.map((era) => `${era.floor} to ${era.ceiling} of generation ${era.generation}`);
      throw new Error(`${this.name} stands at ${seq} of generation ${generation}; expected ${known.join(" or ")}`);
    }
    if (this.eras.length !== 1 || this.mayBeNone) return undefined;
    const [era] = fitting;
    const again = [...(era?.delivered ?? [])].filter((delivered) => delivered >= seq).length;
    if (era !== undefined && again > era.maxInFlight)
      throw new Error(`${again} records of ${this.name} are delivered again, and maxInFlight is ${era.maxInFlight}`);
    return era;
  }

  /** Whether a checkpoint may be of another generation than this. */
  mayBeForeign(generation: number): boolean {
    return this.eras.some((era) => era.generation !== generation);
  }

  /** Whether retention may have removed what it needs. */
  mayBeTrimmed(): boolean {
    return this.mayBeNone || this.eras.some((era) => !era.isProtected);
  }
}
