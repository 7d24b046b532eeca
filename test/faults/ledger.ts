/**
 * What one log was asked for and what it answered, in order; and whether what is found after a crash
 * may be. Stricter than the model of test/sim: here every answer is heard before the process ends,
 * and a record may be appended before or after a reset whose outcome nobody knows.
 */

/** A record as it is found. */
export interface Found {
  readonly seq: number;
  readonly payload: string;
  readonly id: string;
  readonly segment: string;
  readonly offset: number;
}

/** A log as it is found; a single file has no generation. */
export interface FoundLog {
  readonly generation: number | undefined;
  readonly firstSeq: number;
  readonly records: readonly Found[];
}

/** A record that somebody wanted to append. */
export interface Entry {
  readonly payload: string;
  /** Tells apart what was appended with one call. */
  readonly call: number;
  /** `refused`: it never will be there. `partly`: of a call with several records the first may be there. */
  state: "unanswered" | "acknowledged" | "refused" | "partly";
  /** Whether a power cut may not take it. */
  isDurable: boolean;
  /** As it was acknowledged, as far as the answer says so. */
  known: Partial<Found>;
}

/** A reset: it removes what was submitted before `at`. */
export interface Reset {
  readonly at: number;
  isDone: boolean;
}

/** Something was promised and is not so. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

interface Contents {
  /** The generation in which the entries begin. */
  generation: number;
  /** A trim that was not answered may have happened. */
  firstSeqs: number[];
  entries: Entry[];
  resets: Reset[];
  /** What readers of other processes were given; the seq counts from the first entry. */
  served: [seq: number, payload: string][];
  submitted: number;
  calls: number;
  /** Whether somebody was told that there is a log. */
  exists: boolean;
}

/** What is known of one log. */
export class Ledger {
  #contents: Contents;

  constructor(contents?: Contents) {
    this.#contents = contents ?? {
      generation: 0,
      firstSeqs: [0],
      entries: [],
      resets: [],
      served: [],
      submitted: 0,
      calls: 0,
      exists: false,
    };
  }

  /** For a run of its own from here on. */
  clone(): Ledger {
    return new Ledger(structuredClone(this.#contents));
  }

  /** The same text means that the same may be found. */
  get key(): string {
    return JSON.stringify(this.#contents);
  }

  get exists(): boolean {
    return this.#contents.exists;
  }

  get entries(): readonly Entry[] {
    return this.#contents.entries;
  }

  created(): void {
    this.#contents.exists = true;
  }

  /** Data that no other record has. */
  payload(length: number): string {
    return `${this.#contents.submitted++}:`.padEnd(length, "x");
  }

  submit(payloads: readonly string[]): Entry[] {
    const call = this.#contents.calls++;
    const made = payloads.map((payload): Entry => ({
      payload,
      call,
      state: "unanswered",
      isDurable: false,
      known: {},
    }));
    this.#contents.entries.push(...made);
    return made;
  }

  acknowledge(entry: Entry, known: Partial<Found>, isDurable: boolean): void {
    if (entry.state !== "unanswered") throw new BrokenPromise(`${name(entry.payload)} was answered twice`);
    entry.state = "acknowledged";
    entry.known = known;
    entry.isDurable = isDurable;
  }

  /** The log said that it undid this, and went on. */
  refuse(entries: readonly Entry[]): void {
    for (const entry of entries) entry.state = entries.length === 1 ? "refused" : "partly";
  }

  /** What was acknowledged before is durable now. */
  flushed(count: number): void {
    for (const entry of this.#contents.entries.slice(0, count))
      if (entry.state === "acknowledged") entry.isDurable = true;
  }

  reset(): Reset {
    const reset = { at: this.#contents.entries.length, isDone: false };
    this.#contents.resets.push(reset);
    return reset;
  }

  /** Whole segments before `seq` are to go. */
  trimming(seq: number): void {
    const bases = this.#contents.entries.map(({ known }) => Number(known.segment?.slice(0, 20) ?? 0));
    const target = Math.max(...bases.filter((base) => base <= seq));
    if (!this.#contents.firstSeqs.includes(target)) this.#contents.firstSeqs.push(target);
  }

  trimmed(firstSeq: number): void {
    if (!this.#contents.firstSeqs.includes(firstSeq))
      throw new BrokenPromise(`trimmed up to ${firstSeq}, expected one of ${this.#contents.firstSeqs.join()}`);
    this.#contents.firstSeqs = [firstSeq];
  }

  served(seq: number, payload: string): void {
    this.#contents.served.push([seq, payload]);
  }

  /**
   * Holds what is read beside the writer against what it acknowledged: that is there.
   * @param acknowledgedAlone whether nothing else may be
   */
  checkLive(found: FoundLog, acknowledgedAlone: boolean): void {
    this.#match(found, { mayLose: false, acknowledgedAlone });
  }

  /** What a reader may be given while nobody has recovered the log: a first part of what may be found. */
  checkPart(found: FoundLog): void {
    this.#match(found, { mayLose: true, acknowledgedAlone: false, isPart: true });
  }

  /**
   * Holds what is found after an end against what is known, and takes it over: it was served now.
   * @param mayLose whether the power was cut, so that what is not durable may be gone
   */
  recovered(found: FoundLog, mayLose: boolean): void {
    const { resets } = this.#match(found, { mayLose, acknowledgedAlone: false });
    const contents = this.#contents;
    contents.generation += resets;
    contents.firstSeqs = [found.firstSeq];
    contents.resets = [];
    contents.served = [];
    contents.exists = true;
    contents.entries = found.records.map((record) => ({
      payload: record.payload,
      call: contents.calls++,
      state: "acknowledged",
      isDurable: true,
      known: record,
    }));
  }

  #match(found: FoundLog, how: How): { resets: number } {
    const { generation, resets, firstSeqs } = this.#contents;
    const done = resets.filter(({ isDone }) => isDone);
    const at = done.at(-1)?.at ?? 0;
    const before = { at, resets: done.length, firstSeqs: done.length > 0 ? [0] : firstSeqs };
    const unsure = resets.find((reset) => !reset.isDone && resets.indexOf(reset) >= done.length);
    const after = unsure === undefined ? [] : [{ at: unsure.at, resets: done.length + 1, firstSeqs: [0] }];
    let problem: string | undefined;
    for (const history of [before, ...after]) {
      if (found.generation !== undefined && found.generation !== generation + history.resets) continue;
      const wrong = this.#problemOf(found, history, how);
      if (wrong === undefined) return { resets: history.resets };
      problem ??= wrong;
    }
    throw new BrokenPromise(problem ?? `generation ${found.generation}, expected ${generation + before.resets}`);
  }

  /** What is wrong with the records, if the log's history is this one. */
  #problemOf(found: FoundLog, history: History, how: How): string | undefined {
    const { firstSeq, records } = found;
    if (!history.firstSeqs.includes(firstSeq))
      return `first seq ${firstSeq}, expected one of ${history.firstSeqs.join()}`;
    const expected = this.#contents.entries
      .slice(history.at)
      .filter(({ state, known }) => state !== "refused" && !(known.seq !== undefined && known.seq < firstSeq));
    let next = 0;
    /** A call with several records of which one is missing: the others are too. */
    const cut = new Set<number>();
    for (const [i, record] of records.entries()) {
      if (record.seq !== firstSeq + i) return `record ${record.seq} found where ${firstSeq + i} belongs`;
      const mayBeGone = (entry: Entry | undefined): entry is Entry =>
        entry?.state === "partly" || (how.acknowledgedAlone && entry?.state === "unanswered");
      // Of a call with several records the first may be served before the call is answered.
      const isPartial = (call: number): boolean => expected.filter((entry) => entry.call === call).length > 1;
      for (let entry = expected[next]; mayBeGone(entry) && entry.payload !== record.payload; entry = expected[++next])
        cut.add(entry.call);
      const entry = expected[next++];
      if (entry === undefined) return `record ${record.seq} is ${name(record.payload)}, which nobody appended there`;
      if (entry.payload !== record.payload)
        return `record ${record.seq} is ${name(record.payload)}; expected ${name(entry.payload)}`;
      if (cut.has(entry.call)) return `record ${record.seq} is of a call of which an earlier record is missing`;
      if (how.acknowledgedAlone && entry.state !== "acknowledged" && !isPartial(entry.call))
        return `record ${record.seq} (${name(record.payload)}) was never acknowledged, and is served`;
      for (const key of ["seq", "id", "segment", "offset"] as const) {
        const told = entry.known[key];
        if (told !== undefined && told !== record[key])
          return `record ${record.seq}: ${key} ${record[key]}, acknowledged as ${told}`;
      }
    }
    if (how.isPart === true) return undefined;
    for (const entry of expected.slice(next)) {
      if (entry.state === "acknowledged" && (entry.isDurable || !how.mayLose))
        return `${name(entry.payload)} was acknowledged (${JSON.stringify(entry.known)}) and is gone; ${records.length} records found`;
    }
    if (history.at > 0 || how.mayLose) return undefined;
    for (const [seq, payload] of this.#contents.served) {
      if (seq >= firstSeq && records[seq - firstSeq]?.payload !== payload)
        return `record ${seq} (${name(payload)}) was served and is gone`;
    }
    return undefined;
  }
}

/** One way in which resets that were not answered may have gone. */
interface History {
  /** The first entry that the last reset left. */
  readonly at: number;
  readonly resets: number;
  readonly firstSeqs: readonly number[];
}

interface How {
  readonly mayLose: boolean;
  /** Whether records that were never acknowledged may not be there. */
  readonly acknowledgedAlone: boolean;
  /** Whether the last records may be missing. */
  readonly isPart?: boolean;
}

function name(payload: string): string {
  return JSON.stringify(payload.slice(0, payload.indexOf(":") + 1));
}
