/**
 * One simulated history of the HTTP server, decided by a seed: two servers over one directory, clients
 * that make, append to, read and delete streams through either, time that passes, errors of the disk,
 * and crashes at any operation.
 *
 * Where the promises of docs/server.md are checked: an answered append is there, once and in order, and
 * what was served stays served: `StreamLife.served`; where producers, Stream-Seq and a close stand, after
 * whatever crashed: `StreamLife.allowed`; a stream that is used does not vanish and one whose time is over
 * is gone, its name free: `#isAbsent`, `#mayBeThere`, `#lastLook`; one owner of the directory, one writer of
 * a log, and whoever is left takes over: `#isLocked`, `#isOwners`.
 */
import { header } from "../../src/server/http/protocol-headers.ts";
import { crashAfter, crashBefore, crashDuring, failWith } from "../../src/testing/fault-plan.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import { isExpectedCode, isRefusal, unexpected, verdictOf } from "./stream-answers.ts";
import { StreamDraws } from "./stream-draws.ts";
import { type Attempt, StreamLife, staleMs } from "./stream-life.ts";
import { type Reply, type Sent, StreamServer, longPollMs, servedDirectory } from "./stream-server.ts";
import { type StreamTally, emptyStreamTally } from "./stream-tally.ts";

/** Runs the history of a seed. @throws when a promise was broken */
export async function simulateStreams(seed: number | string): Promise<StreamTally> {
  return await new StreamHistory(seed).run();
}

/** What was known when a request was sent. */
interface Asked {
  readonly name: string;
  readonly server: StreamServer;
  readonly order: number;
  readonly at: number;
  readonly owner: number | undefined;
  /** Other servers that run, and whether one of them had requests under way. */
  readonly others: number;
  readonly wasBeside: boolean;
  /** The streams that may have had the name. */
  readonly lives: readonly StreamLife[];
}

const names = ["a", "b", "c"];
/** A server looks for streams whose time is over this often. */
const sweepMs = 10_000;
const hourMs = 3_600_000;

class StreamHistory {
  readonly #random: SeededRandom;
  readonly #disk: SimulatedDisk;
  readonly #draws: StreamDraws;
  readonly #tally = emptyStreamTally();
  readonly #slots: (StreamServer | undefined)[] = [undefined, undefined];
  /** The streams that may be there, by name; the last is the youngest. */
  readonly #lives = new Map<string, StreamLife[]>(names.map((name) => [name, []]));
  /** All there ever were. */
  readonly #all: StreamLife[] = [];
  /** What each server was sent: requests that have no answer yet, and when the last one was sent. */
  readonly #sent: { readonly server: StreamServer; underWay: number; last: number }[] = [];
  readonly #polls = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #order = 0;
  #owner: number | undefined;
  #hadErrors = false;

  constructor(seed: number | string) {
    this.#random = new SeededRandom(seed).fork("streams");
    this.#disk = new SimulatedDisk({ seed, keepLog: false, hasDsync: this.#random.chance(0.8) });
    this.#draws = new StreamDraws(this.#random, () => ++this.#order);
  }

  async run(): Promise<StreamTally> {
    await this.#disk.runUntil(this.#live());
    return this.#tally;
  }

  async #live(): Promise<void> {
    for (let steps = 30 + this.#random.int(60); steps > 0; steps--) {
      await this.#step();
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#bury();
    }
    this.#powerCut();
    await Promise.all(this.#polls);
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#lastLook();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const slot = random.int(2);
    const server = this.#slots[slot];
    const what = random.next();
    if (server === undefined) {
      // Often one is alone.
      if (slot === 0 || this.#slots[0] === undefined || random.chance(0.3)) this.#start(slot);
    } else if (what < 0.06) await this.#end(slot, server);
    else if (what < 0.12) this.#plan(server);
    else if (what < 0.3) await this.#pause();
    else if (what < 0.36) await Promise.all([this.#request(server), ...this.#moreRequests()]);
    else await this.#request(server);
  }

  *#moreRequests(): Generator<Promise<void>> {
    for (let i = 1 + this.#random.int(4); i > 0; i--) {
      const server = this.#random.pick(this.#slots);
      if (server?.machine.running === true) yield this.#request(server);
    }
  }

  #start(slot: number): void {
    const machine = this.#disk.boot();
    const hasErrors = this.#random.chance(0.1);
    this.#hadErrors ||= hasErrors;
    if (hasErrors)
      machine.faults.at(this.#random.int(20), this.#random.pick([crashBefore, crashAfter, failWith("EIO")]));
    try {
      const server = new StreamServer(machine);
      server.hasErrors = hasErrors;
      this.#slots[slot] = server;
      this.#noteOwner();
    } catch (error) {
      this.#disk.kill(machine);
      this.#tally.crashes++;
      if (!hasErrors) throw error;
    }
  }

  /** Something will happen to its disk, or to itself. */
  #plan(server: StreamServer): void {
    const random = this.#random;
    const fault = random.pick([
      crashBefore,
      crashAfter,
      crashAfter,
      crashAfter,
      crashDuring(random.int(200)),
      failWith("EIO", random.int(100)),
      failWith("ENOSPC", random.int(100)),
    ]);
    server.machine.faults.at(server.machine.operations + random.int(random.pick([10, 60])), fault);
    if (fault.kind !== "crash") server.hasErrors = true;
    this.#hadErrors ||= server.hasErrors;
  }

  async #end(slot: number, server: StreamServer): Promise<void> {
    if (this.#random.chance(0.35)) this.#powerCut();
    else if (this.#random.chance(0.5)) this.#kill(slot, server);
    else {
      await server.close();
      this.#kill(slot, server);
    }
  }

  #kill(slot: number, { machine }: StreamServer): void {
    if (!machine.running || machine.openFiles > 0) this.#tally.crashes++;
    this.#disk.kill(machine);
    this.#slots[slot] = undefined;
  }

  #powerCut(): void {
    this.#tally.crashes++;
    this.#disk.crash();
    this.#slots.fill(undefined);
  }

  /** Frees what those held that ended by themselves. */
  #bury(): void {
    for (const [slot, server] of this.#slots.entries()) {
      if (server === undefined || server.machine.running) continue;
      if (this.#random.chance(0.5)) this.#kill(slot, server);
      else this.#powerCut();
    }
  }

  async #pause(): Promise<void> {
    const longest = this.#random.pick([20, 300, 1000, 2000, 5000, 12_000, 50_000]);
    const ms = 1 + this.#random.int(longest);
    await new Promise<void>((resolve) => this.#disk.clock.after(ms, resolve));
  }

  get #now(): number {
    return this.#disk.clock.now();
  }

  /** The process whose lock the directory has; undefined where its text does not say. */
  #ownerNow(): number | undefined {
    const text = Buffer.from(this.#disk.readFile(`${servedDirectory}/__ds/LOCK`) ?? []).toString();
    const pid = Number(/"pid":(\d+)/.exec(text)?.[1]);
    return this.#slots.some((server) => server?.pid === pid && server.machine.running) ? pid : undefined;
  }

  #noteOwner(): void {
    const owner = this.#ownerNow();
    if (owner === undefined || owner === this.#owner) return;
    if (this.#owner !== undefined) this.#tally.takeovers++;
    this.#owner = owner;
  }

  async #request(server: StreamServer): Promise<void> {
    const random = this.#random;
    const name = random.pick(names);
    const life = this.#lives.get(name)?.at(-1);
    const what = random.next();
    try {
      if (life === undefined ? what < 0.7 : what < 0.05) await this.#create(server, name);
      else if (what < 0.55) await this.#append(server, name, this.#draws.append(life));
      else if (what < 0.65 && life !== undefined) await this.#appendAll(server, name, life);
      else if (what < 0.85) await this.#read(server, name);
      else if (what < 0.9) await this.#head(server, name);
      else if (what < 0.94 && life !== undefined) this.#poll(server, name, life);
      else if (what < 0.97) await this.#delete(server, name);
      else await this.#create(server, name);
    } catch (error) {
      throw new Error(`${this.#now}, process ${server.pid}: ${(error as Error).message}`, { cause: error });
    }
  }

  #asked(server: StreamServer, name: string): Asked {
    const others = this.#slots.filter((other) => other !== undefined && other !== server).length;
    const lives = [...(this.#lives.get(name) as StreamLife[])];
    const wasBeside = this.#sent.some((sent) => sent.server !== server && sent.underWay > 0);
    return { name, server, order: ++this.#order, at: this.#now, owner: this.#ownerNow(), others, wasBeside, lives };
  }

  async #send({ server, name }: Asked, method: string, sent?: Sent): Promise<Reply | undefined> {
    const book = this.#sent.find((each) => each.server === server) ?? { server, underWay: 0, last: 0 };
    if (book.last === 0) this.#sent.push(book);
    book.underWay++;
    book.last = ++this.#order;
    const reply = await server.send(method, name, sent);
    book.underWay--;
    return reply;
  }

  /**
   * Since when what was acknowledged must be seen. While another server recovers a log that a crash left,
   * this one shows as much of it as is proven.
   */
  #seenSince({ server, order, wasBeside }: Asked): number {
    const isBeside = wasBeside || this.#sent.some((sent) => sent.server !== server && sent.last > order);
    return isBeside ? 0 : order;
  }

  /** Undefined: no answer, or none that says anything. */
  #usable(asked: Asked, reply: Reply | undefined): Reply | undefined {
    this.#noteOwner();
    if (reply === undefined) {
      this.#tally.unanswered++;
      return undefined;
    }
    const { status, code } = reply;
    if (status === 423) this.#isLocked(asked);
    if (status < 500 || code === "BUSY") return reply;
    const isClosing = code === "CLOSING" || code === "SEQLOG_CLOSED";
    if (code === "INTERNAL" || (!asked.server.hasErrors && !isClosing)) throw unexpected("an error", reply);
    if (!isExpectedCode(code)) throw unexpected("an error", reply);
    return undefined;
  }

  /** Nobody but a server that runs holds anything. */
  #isLocked({ others }: Asked): void {
    this.#tally.locked++;
    if (others === 0) throw new Error("locked, and no other server runs");
  }

  /** What the owner of the directory alone may do. */
  #isOwners({ server, owner }: Asked, what: string): void {
    const now = this.#ownerNow();
    if (now !== undefined && owner === now && now !== server.pid) {
      throw new Error(`${what}, while the directory is process ${now}'s`);
    }
  }

  /** Whether the server was the owner all the time, and so knows all there is to know. */
  #isOwner({ server, owner }: Asked): boolean {
    return owner === server.pid && this.#ownerNow() === server.pid;
  }

  async #create(server: StreamServer, name: string): Promise<void> {
    const random = this.#random;
    const asked = this.#asked(server, name);
    const lifetime = this.#draws.lifetime(this.#now);
    const life = new StreamLife(name, lifetime, { at: asked.at, pid: server.pid });
    const close = random.chance(0.05);
    // Its first record tells a stream from others that had its name.
    const first = this.#draws.attempt({ close });
    life.add(first);
    (this.#lives.get(name) as StreamLife[]).push(life);
    this.#all.push(life);
    const headers = {
      ...(lifetime.ttlMs === undefined ? {} : { [header.ttl]: String(lifetime.ttlMs / 1000) }),
      ...(lifetime.expiresAtMs === undefined
        ? {}
        : { [header.expiresAt]: new Date(lifetime.expiresAtMs).toISOString() }),
      ...(close ? { [header.closed]: "true" } : {}),
    };
    const reply = this.#usable(
      asked,
      await this.#send(asked, "PUT", { headers, body: JSON.stringify(first.messages) }),
    );
    first.end = ++this.#order;
    if (reply === undefined) return;
    if (reply.status === 201) {
      this.#isOwners(asked, "a stream was made");
      this.#isAbsent(asked);
      // What had the name has it no more; of two that were made at the same time nobody knows which was first.
      for (const other of asked.lives) if (isOlder(other, asked)) this.#gone(other);
      first.acknowledged = this.#order;
      life.certainSince ??= { at: this.#now, order: this.#order };
      if (this.#all.some((other) => other !== life && other.name === name)) this.#tally.reused++;
      return;
    }
    this.#forget(life);
    if (reply.status === 423) return;
    if (reply.code === "DELETED_WITH_FORKS") return this.#isBetweenDeletions(asked);
    if (reply.status !== 200 && reply.code !== "EXISTS") throw unexpected("PUT", reply);
    this.#mayBeThere(asked, this.#candidates(asked));
    const [only] = asked.lives;
    if (asked.lives.length > 1 || only === undefined || only.attempts.some((each) => each.close)) return;
    const isSame = only.lifetime.ttlMs === lifetime.ttlMs && only.lifetime.expiresAtMs === lifetime.expiresAtMs;
    if ((isSame && !close) !== (reply.status === 200)) throw unexpected("PUT of a stream that is there", reply);
  }

  /** As a producer does that does not wait for answers, and sends some again before it has them. */
  async #appendAll(server: StreamServer, name: string, life: StreamLife): Promise<void> {
    const { epoch, seq } = life.standing("p") ?? { epoch: 0, seq: -1 };
    const count = 2 + this.#random.int(4);
    const attempts = Array.from({ length: count }, (_, i) =>
      this.#draws.attempt({ producer: { id: "p", epoch, seq: seq + 1 + i } }),
    );
    const sent = attempts.flatMap((attempt) => (this.#random.chance(0.3) ? [attempt, attempt] : [attempt]));
    await Promise.all(sent.map((attempt) => this.#append(server, name, attempt)));
  }

  async #append(server: StreamServer, name: string, attempt: Attempt): Promise<void> {
    const asked = this.#asked(server, name);
    const isNew = attempt.isRefused || !asked.lives.some(({ attempts }) => attempts.includes(attempt));
    for (const life of asked.lives) if (!life.attempts.includes(attempt)) life.add(attempt);
    if (isNew) attempt.start = asked.order;
    attempt.isRefused = false;
    attempt.end = Infinity;
    attempt.underWay++;
    // Sent twice at the same time, either may be the one that is appended.
    if (attempt.underWay > 1) attempt.isShared = true;
    const { producer, streamSeq, close, messages } = attempt;
    const headers = {
      ...(producer === undefined
        ? {}
        : {
            [header.producerId]: producer.id,
            [header.producerEpoch]: String(producer.epoch),
            [header.producerSeq]: String(producer.seq),
          }),
      ...(streamSeq === undefined ? {} : { [header.seq]: streamSeq }),
      ...(close ? { [header.closed]: "true" } : {}),
    };
    const body = messages.length === 0 ? "" : JSON.stringify(messages);
    const reply = await this.#send(asked, "POST", { headers, body });
    attempt.underWay--;
    if (attempt.underWay === 0) attempt.end = ++this.#order;
    const isFirstTime = isNew && !attempt.isShared;
    this.#mayBeKept(asked, reply);
    const isWithout = reply !== undefined && (isRefusal(reply) || reply.status === 404 || reply.status === 410);
    if (isFirstTime && isWithout) attempt.isRefused = true;
    const usable = this.#usable(asked, reply);
    if (usable === undefined || usable.status === 423) return;
    if (usable.status === 404) return this.#isAbsent(asked);
    if (usable.code === "DELETED_WITH_FORKS") return this.#isBetweenDeletions(asked);
    const verdict = verdictOf(usable, producer);
    const lives = this.#mayBeThere(asked, this.#candidates(asked));
    const allowed = new Set(lives.flatMap((life) => [...life.allowed(attempt, isFirstTime, asked.order)]));
    if (!allowed.has(verdict)) {
      throw new Error(`an append was answered: ${verdict}; may be: ${[...allowed].join("; ")}`);
    }
    this.#count(verdict);
    const isThere = verdict === "appended" || verdict.startsWith("duplicate");
    if (!isThere && isFirstTime) attempt.isRefused = true;
    const [life] = lives;
    if (lives.length !== 1 || life === undefined) return;
    this.#certain(life, asked);
    if (verdict === "appended") {
      attempt.acknowledged ??= ++this.#order;
      if (life.lifetime.ttlMs !== undefined) this.#isOwners(asked, "an append to a stream with a TTL");
    } else if (producer !== undefined && verdict.startsWith("duplicate")) {
      if (isFirstTime) attempt.isRefused = true;
      life.reached({ ...producer, seq: Number(usable.headers[header.producerSeq]) }, ++this.#order);
    }
  }

  #count(verdict: string): void {
    if (verdict === "appended") this.#tally.acknowledged++;
    else if (verdict.startsWith("duplicate")) this.#tally.duplicates++;
    else if (verdict.startsWith("gap")) this.#tally.gaps++;
    else if (verdict.startsWith("stale")) this.#tally.stale++;
    else if (verdict === "Stream-Seq") this.#tally.streamSeqs++;
    else if (verdict === "closed") this.#tally.closed++;
  }

  async #read(server: StreamServer, name: string): Promise<void> {
    let from = 0;
    let life: StreamLife | undefined;
    for (let query = ""; ;) {
      const asked = this.#asked(server, name);
      const raw = await this.#send(asked, "GET", { query });
      this.#mayBeKept(asked, raw);
      const reply = this.#usable(asked, raw);
      if (reply === undefined) return;
      if (reply.status === 404) return this.#isAbsent(asked);
      if (reply.code === "DELETED_WITH_FORKS") return this.#isBetweenDeletions(asked);
      // Between two pieces it may have become another stream.
      if (reply.code === "OFFSET_BEYOND" && life?.goneAt !== undefined) return;
      if (reply.status !== 200) throw unexpected("GET", reply);
      const messages = reply.body as number[];
      if (from === 0) life = this.#lifeOf(asked, messages);
      else if (life?.goneAt !== undefined) return;
      from = this.#served(asked, life as StreamLife, from, reply);
      if (reply.headers[header.upToDate] === "true") return;
      query = `?offset=${reply.headers[header.nextOffset]}`;
    }
  }

  /** Which stream it is that has the name, by the message that it begins with. */
  #lifeOf(asked: Asked, messages: readonly number[]): StreamLife {
    const life = this.#all.find(({ attempts }) => attempts[0]?.messages[0] === messages[0]);
    if (life === undefined) throw new Error(`a stream begins with ${String(messages[0])}, as none that was made`);
    if (life.name !== asked.name) throw new Error(`${asked.name} is the stream that was made as ${life.name}`);
    this.#mayBeThere(asked, [life]);
    this.#certain(life, asked);
    return life;
  }

  #served(asked: Asked, life: StreamLife, from: number, { headers, body }: Reply): number {
    const next = Number(headers[header.nextOffset]?.slice(0, 16));
    const isEnd = headers[header.upToDate] === "true";
    const isClosed = headers[header.closed] === "true";
    const before = life.records.length;
    life.served(from, (body ?? []) as number[], { isEnd, isClosed, asked: this.#seenSince(asked), now: ++this.#order });
    this.#tally.served += next - from;
    if (life.records.length !== Math.max(before, next)) {
      throw new Error(`${next} is given as the next offset; there were ${life.records.length} records`);
    }
    return next;
  }

  async #head(server: StreamServer, name: string): Promise<void> {
    const asked = this.#asked(server, name);
    const reply = this.#usable(asked, await this.#send(asked, "HEAD"));
    if (reply === undefined) return;
    if (reply.status === 404) return this.#isAbsent(asked);
    if (reply.code === "DELETED_WITH_FORKS") return this.#isBetweenDeletions(asked);
    const [life, ...more] = this.#mayBeThere(asked, this.#candidates(asked));
    if (life === undefined || more.length > 0) return;
    life.hasRecords(Number(reply.headers[header.nextOffset]?.slice(0, 16)), this.#seenSince(asked));
  }

  /** A client that waits for more, while all else goes on. Whoever waits keeps the stream alive. */
  #poll(server: StreamServer, name: string, life: StreamLife): void {
    const from = life.records.length;
    // From the start it may not have come so far, or have been another stream.
    if (from === 0 || life.goneAt !== undefined) return;
    const asked = this.#asked(server, name);
    life.followers++;
    const poll = (async (): Promise<void> => {
      const offset = `${String(from).padStart(16, "0")}_${"0".repeat(16)}`;
      const raw = await this.#send(asked, "GET", { query: `?offset=${offset}&live=long-poll` });
      this.#mayBeKept(asked, raw, this.#now);
      life.followers--;
      const reply = this.#usable(asked, raw);
      // What it was asked of may have gone meanwhile, and another have come.
      if (reply === undefined || reply.status === 404 || life.goneAt !== undefined || life.deletions > 0) return;
      if (this.#lives.get(name)?.at(-1) !== life || asked.lives.length > 1) return;
      if (reply.code === "DELETED_WITH_FORKS") return this.#isBetweenDeletions(asked);
      // It is being recovered.
      if (reply.code === "BUSY" && this.#seenSince(asked) === 0) return;
      if (reply.status >= 400) throw unexpected("a long poll", reply);
      if (this.#now > asked.at + longPollMs) throw new Error(`a long poll took ${this.#now - asked.at} ms`);
      this.#mayBeThere(asked, [life]);
      this.#served(asked, life, from, reply);
    })();
    const settled: Promise<void> = poll
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#polls.delete(settled));
    this.#polls.add(settled);
  }

  async #delete(server: StreamServer, name: string): Promise<void> {
    const asked = this.#asked(server, name);
    for (const life of asked.lives) life.deletions++;
    const reply = this.#usable(asked, await this.#send(asked, "DELETE"));
    if (reply === undefined) return;
    for (const life of asked.lives) life.deletions--;
    if (reply.status === 423) return;
    if (reply.status === 404) return this.#isAbsent(asked);
    if (reply.code === "DELETED_WITH_FORKS") return this.#isBetweenDeletions(asked);
    if (reply.status !== 204) throw unexpected("DELETE", reply);
    this.#isOwners(asked, "a stream was deleted");
    this.#mayBeThere(asked, this.#candidates(asked));
    for (const life of asked.lives) {
      if (isOlder(life, asked)) this.#gone(life);
      else life.deletions++;
    }
  }

  /** A request that is a use, and for whom; of most it is known that it was one. */
  #mayBeKept(asked: Asked, reply: Reply | undefined, since: number = asked.at): void {
    const { server, at } = asked;
    const touch = { at: this.#now, pid: server.pid };
    const mayBeOwner = [asked.owner, this.#ownerNow()].some((pid) => pid === undefined || pid === server.pid);
    for (const life of asked.lives) {
      if (life.lifetime.ttlMs === undefined || reply?.status === 404) continue;
      if (!life.mayLive(at, server.pid, false)) continue;
      life.mayBeKept(touch, mayBeOwner);
      const isUse = reply !== undefined && reply.status < 300 && asked.lives.length === 1;
      if (isUse && this.#isOwner(asked)) life.kept(since);
    }
  }

  /** It is not there, says a server: so it must be possible. */
  #isAbsent(asked: Asked): void {
    const { at, lives, order } = asked;
    const isOwner = this.#isOwner(asked);
    for (const life of lives) {
      const isCertain = (life.certainSince?.order ?? Infinity) < order;
      if (isCertain && life.mustLive(this.#now, isOwner ? at : at - staleMs)) {
        throw new Error(`${life.name} is said to be gone, and must be there: ${JSON.stringify(life.lifetime)}`);
      }
      if (!isOwner || life.goneAt !== undefined || !isOlder(life, asked)) continue;
      // What was not made, or was deleted, is so for good; what has run out may be back after a crash.
      const hasRunOut = this.#slots.every((each) => each === undefined || !life.mayLive(this.#now, each.pid, false));
      if (hasRunOut && isCertain && life.deletions === 0) this.#tally.expired++;
      if (hasRunOut || life.deletions > 0 || life.wasNeverMade(this.#now)) this.#gone(life);
    }
  }

  /** One of them is there, says a server: those that may be. */
  #mayBeThere(asked: Asked, lives: readonly StreamLife[]): StreamLife[] {
    const { server, at } = asked;
    const isOwner = this.#isOwner(asked);
    const possible = lives.filter((life) => {
      if (life.goneAt !== undefined && !asked.lives.includes(life) && !this.#isStale(life, asked)) return false;
      return life.mayLive(at, server.pid, isOwner && !server.hasErrors);
    });
    if (possible.length === 0) {
      const all = lives.map(({ lifetime, goneAt }) => JSON.stringify({ ...lifetime, goneAt }));
      throw new Error(`${asked.name} is said to be there, and must have gone: ${all.join(", ")}`);
    }
    const [only] = possible;
    const { ttlMs } = only?.lifetime ?? {};
    if (ttlMs !== undefined && at > (only?.certainSince?.at ?? Infinity) + ttlMs) this.#tally.kept++;
    return possible;
  }

  /** The streams that may have had the name for the server that was asked. */
  #candidates(asked: Asked): StreamLife[] {
    const stale = this.#all.filter((life) => this.#isStale(life, asked) && !asked.lives.includes(life));
    return [...stale, ...asked.lives];
  }

  /** Whether a stream has gone, and a server that is not the owner may not have seen that yet. */
  #isStale({ name, goneAt = -Infinity }: StreamLife, asked: Asked): boolean {
    return !this.#isOwner(asked) && name === asked.name && asked.at - goneAt <= staleMs;
  }

  /** Where a stream could not be read, a deleted one is kept, since that might be a fork of it, until an owner can read all. */
  #isBetweenDeletions(asked: Asked): void {
    const mayBeMarked = !this.#isOwner(asked) || asked.server.hasErrors;
    if (!mayBeMarked || !this.#hadErrors) throw new Error("deleted, with forks: there are no forks");
  }

  #certain(life: StreamLife, asked: Asked): void {
    life.certainSince ??= { at: this.#now, order: ++this.#order };
    const [first] = life.attempts;
    if (first !== undefined) first.acknowledged ??= ++this.#order;
    if (!this.#isOwner(asked) || life.goneAt !== undefined || !asked.lives.includes(life)) return;
    // The name is this one's alone: those before it have gone, those after it were never made.
    for (const other of asked.lives) {
      if (other !== life && isOlder(other, asked)) this.#gone(other);
    }
  }

  #gone(life: StreamLife): void {
    life.goneAt ??= this.#now;
    this.#forget(life);
  }

  #forget(life: StreamLife): void {
    const lives = this.#lives.get(life.name) as StreamLife[];
    const at = lives.indexOf(life);
    if (at >= 0) lives.splice(at, 1);
  }

  /** On a disk without faults: all is as it must be, producers are answered, every stream that has a time ends, and its name is free. */
  async #lastLook(): Promise<void> {
    const server = new StreamServer(this.#disk.boot());
    this.#slots[0] = server;
    this.#noteOwner();
    for (const name of names) {
      await this.#read(server, name);
      const life = this.#lives.get(name)?.at(-1);
      for (const attempt of life?.attempts.filter(({ producer }) => producer !== undefined) ?? []) {
        await this.#append(server, name, attempt);
      }
      await this.#read(server, name);
    }
    await new Promise<void>((resolve) => this.#disk.clock.after(hourMs, resolve));
    await new Promise<void>((resolve) => this.#disk.clock.after(sweepMs, resolve));
    const left: string[] = [];
    for (const name of names) {
      await this.#read(server, name);
      if (this.#lives.get(name)?.length === 0) await this.#create(server, name);
      for (const _ of this.#lives.get(name) ?? []) left.push(name);
    }
    await server.close();
    const directory = `${servedDirectory}/__ds/streams`;
    const directories = server.machine.storage.statSync(directory) === undefined ? [] : this.#disk.list(directory);
    if (directories.length !== left.length) {
      throw new Error(`${directories.length} directories are left of streams ${left.join(", ")}`);
    }
    if (server.machine.openFiles > 0) throw new Error(`${server.machine.openFiles} files are open after the close`);
  }
}

/** Whether a stream had been made, or not, before a request was sent. */
function isOlder({ attempts }: StreamLife, { order }: Asked): boolean {
  return (attempts[0]?.end ?? Infinity) < order;
}
