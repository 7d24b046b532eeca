/**
 * What the writer of a history of consumers does with its log, and what is checked of it: right
 * records (`Model`), and that retention and trims take only what may go (`firstSeqMoved`).
 */
import { SeqlogError } from "../../src/errors.ts";
import type { Found } from "./model.ts";
import { isExpected } from "./simulate.ts";
import type { Text } from "./consumer-process.ts";
import type { ConsumerWorld } from "./consumer-world.ts";

/** Records as retention sees them. */
interface Kept {
  readonly bytes: number;
  readonly timeMs: number | undefined;
}

/** Appends, trims, resets, and checks. */
export class ConsumedLogWork {
  readonly #world: ConsumerWorld;
  #count = 0;
  /** Of this generation. */
  #kept: (Kept | undefined)[] = [];
  #trimmedTo = 0;
  #inFlight = 0;

  constructor(world: ConsumerWorld) {
    this.#world = world;
  }

  async check(log: Text): Promise<void> {
    const records: Found[] = [];
    this.#kept = [];
    for await (const { seq, data, id, segment, offset, time } of log.read()) {
      records.push({ seq, payload: data, id, segment, offset });
      this.#kept[seq] = { bytes: 32 + Buffer.byteLength(data), timeMs: time.getTime() };
    }
    const { generation, firstSeq, nextSeq } = log;
    const mayLose = this.#world.isPowerCut && this.#world.isWeak;
    const how = { isPowerCut: this.#world.isPowerCut, isWeak: this.#world.isWeak, mayRefuse: this.#world.mayRefuse };
    this.#world.model.recovered(generation, firstSeq, records, how);
    for (const { eras } of this.#world.books)
      for (const era of eras) if (mayLose && era.generation === generation) era.lost(nextSeq);
    this.#world.isPowerCut = false;
    this.#world.mayRefuse = false;
    this.#world.firstSeq = firstSeq;
    this.#trimmedTo = firstSeq;
    this.#inFlight = 0;
    this.#isAllProtected(log);
    this.#mayTrim();
  }

  /** From here on any first seq may be found after a crash: which segments go only the log knows. */
  #mayTrim(): void {
    this.#world.model.trimming(this.#world.model.firstSeq, this.#world.model.nextSeq + 400);
  }

  jump(log: Text): void {
    this.firstSeqMoved(log);
    const ms = this.#world.random.int(2000) - 1000;
    this.#world.disk.clock.jump(ms);
    this.#world.jumpedMs += ms;
  }

  #payload(): string {
    const text = `${this.#count++}:`;
    return text + "x".repeat(this.#world.random.int(this.#world.random.pick([10, 100, 500])));
  }

  async append(log: Text): Promise<void> {
    const payload = this.#payload();
    this.#world.model.submitted([payload]);
    this.#inFlight++;
    try {
      const { seq, id, segment, offset, time } = await log.append(payload);
      this.#world.model.acknowledged(seq, { payload, id, segment, offset }, !this.#world.isWeak);
      this.#kept[seq] = { bytes: 32 + payload.length, timeMs: time?.getTime() };
      this.#world.tally.acknowledged++;
    } catch (error) {
      this.#refused(error, [payload]);
    }
    this.#inFlight--;
    this.firstSeqMoved(log);
  }

  async appendBatch(log: Text): Promise<void> {
    const payloads = Array.from({ length: this.#world.random.int(6) + 1 }, () => this.#payload());
    this.#world.model.submitted(payloads);
    this.#inFlight++;
    try {
      const { first } = await log.appendBatch(payloads);
      for (const [i, payload] of payloads.entries()) {
        this.#world.model.acknowledged(first + i, { payload }, !this.#world.isWeak);
        this.#kept[first + i] = { bytes: 32 + payload.length, timeMs: undefined };
        this.#world.tally.acknowledged++;
      }
    } catch (error) {
      this.#refused(error, payloads);
    }
    this.#inFlight--;
    this.firstSeqMoved(log);
  }

  #refused(error: unknown, payloads: readonly string[]): void {
    if (this.#world.writerMachine?.running !== true) return;
    if (SeqlogError.is(error, "SEQLOG_NO_SPACE")) return this.#world.model.undone(payloads);
    if (!isExpected(error)) throw error;
  }

  async trim(log: Text): Promise<void> {
    try {
      this.firstSeqMoved(log);
      if (
        this.#world.random.chance(0.5) &&
        Object.keys(this.#world.retention ?? {}).some((name) => name !== "protect")
      ) {
        await log.trim();
      } else {
        const before = log.firstSeq + this.#world.random.int(log.nextSeq - log.firstSeq + 1);
        this.#trimmedTo = Math.max(this.#trimmedTo, before);
        const { heldBack } = await log.trim({ before });
        if (heldBack !== undefined && heldBack.records > 0) {
          this.#world.tally.heldBack++;
          if (!this.#world.isProtecting) throw new Error("records are held back, and nobody asked for it");
        }
      }
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
  }

  async reset(log: Text, inFlight: Promise<void>[]): Promise<void> {
    await Promise.all(inFlight.splice(0));
    this.firstSeqMoved(log);
    this.#world.model.resetting();
    try {
      await log.reset();
    } catch (error) {
      if (!isExpected(error)) throw error;
      return;
    }
    if (this.#world.writerMachine?.running !== true) return;
    this.#world.model.wasReset();
    this.#kept = [];
    this.#world.firstSeq = 0;
    this.#trimmedTo = 0;
    this.#mayTrim();
  }

  /** Only what may go has gone. */
  firstSeqMoved(log: Text): void {
    const { firstSeq, nextSeq } = log;
    if (this.#world.writerMachine?.running !== true || log.generation !== this.#world.model.generation) return;
    if (firstSeq <= this.#world.firstSeq) return;
    this.#world.tally.removed += firstSeq - this.#world.firstSeq;
    this.#world.firstSeq = firstSeq;
    this.#isAllProtected(log);
    if (firstSeq <= this.#trimmedTo || this.#inFlight > 0) return;
    const { maxRecords = Infinity, maxBytes = Infinity, maxAgeMs = Infinity } = this.#world.retention ?? {};
    const left = Array.from({ length: nextSeq - firstSeq }, (_, i) => this.#kept[firstSeq + i]);
    // A batch that failed in its later part has left records that nobody was told of: their length is not known.
    const bytes = left.reduce((sum, kept) => sum + (kept?.bytes ?? Infinity), 0);
    const lastMs = this.#kept[firstSeq - 1]?.timeMs ?? -Infinity;
    const isOld = this.#world.disk.clock.now() - lastMs > maxAgeMs;
    if (nextSeq - firstSeq < maxRecords && bytes < maxBytes && !isOld)
      throw new Error(`the log begins at ${firstSeq} and ends before ${nextSeq}: what its retention keeps has gone`);
  }

  /** No consumer needs what is gone. */
  #isAllProtected(log: Text): void {
    if (!this.#world.isProtecting) return;
    for (const { name, eras, mayBeNone } of this.#world.books) {
      const [era] = eras;
      if (eras.length !== 1 || mayBeNone || era?.generation !== log.generation || !era.isProtected) continue;
      if (era.ceiling < log.firstSeq)
        throw new Error(`the log begins at ${log.firstSeq}, and ${name} stands at ${era.ceiling} at most`);
    }
  }
}
