/** `promote` on a real server: what it copies, what it refuses, and that it leaves alone what it refuses. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { FileLog, json, openLog } from "../../src/index.ts";
import { promote } from "../../src/jetstream/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { runInProcess } from "../cli/run-in-process.ts";
import { NatsProxy } from "./nats-proxy.ts";
import { differenceFromLog } from "./same-as-log.ts";
import { storedMessages } from "./stored-messages.ts";

const scratch = mkdtempSync(join(tmpdir(), "seqlog-promote-"));
let cluster: NatsCluster;
let connection: NatsConnection;
let manager: JetStreamManager;
let count = 0;

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

/** A log of its own for each test, and a name for its stream. */
async function newLog(records: readonly string[]): Promise<{ directory: string; stream: string; location: string }> {
  const stream = `stream-${++count}`;
  const directory = join(scratch, stream);
  const log = await FileLog.open(directory);
  await log.appendBatch(records);
  await log.close();
  return { directory, stream, location: `${cluster.url}/${stream}` };
}

async function addTo(directory: string, records: readonly string[]): Promise<void> {
  const log = await FileLog.open(directory);
  await log.appendBatch(records);
  await log.close();
}

const data = Array.from({ length: 5000 }, (_, i) => `record ${i} ${"x".repeat(i % 700)}`);

const onServer = (body: () => Promise<void>) => onlyWith([natsServer], body);

describe("a stream becomes the log", () => {
  test(
    "numbers, ids, CRCs and bytes are the log's",
    onServer(async () => {
      const { directory, stream, location } = await newLog([...data, "", "\u0000\r\n"]);
      const told: string[] = [];
      const report = await promote(directory, location, { onProgress: ({ doing }) => told.push(doing) });
      expect(report).toEqual({ location, firstSeq: 0, nextSeq: 5002, records: 5002, earlier: 0, copied: 5002 });
      expect([...new Set(told)]).toEqual(["copying", "comparing"]);
      expect(await differenceFromLog(directory, cluster.addresses, stream)).toBeUndefined();
    }),
  );

  test(
    "again it copies nothing, and after more appends only those",
    onServer(async () => {
      const { directory, stream, location } = await newLog(data);
      await promote(directory, location);
      expect(await promote(directory, location)).toMatchObject({ records: 5000, copied: 0 });
      await addTo(directory, ["more", "and more"]);
      expect(await promote(directory, location)).toMatchObject({ records: 5002, copied: 2 });
      expect(await differenceFromLog(directory, cluster.addresses, stream)).toBeUndefined();
    }),
  );

  test(
    "an empty log is an empty stream",
    onServer(async () => {
      const { directory, location } = await newLog([]);
      expect(await promote(directory, location)).toMatchObject({ records: 0, copied: 0 });
    }),
  );

  test(
    "the stream says which log, generation and codec it is",
    onServer(async () => {
      const stream = `stream-${++count}`;
      const log = await FileLog.open(join(scratch, stream), { codec: json() });
      await log.append({ a: 1 });
      await log.reset();
      await log.append({ a: 2 });
      await log.close();
      await promote(log.location, `${cluster.url}/${stream}`);
      const { config } = await manager.streams.info(stream);
      expect(config.description).toMatch(/"generation":1,"codec":"json"/);
    }),
  );
});

describe("what is not the beginning of the log is refused, and left as it is", () => {
  async function refused(directory: string, stream: string, says: RegExp): Promise<void> {
    const before = (await manager.streams.info(stream)).state;
    await expect(promote(directory, `${cluster.url}/${stream}`)).rejects.toMatchObject({
      code: "SEQLOG_CONFLICT",
      message: expect.stringMatching(says) as unknown,
    });
    expect((await manager.streams.info(stream)).state).toEqual(before);
  }

  test(
    "a stream of something else",
    onServer(async () => {
      const { directory, stream } = await newLog(data);
      await manager.streams.add({ name: stream, subjects: [stream] });
      await jetstream(connection).publish(stream, "not ours");
      await refused(directory, stream, /no log of seqlog \(1 messages\)/);
    }),
  );

  test(
    "a stream of another log",
    onServer(async () => {
      const other = await newLog(["other"]);
      await promote(other.directory, other.location);
      const { directory } = await newLog(data);
      await refused(directory, other.stream, /1 records of another log/);
    }),
  );

  test(
    "a log that was reset since",
    onServer(async () => {
      const { directory, stream, location } = await newLog(data);
      await promote(directory, location);
      const log = await FileLog.open(directory);
      await log.reset();
      await log.appendBatch(data);
      await log.close();
      await refused(directory, stream, /or of before a reset/);
    }),
  );

  test(
    "a stream with a record that the log does not have",
    onServer(async () => {
      const { directory, stream, location } = await newLog(data);
      await promote(directory, location);
      await jetstream(connection).publish(stream, "one more");
      await refused(directory, stream, /record 5000 is in the stream, and not in the log/);
      await addTo(directory, ["another one"]);
      await refused(directory, stream, /record 5000 has the id \(none\) there/);
    }),
  );

  test(
    "a stream from which a message was deleted",
    onServer(async () => {
      const { directory, stream, location } = await newLog(data);
      await promote(directory, location);
      await manager.streams.deleteMessage(stream, 100, true);
      await refused(directory, stream, /1 messages were deleted/);
    }),
  );

  test(
    "a stream whose first records are gone",
    onServer(async () => {
      const { directory, stream, location } = await newLog(data);
      await promote(directory, location);
      await manager.streams.purge(stream, { seq: 10 });
      await refused(directory, stream, /record 0 was removed from the stream/);
    }),
  );
});

describe("a log that was trimmed since", () => {
  test(
    "its stream holds more than the log, and that is said",
    onServer(async () => {
      const stream = `stream-${++count}`;
      const location = `${cluster.url}/${stream}`;
      await using log = await FileLog.open(join(scratch, stream), { segmentBytes: 4096 });
      await log.appendBatch(data.slice(0, 200));
      await promote(log.location, location);
      await log.trim({ before: 150 });
      await log.append("one more");
      const { firstSeq } = log;
      expect(firstSeq).toBeGreaterThan(0);
      const report = { firstSeq, nextSeq: 201, records: 201 - firstSeq, earlier: firstSeq, copied: 1 };
      expect(await promote(log.location, location)).toMatchObject(report);
      expect((await manager.streams.info(stream)).state.messages).toBe(report.records + report.earlier);
      const again = await runInProcess(["promote", log.location, location]);
      expect(again.text).toContain(`it has ${firstSeq} before seq ${firstSeq} besides, which the log no longer has`);
    }),
  );
});

describe("what cannot be copied is said", () => {
  test(
    "a log whose first records were trimmed, to an empty stream that is there",
    onServer(async () => {
      const stream = `stream-${++count}`;
      await using log = await FileLog.open(join(scratch, stream), { segmentBytes: 4096 });
      await log.appendBatch(data.slice(0, 200));
      await log.trim({ before: 150 });
      await (await openLog(`${cluster.url}/${stream}`)).close();
      // A server that could make a stream which begins later.
      await using proxy = await NatsProxy.start(Number(cluster.addresses[0]?.split(":")[1]));
      proxy.answered = (said) =>
        said.subarray(0, 5).toString() === "INFO "
          ? Buffer.from(said.toString().replace('"2.9.10"', '"2.10.0"'))
          : said;
      await expect(promote(log.location, `${proxy.url}/${stream}`)).rejects.toMatchObject({
        code: "SEQLOG_CONFLICT",
        message: expect.stringMatching(/is empty and begins with 0, .* where only a new stream can begin/) as unknown,
      });
    }),
  );

  test(
    "a log whose first records were trimmed, to a server before 2.10",
    onServer(async () => {
      const stream = `stream-${++count}`;
      const log = await FileLog.open(join(scratch, stream), { segmentBytes: 4096 });
      await log.appendBatch(data.slice(0, 200));
      await log.trim({ before: 150 });
      await log.close();
      const [, minor = 0] = (connection.info?.version ?? "").split(".").map(Number);
      const promoted = promote(log.location, `${cluster.url}/${stream}`);
      if (minor >= 10) {
        const { firstSeq, nextSeq } = await promoted;
        expect([firstSeq, nextSeq]).toEqual([log.firstSeq, 200]);
        expect(await differenceFromLog(log.location, cluster.addresses, stream)).toBeUndefined();
        return;
      }
      await expect(promoted).rejects.toMatchObject({ code: "SEQLOG_UNSUPPORTED", facts: { reason: "first_seq" } });
      await expect(manager.streams.info(stream)).rejects.toThrow("stream not found");
    }),
  );

  test(
    "a record that no message can hold",
    onServer(async () => {
      const { directory, location } = await newLog(["small", "x".repeat(1024 * 1024)]);
      await expect(promote(directory, location)).rejects.toMatchObject({
        code: "SEQLOG_UNSUPPORTED",
        message: expect.stringMatching(/record 1 has 1048576 bytes, .* raise max_payload/) as unknown,
      });
    }),
  );

  test(
    "more replicas than there are servers",
    onServer(async () => {
      const { directory, location } = await newLog(["a"]);
      await expect(promote(directory, location, { replicas: 3 })).rejects.toMatchObject({
        code: "SEQLOG_UNSUPPORTED",
        message: expect.stringMatching(/make the stream: the server refuses: replicas > 1 not supported/) as unknown,
      });
    }),
  );

  test(
    "a stream that was emptied",
    onServer(async () => {
      const { directory, stream, location } = await newLog(["a", "b"]);
      await promote(directory, location);
      await manager.streams.purge(stream);
      await expect(promote(directory, location)).rejects.toMatchObject({
        code: "SEQLOG_CONFLICT",
        message: expect.stringMatching(/record 0 was removed from the stream/) as unknown,
      });
    }),
  );

  test(
    "no server",
    onServer(async () => {
      const { directory } = await newLog(["a"]);
      await expect(promote(directory, "nats://127.0.0.1:1/x")).rejects.toMatchObject({
        code: "SEQLOG_IO",
        facts: { path: "nats://127.0.0.1:1/x", syscall: "connect" },
      });
    }),
  );

  test(
    "no log, and no stream's name",
    onServer(async () => {
      await expect(promote(join(scratch, "none"), `${cluster.url}/x`)).rejects.toMatchObject({
        code: "SEQLOG_NOT_FOUND",
      });
      await expect(promote(join(scratch, "none"), cluster.url)).rejects.toThrow(TypeError);
    }),
  );
});

describe("at a shell", () => {
  test(
    "seqlog promote says what it did",
    onServer(async () => {
      const { directory, stream, location } = await newLog(data);
      const done = await runInProcess(["promote", directory, location]);
      expect(done).toMatchObject({ code: 0, stderr: "" });
      expect(done.text).toMatch(
        /^copied 5000 records; .* holds 5000, seq 0 to 4999: count, ids, CRCs and bytes are those of/,
      );
      const again = await runInProcess(["promote", directory, location, "--json"]);
      expect(JSON.parse(again.text)).toEqual({
        location,
        firstSeq: 0,
        nextSeq: 5000,
        records: 5000,
        earlier: 0,
        copied: 0,
      });
      expect(await storedMessages(cluster.addresses, stream)).toHaveLength(5000);
    }),
  );

  test(
    "what is wrong is told with an exit code",
    onServer(async () => {
      const { directory } = await newLog(["a"]);
      expect(await runInProcess(["promote", directory, "nats://127.0.0.1:1/x"])).toMatchObject({ code: 4 });
      expect(await runInProcess(["promote", directory, cluster.url])).toMatchObject({ code: 2 });
      expect(await runInProcess(["promote", directory, `${cluster.url}/x`, "--replicas", "0"])).toMatchObject({
        code: 2,
      });
      const other = await newLog(["b"]);
      await promote(other.directory, other.location);
      expect(await runInProcess(["promote", directory, other.location])).toMatchObject({ code: 2 });
    }),
  );
});
