import { JetStreamApiError, type JetStreamManager, type StreamConfig, type StreamInfo } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import type { Clock } from "../storage/storage.ts";
import { mostTimes, recreateStream } from "./recreate-stream.ts";

const notFound = new JetStreamApiError({ code: 404, err_code: 10_059, description: "stream not found" });

/** A server with a stream of these ids that comes back `returns` times, or else with what another program appended. */
function server(ids: readonly string[], returns: number, appended: readonly string[] = []) {
  let stored: readonly string[] | undefined = ids;
  let made = 0;
  const info = (): StreamInfo => ({ state: { last_seq: stored?.length } }) as StreamInfo;
  const streams = {
    info: async () => (stored === undefined ? Promise.reject(notFound) : info()),
    getMessage: async (_name: string, { seq }: { seq: number }) => {
      if (stored === undefined) throw notFound;
      const id = stored[seq - 1];
      return id === undefined ? null : { header: { get: () => id } };
    },
    delete: async () => {
      if (stored === undefined) throw notFound;
      stored = undefined;
      return true;
    },
    add: async (_settings: Partial<StreamConfig>) => {
      stored = made++ < returns ? ids : appended;
      return info();
    },
  };
  return {
    made: () => made,
    stored: () => stored,
    recreate: () =>
      recreateStream(
        {
          ask: (_doing, question) => question(),
          pause: async () => {},
          clock: { now: () => 0 } as Clock,
          manager: { streams } as unknown as JetStreamManager,
          location: { servers: ["a:4222"], stream: "orders", shown: "nats://a:4222/orders" } as never,
        },
        { name: "orders" },
        () => made === 0,
      ),
  };
}

test("a stream that comes back with its records is deleted again", async () => {
  const { recreate, made, stored } = server(["a", "b"], 3);
  expect((await recreate())?.state.last_seq).toBe(0);
  expect([made(), stored()]).toEqual([4, []]);
});

test("what another program appended to the new stream stays", async () => {
  const { recreate, made, stored } = server(["a", "b"], 0, ["c", "d", "e"]);
  await recreate();
  expect([made(), stored()]).toEqual([1, ["c", "d", "e"]]);
});

test("a stream that comes back again and again is an error, and is not left there", async () => {
  const { recreate, made, stored } = server(["a"], Infinity);
  await expect(recreate()).rejects.toMatchObject({
    code: "SEQLOG_UNSUPPORTED",
    message:
      "nats://a:4222/orders: reset: the stream came back with the records of before, 10 times. It is deleted now, and the next open for writing makes it",
  });
  expect([made(), stored()]).toEqual([mostTimes, undefined]);
});

test("an empty stream has nothing that could come back", async () => {
  const { recreate, made } = server([], 0, ["a"]);
  await recreate();
  expect(made()).toBe(1);
});
