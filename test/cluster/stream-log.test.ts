/** What a log on JetStream does beyond the contract's suite: promises, consumers, other programs, interrupted resets. */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, connect, headers } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import {
  type Checkpoint,
  type Log,
  type NatsOpenOptions,
  SeqlogError,
  openLog,
  readDeadLetter,
  text,
} from "../../src/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

let cluster: NatsCluster;
let connection: NatsConnection;
let manager: JetStreamManager;

beforeAll(async () => {
  if (natsServer.missing !== undefined) return;
  cluster = await NatsCluster.start({ servers: 1 });
  connection = await connect({ servers: cluster.addresses });
  manager = await jetstreamManager(connection, { timeout: 60_000 });
});

afterAll(async () => {
  await connection?.close();
  await cluster?.stop();
});

let names = 0;

/** A stream of its own for each test. */
function newName(): string {
  return `log-${++names}`;
}

function open(name: string, nats: NatsOpenOptions = {}): Promise<Log<string>> {
  return openLog(`${cluster.url}/${name}`, { codec: text(), nats });
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function textsOf(log: Log<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const { data } of log.read()) found.push(data);
  return found;
}

describe("opening", () => {
  test(
    "one replica is a warning, and an error with requireDurable, unless the operator gives his word",
    onlyWith([natsServer], async () => {
      const name = newName();
      const warnings: Error[] = [];
      const hear = (warning: Error): number => warnings.push(warning);
      process.on("warning", hear);
      const log = await open(name);
      expect(log.supports.durability).toBe("os");
      await log.close();
      await (await open(name)).close();
      await new Promise((resolve) => setImmediate(resolve));
      process.off("warning", hear);
      const ours = warnings.filter(({ message }) => message.includes(`/${name}:`));
      expect(ours).toMatchObject([{ name: "SeqlogWarning", code: "SEQLOG_NOT_DURABLE" }]);
      const error = await refusal(open(name, { requireDurable: true }));
      expect(SeqlogError.is(error, "SEQLOG_UNSUPPORTED")).toBe(true);
      expect(error).toMatchObject({ message: expect.stringContaining("requireDurable") as string });
      const durable = await open(name, { requireDurable: true, syncAlways: true });
      expect(durable.supports.durability).toBe("disk");
      await durable.close();
    }),
  );

  test(
    "a keyWindow beyond the stream's duplicate window is an error, a shorter one is not",
    onlyWith([natsServer], async () => {
      const name = newName();
      await (await open(name, { keyWindow: { ms: 5000 } })).close();
      const info = await manager.streams.info(name);
      expect(info.config.duplicate_window).toBe(5e9);
      const error = await refusal(open(name, { keyWindow: { ms: 5001 } }));
      expect(error).toMatchObject({ code: "SEQLOG_UNSUPPORTED", message: expect.stringContaining("5001") as string });
      await (await open(name, { keyWindow: { ms: 4000 } })).close();
    }),
  );

  test(
    "more replicas than the stream has is an error",
    onlyWith([natsServer], async () => {
      const name = newName();
      await (await open(name)).close();
      const error = await refusal(open(name, { replicas: 3 }));
      expect(error).toMatchObject({
        code: "SEQLOG_UNSUPPORTED",
        message: expect.stringContaining("1 replicas") as string,
      });
    }),
  );

  test(
    "a stream that is no log, no stream, no server, another codec: each says so",
    onlyWith([natsServer], async () => {
      const name = newName();
      await manager.streams.add({ name, subjects: [name] });
      expect(await refusal(open(name))).toMatchObject({ code: "SEQLOG_UNSUPPORTED" });
      expect(await refusal(open(newName(), { readOnly: true }))).toMatchObject({ code: "SEQLOG_NOT_FOUND" });
      expect(await refusal(open(newName(), { create: false }))).toMatchObject({ code: "SEQLOG_NOT_FOUND" });
      expect(await refusal(openLog("nats://127.0.0.1:1/events"))).toMatchObject({ code: "SEQLOG_IO" });
      const other = newName();
      await (await open(other)).close();
      const codec = { ...text(), name: "other" };
      expect(await refusal(openLog(`${cluster.url}/${other}`, { codec }))).toBeInstanceOf(TypeError);
    }),
  );
});

describe("records", () => {
  test(
    "that somebody else published are damage, and those around them are read",
    onlyWith([natsServer], async () => {
      const name = newName();
      const log = await open(name);
      await log.append("first");
      const js = manager.jetstream();
      await js.publish(name, "of nobody");
      const wrong = headers();
      wrong.set("Seqlog-Id", "01890a5d-ac96-774b-8cce-b302099a8057");
      wrong.set("Seqlog-Crc", "00000000");
      await js.publish(name, "torn", { headers: wrong });
      const { seq } = await log.append("last");
      expect(seq).toBe(3);
      for (const damaged of [1, 2]) {
        const error = await refusal(log.get(damaged));
        expect(error).toMatchObject({ code: "SEQLOG_DAMAGED", facts: { seq: damaged, file: log.location } });
      }
      const found: string[] = [];
      const reading = (async () => {
        for await (const { data } of log.read()) found.push(data);
      })();
      expect(await refusal(reading)).toMatchObject({ code: "SEQLOG_DAMAGED", facts: { seq: 1 } });
      expect(found).toEqual(["first"]);
      expect((await log.get(3))?.data).toBe("last");
      await log.close();
    }),
  );

  test(
    "that somebody else published, or deleted, at the end keep nobody from writing behind them",
    onlyWith([natsServer], async () => {
      const name = newName();
      const log = await open(name);
      await log.append("first");
      await manager.jetstream().publish(name, "of nobody");
      await log.close();
      const behind = await open(name);
      const { seq, id } = await behind.append("behind it");
      expect(seq).toBe(2);
      await manager.streams.deleteMessage(name, seq + 1, true);
      await behind.close();
      const again = await open(name);
      const next = await again.append("and behind a hole");
      expect(next.seq).toBe(3);
      expect(next.id > id).toBe(true);
      expect((await again.get(3))?.data).toBe("and behind a hole");
      await again.close();
    }),
  );

  test(
    "that somebody deleted are passed over, many at once, and the log is not dense from then on",
    onlyWith([natsServer], async () => {
      const name = newName();
      const log = await open(name);
      const appended = await log.appendBatch(Array.from({ length: 300 }, (_, i) => `${i}`));
      expect([appended.last, log.supports.dense]).toEqual([299, true]);
      const times = new Map<number, Date>();
      for await (const { seq, time } of log.read()) if (time !== undefined) times.set(seq, time);
      for (const seq of [0, ...Array.from({ length: 200 }, (_, i) => 50 + i), 299]) {
        await manager.streams.deleteMessage(name, seq + 1, true);
      }
      const left = Array.from({ length: 300 }, (_, i) => i).filter(
        (seq) => seq !== 0 && !(seq >= 50 && seq < 250) && seq !== 299,
      );
      expect((await textsOf(log)).map(Number)).toEqual(left);
      expect(log.supports.dense).toBe(false);
      const backward: number[] = [];
      for await (const { seq } of log.read({ reverse: true })) backward.push(seq);
      expect(backward).toEqual(left.toReversed());
      expect(await log.get(60)).toBeUndefined();
      expect(await refusal(log.get(0))).toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq: 1 } });
      // The first one at or after the time of one that went is one of those that are left, or the end.
      const found = await log.seqAt(times.get(249) as Date);
      expect(found).toBeLessThanOrEqual(250);
      expect(await log.seqAt(new Date(8e12))).toBeGreaterThan(left.at(-1) as number);
      await log.close();
    }),
  );

  test(
    "of two programs that append at the same time are all there once, each one's in its order",
    onlyWith([natsServer], async () => {
      const name = newName();
      const logs = await Promise.all([open(name), open(name)]);
      const count = 300;
      const seqs = await Promise.all(
        logs.map(async (log, who) => {
          const appends = Array.from({ length: count }, (_, i) => log.append(`${who} ${i}`));
          return (await Promise.all(appends)).map(({ seq }) => seq);
        }),
      );
      const texts = await textsOf(logs[0] as Log<string>);
      expect(texts).toHaveLength(2 * count);
      for (const who of [0, 1]) {
        const own = texts.filter((found) => found.startsWith(`${who} `));
        expect(own).toEqual(Array.from({ length: count }, (_, i) => `${who} ${i}`));
        expect(seqs[who]?.map((seq) => texts[seq])).toEqual(own);
      }
      for (const log of logs) await log.close();
    }),
  );

  test(
    "are read by many at a time without a warning of the process",
    onlyWith([natsServer], async () => {
      const warnings: Error[] = [];
      const hear = (warning: Error): number => warnings.push(warning);
      const log = await open(newName());
      await log.append("a");
      process.on("warning", hear);
      await Promise.all(Array.from({ length: 30 }, () => log.get(0)));
      await new Promise((resolve) => setImmediate(resolve));
      process.off("warning", hear);
      expect(warnings).toEqual([]);
      await log.close();
    }),
  );

  test(
    "with keys that another program has used are answered as duplicates, in the middle of others too",
    onlyWith([natsServer], async () => {
      const name = newName();
      const log = await open(name);
      const first = await Promise.all(Array.from({ length: 50 }, (_, i) => log.append(`${i}`, { key: `${i}` })));
      await log.close();
      const again = await open(name);
      const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => again.append(`${i}`, { key: `${i}` })));
      expect(answers.map(({ duplicate }) => duplicate)).toEqual(Array.from({ length: 100 }, (_, i) => i < 50));
      expect(answers.slice(0, 50).map(({ id }) => id)).toEqual(first.map(({ id }) => id));
      expect(await textsOf(again)).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
      await again.close();
    }),
  );
});

describe("a reset", () => {
  test(
    "that was interrupted is completed by the next open for writing, and no reader makes a generation of it",
    onlyWith([natsServer], async () => {
      const name = newName();
      const log = await open(name);
      await log.append("old");
      await log.reset();
      await log.append("old too");
      await log.close();
      // What a crash after the first step leaves.
      const beside = await manager.streams.getMessage(`SEQLOG_${name}`, { last_by_subj: `SEQLOG_${name}.generation` });
      const kept = beside?.json<{ generation: number; logId: string }>();
      expect(kept?.generation).toBe(1);
      await manager.jetstream().publish(`SEQLOG_${name}.generation`, JSON.stringify({ ...kept, generation: 2 }));
      const reader = await open(name, { readOnly: true });
      expect([reader.generation, reader.nextSeq]).toEqual([1, 1]);
      const opened = await open(name);
      expect([opened.generation, opened.nextSeq]).toEqual([2, 0]);
      await opened.close();
      // And after the second one.
      await manager.streams.delete(name);
      expect(await refusal(open(name, { readOnly: true }))).toMatchObject({ code: "SEQLOG_NOT_FOUND" });
      const made = await open(name);
      expect([made.generation, made.nextSeq, made.codec]).toEqual([3, 0, "text"]);
      await made.close();
      await reader.close();
    }),
  );
});

describe("a reset by another program", () => {
  test(
    "rejects the append that learns of it, and the next one goes to the new log",
    onlyWith([natsServer], async () => {
      const name = newName();
      const [one, other] = [await open(name), await open(name)];
      await one.appendBatch(["a", "b", "c"]);
      await other.reset();
      await other.append("x");
      expect(await refusal(one.append("d"))).toMatchObject({ code: "SEQLOG_RESET", facts: { generation: 1 } });
      expect(await one.append("e")).toMatchObject({ seq: 1 });
      expect([one.generation, await textsOf(one)]).toEqual([1, ["x", "e"]]);
      await one.close();
      await other.close();
    }),
  );
});

describe("a consumer", () => {
  test(
    "gets every record in order, tries again, buries, and goes on where it was",
    onlyWith([natsServer], async () => {
      const [log, dead] = [await open(newName()), await open(newName())];
      await log.appendBatch(Array.from({ length: 50 }, (_, i) => `${i}`));
      const options = { deadLetter: dead, retry: { attempts: 3, backoffMs: 1 } };
      const consumer = await log.consumer("billing", options);
      const found: string[] = [];
      await consumer.run(({ data, attempt }) => {
        found.push(`${data}/${attempt}`);
        if (data === "7") throw new Error("not this one");
        if (data === "29") void consumer.close();
      });
      await consumer.close();
      const wanted = Array.from({ length: 30 }, (_, i) => (i === 7 ? ["7/1", "7/2", "7/3"] : [`${i}/1`])).flat();
      expect(found).toEqual(wanted);
      const letters = await textsOf(dead);
      expect(letters.map((letter) => readDeadLetter(letter).origin.seq)).toEqual([7]);
      const again = await log.consumer("billing", options);
      expect(again.nextSeq).toBe(30);
      for await (const delivery of again) {
        await delivery.ack();
        if (delivery.data === "49") break;
      }
      expect(await log.consumers()).toMatchObject([
        { name: "billing", nextSeq: 50, lag: { records: 0 }, isActive: true },
      ]);
      await log.close();
      await dead.close();
    }),
  );

  test(
    "has one holder: in one program a second is refused, from another it takes the name over",
    onlyWith([natsServer], async () => {
      const name = newName();
      const [one, other] = [await open(name), await open(name)];
      await one.appendBatch(["a", "b", "c"]);
      const first = await one.consumer("billing");
      const locked = await refusal(one.consumer("billing"));
      expect(locked).toMatchObject({ code: "SEQLOG_LOCKED", facts: { pid: process.pid, consumer: "billing" } });
      const second = await other.consumer("billing");
      for await (const delivery of second) {
        await delivery.ack();
        break;
      }
      const late = (async () => {
        for await (const delivery of first) await delivery.ack();
      })();
      expect(await refusal(late)).toMatchObject({ code: "SEQLOG_LOCKED", facts: { consumer: "billing" } });
      expect(second.nextSeq).toBe(1);
      await one.close();
      await other.close();
      const reader = await open(name, { readOnly: true });
      expect(await reader.consumers()).toMatchObject([{ name: "billing", nextSeq: 1, isActive: false }]);
      await reader.close();
    }),
  );

  test(
    "that another program has open is moved and deleted with force alone, and its holder is told what happened",
    onlyWith([natsServer], async () => {
      const name = newName();
      const [one, other] = [await open(name), await open(name)];
      await one.appendBatch(["a", "b", "c"]);
      const held = await one.consumer("billing");
      const locked = {
        code: "SEQLOG_LOCKED",
        message: expect.stringMatching(/is open in process \d+ .* force/) as unknown,
      };
      expect(await refusal(other.seekConsumer("billing", 2))).toMatchObject(locked);
      expect(await refusal(other.deleteConsumer("billing"))).toMatchObject(locked);
      expect(await other.seekConsumer("billing", 2, { dryRun: true })).toMatchObject({ after: { nextSeq: 2 } });
      expect(held.nextSeq).toBe(0);
      await held.seek(1);
      expect(await other.seekConsumer("billing", 2, { force: true })).toMatchObject({ before: { nextSeq: 1 } });
      expect(await refusal(held.seek(0))).toMatchObject({
        code: "SEQLOG_LOCKED",
        message: expect.stringContaining("was moved or deleted by another program") as unknown,
      });
      await one.close();
      const again = await other.consumer("billing");
      expect(again.nextSeq).toBe(2);
      const third = await open(name);
      expect(await third.deleteConsumer("billing", { force: true })).toBe(true);
      expect(await third.consumers()).toEqual([]);
      await again.close().catch(() => undefined);
      await other.close();
      await third.close();
    }),
  );

  test(
    "with a store of its own is moved by that alone, and told of as a mirror",
    onlyWith([natsServer], async () => {
      const name = newName();
      const log = await open(name);
      await log.appendBatch(["a", "b", "c"]);
      let held: Checkpoint | undefined;
      const store = { load: () => held, save: (checkpoint: Checkpoint) => void (held = checkpoint) };
      const consumer = await log.consumer("billing", { store, from: 1 });
      await consumer.seek(2);
      await consumer.close();
      expect(await log.consumers()).toMatchObject([{ name: "billing", nextSeq: 2, hasStore: true, isActive: false }]);
      const elsewhere = { code: "SEQLOG_CHECKPOINT_ELSEWHERE", facts: { keptIn: "store", checkpoint: { nextSeq: 2 } } };
      expect(await refusal(log.seekConsumer("billing", 0))).toMatchObject(elsewhere);
      expect(await refusal(log.consumer("billing"))).toMatchObject(elsewhere);
      const again = await log.consumer("billing", { store });
      expect(again.nextSeq).toBe(2);
      await again.close();
      await log.seekConsumer("plain", 1);
      const empty = { load: () => undefined };
      expect(await refusal(log.consumer("plain", { store: empty }))).toMatchObject({
        code: "SEQLOG_CHECKPOINT_ELSEWHERE",
        facts: { keptIn: "log", checkpoint: { nextSeq: 1 } },
      });
      await log.close();
    }),
  );

  test(
    "does not go on in another generation, and can be sought and deleted",
    onlyWith([natsServer], async () => {
      const name = newName();
      const log = await open(name);
      await log.appendBatch(["a", "b", "c"]);
      expect(await log.seekConsumer("billing", 2)).toMatchObject({ before: undefined, after: { nextSeq: 2 } });
      await log.reset();
      await log.appendBatch(["x", "y", "z"]);
      const error = await refusal(log.consumer("billing"));
      expect(error).toMatchObject({
        code: "SEQLOG_CHECKPOINT_MISMATCH",
        facts: { checkpoint: { generation: 0 }, log: { generation: 1 } },
      });
      expect((await log.consumers())[0]?.problem).toMatch(/generation 0/);
      await log.seekConsumer("billing", { last: 1 });
      const consumer = await log.consumer("billing");
      expect(consumer.nextSeq).toBe(2);
      expect(await refusal(log.deleteConsumer("billing"))).toMatchObject({ code: "SEQLOG_LOCKED" });
      await consumer.close();
      expect(await log.deleteConsumer("billing")).toBe(true);
      expect(await log.deleteConsumer("billing")).toBe(false);
      expect(await log.consumers()).toEqual([]);
      await log.close();
    }),
  );
});
