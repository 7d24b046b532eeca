/** What retention removes from a stream, to the record: the suite of the contract allows a log its units. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { FileLog, type FileOpenOptions, type Log, type Retention, openLog } from "../../src/index.ts";
import { promote } from "../../src/jetstream/index.ts";
import { nodeMachine } from "../../src/storage/node-machine.ts";
import { runInProcess } from "../cli/run-in-process.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

const scratch = mkdtempSync(join(tmpdir(), "seqlog-nats-retention-"));
const hour = 3_600_000;
let cluster: NatsCluster;
let connection: NatsConnection;
let manager: JetStreamManager;
let count = 0;
let keys = 0;

beforeAll(async () => {
  if (natsServer.missing !== undefined) return;
  cluster = await NatsCluster.start({ servers: 1 });
  connection = await connect({ servers: cluster.addresses });
  manager = await jetstreamManager(connection, { timeout: 60_000 });
});

afterAll(async () => {
  await connection?.close();
  await cluster?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const onServer = (body: () => Promise<void>) => onlyWith([natsServer], body);

function newName(): string {
  return `log-${++count}`;
}

function at(name: string): string {
  return `${cluster.url}/${name}`;
}

/** Each of another length, every third with a key that nobody else has. */
async function fill(log: Log, from: number, to: number): Promise<void> {
  await Promise.all(
    Array.from({ length: to - from }, (_, i) => {
      const options = i % 3 === 0 ? { key: `key ${keys++}` } : {};
      return log.append(`${from + i} `.padEnd((i * 37) % 500, "."), options);
    }),
  );
}

/** A stream whose records are so many hours old, by their ids. */
async function aged(ages: readonly number[], options: FileOpenOptions = {}): Promise<string> {
  const name = newName();
  const now = Date.now();
  let ms = 0;
  const machine = { ...nodeMachine, clock: { ...nodeMachine.clock, now: () => ms } };
  const log = await FileLog.open(join(scratch, name), { ...options, machine });
  for (const age of ages) {
    ms = now - age * hour;
    await log.append(`${age} hours old`);
  }
  await log.close();
  await promote(log.location, at(name));
  return name;
}

test(
  "of a limit not a record too few is left, and not one too many",
  onServer(async () => {
    const name = newName();
    const all = await openLog(at(name));
    await fill(all, 0, 500);
    const { bytes } = await all.stats();
    await all.close();
    const maxBytes = 50_000;
    const log = await openLog(at(name), { retention: { maxBytes } });
    await log.trim();
    const left = await log.stats();
    expect(left.bytes).toBeGreaterThanOrEqual(maxBytes);
    expect(left.bytes).toBeLessThan(bytes);
    // One more would have been too many.
    await log.trim({ before: log.firstSeq + 1 });
    expect((await log.stats()).bytes).toBeLessThan(maxBytes);
    await log.close();
    const fewer = await openLog(at(name), { retention: { maxBytes, maxRecords: 20 } });
    await fewer.trim();
    expect([fewer.firstSeq, fewer.nextSeq]).toEqual([480, 500]);
    await fewer.close();
  }),
);

test(
  "an age is that of the record's id, whenever the server got it; what younger ones hold back stays",
  onServer(async () => {
    const name = await aged([10, 9, 8, 3, 2, 1]);
    const log = await openLog(at(name), { retention: { maxAgeMs: 5 * hour } });
    expect(await log.trim()).toEqual({ removed: 3 });
    expect(new TextDecoder().decode((await log.get(log.firstSeq))?.bytes)).toBe("3 hours old");
    await log.close();
    // The first append of a program is one to look at.
    const stricter = await openLog(at(name), { retention: { maxAgeMs: 2.5 * hour } });
    await stricter.append("new");
    await expect.poll(() => stricter.firstSeq, { timeout: 180_000 }).toBe(4);
    await stricter.close();
  }),
);

test(
  "ids of version 4 have no ages",
  onServer(async () => {
    const name = await aged([3, 2, 1], { ids: "v4" });
    const retention = { maxAgeMs: hour };
    await expect(openLog(at(name), { retention })).rejects.toMatchObject({ code: "SEQLOG_UNSUPPORTED" });
    const log = await openLog(at(name), { retention: { maxRecords: 2 } });
    expect(await log.trim()).toEqual({ removed: 1 });
    await log.append("with a time");
    await log.close();
    const mixed = await openLog(at(name), { retention });
    await expect(mixed.trim()).rejects.toMatchObject({ code: "SEQLOG_UNSUPPORTED" });
    expect(mixed.firstSeq).toBe(1);
    await mixed.close();
  }),
);

test(
  "what is no record keeps all behind it where its age is asked for, and that is told",
  onServer(async () => {
    const name = newName();
    const made = await openLog(at(name));
    await made.append("a");
    await made.trim({ before: "end" });
    await made.close();
    await jetstream(connection).publish(name, "not ours");
    const log = await openLog(at(name), { readOnly: true });
    await log.close();
    // It keeps nobody from writing.
    const writer = await openLog(at(name), { retention: { maxAgeMs: hour } });
    expect((await writer.append("b")).seq).toBe(2);
    await expect(writer.trim()).rejects.toMatchObject({ code: "SEQLOG_DAMAGED", facts: { seq: 1 } });
    await writer.close();
    const other = await openLog(at(newName()), { retention: { maxAgeMs: hour } });
    await other.append("a");
    await jetstream(connection).publish(other.location.slice(other.location.lastIndexOf("/") + 1), "not ours");
    await other.trim({ before: 1 });
    await expect(other.trim()).rejects.toMatchObject({ code: "SEQLOG_DAMAGED", facts: { seq: 1 } });
    await other.close();
  }),
);

test(
  "holes between records are none of those that are kept",
  onServer(async () => {
    const name = newName();
    const made = await openLog(at(name));
    await fill(made, 0, 100);
    await made.close();
    for (let seq = 60; seq < 80; seq++) await manager.streams.deleteMessage(name, seq + 1, true);
    const log = await openLog(at(name), { retention: { maxRecords: 30 } });
    await log.trim();
    expect((await log.stats()).records).toBeGreaterThanOrEqual(30);
    await log.close();
  }),
);

test(
  "a reset in the middle of it: nothing of the new generation goes that is within the limit",
  onServer(async () => {
    const log = await openLog(at(newName()), { retention: { maxRecords: 20, maxBytes: 1e9 } });
    for (let round = 0; round < 10; round++) {
      const before = fill(log, 0, 100);
      const reset = log.reset();
      const after = Promise.all(Array.from({ length: 15 }, (_, i) => log.append(`round ${round} ${i}`)));
      await Promise.all([before, reset]);
      expect((await after).map(({ seq }) => seq)).toEqual(Array.from({ length: 15 }, (_, i) => i));
      await log.trim();
      expect([log.firstSeq, log.nextSeq, log.generation]).toEqual([0, 15, round + 1]);
      expect((await log.stats()).records).toBe(15);
    }
    await log.close();
  }),
);

test(
  "two programs with the same limit keep it together",
  onServer(async () => {
    const name = newName();
    const retention: Retention = { maxRecords: 40, maxBytes: 8000 };
    const logs = [await openLog(at(name), { retention }), await openLog(at(name), { retention })] as const;
    for (let round = 0; round < 5; round++) {
      await Promise.all(logs.map((log) => fill(log, round * 100, round * 100 + 60)));
      await Promise.all(logs.map((log) => log.trim()));
      const { records, bytes } = await logs[0].stats();
      // Each limit lets go: what the stricter one keeps is left.
      expect(records <= 41 || bytes <= 8600).toBe(true);
      expect(records >= 40 || bytes >= 8000).toBe(true);
      expect((await logs[1].stats()).retention).toEqual({ heldBack: { records: 0, bytes: 0 } });
    }
    for (const log of logs) await log.close();
  }),
);

test(
  "an append that is repeated after its record went is told so, and appends nothing",
  onServer(async () => {
    const log = await openLog(at(newName()));
    await log.append("a", { key: "one" });
    await log.append("b");
    await log.trim({ before: 1 });
    await expect(log.append("a", { key: "one" })).rejects.toMatchObject({
      code: "SEQLOG_TRIMMED",
      facts: { firstSeq: 1 },
      message: expect.stringContaining("the key belongs to record 0, which was removed") as unknown,
    });
    expect((await log.append("c")).seq).toBe(2);
    await log.close();
  }),
);

test(
  "a consumer that cannot be read may need all",
  onServer(async () => {
    const name = newName();
    const log = await openLog(at(name), { retention: { maxRecords: 5, protect: "consumers" } });
    await fill(log, 0, 50);
    await (await log.consumer("billing", { from: 45 })).close();
    const { state } = await manager.streams.info(`SEQLOG_${name}`, { subjects_filter: ">" });
    const kept = Object.keys(state.subjects ?? {}).find((subject) => subject.includes("consumer")) ?? "";
    await jetstream(connection).publish(kept, "no json");
    const { firstSeq } = log;
    await fill(log, 50, 60);
    expect(await log.trim()).toMatchObject({
      removed: 0,
      heldBack: { by: { consumer: "billing", nextSeq: 0, problem: expect.any(String) as unknown } },
    });
    expect(log.firstSeq).toBe(firstSeq);
    await log.close();
  }),
);

test(
  "seqlog trim leaves what consumers need, and says so; with --force it goes",
  onServer(async () => {
    const name = newName();
    const log = await openLog(at(name));
    await fill(log, 0, 30);
    await (await log.consumer("billing", { from: 10 })).close();
    await log.close();
    const json = async (...args: string[]): Promise<unknown> =>
      JSON.parse((await runInProcess(["trim", at(name), "--json", ...args])).text);
    const heldBack = { records: 10, by: { consumer: "billing", nextSeq: 10 } };
    const expected = { removed: { records: 10 }, heldBack, firstSeq: 10, nextSeq: 30 };
    expect(await json("--before", "20", "--dry-run")).toMatchObject(expected);
    expect(await json("--before", "20")).toMatchObject(expected);
    expect((await runInProcess(["trim", at(name), "--before", "20"])).text).toMatch(
      /^nothing to remove; left: 20 records, seq 10 to 29\nheld back: 10 records .* for the consumer billing, which needs seq 10/,
    );
    expect(await json("--before", "20", "--force", "--dry-run")).toMatchObject({ removed: { records: 10 } });
    expect(await json("--before", "20", "--force")).toMatchObject({ removed: { records: 10 }, firstSeq: 20 });
  }),
);
