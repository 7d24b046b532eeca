import { JetStreamApiError, type JetStreamManager, type StreamInfo } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import type { Clock } from "../storage/storage.ts";
import { addStream, storeMs } from "./add-stream.ts";

const made = { config: { name: "orders" } } as StreamInfo;

function refusal(code: number): JetStreamApiError {
  return new JetStreamApiError({ code: 500, err_code: code, description: "error creating store for stream" });
}

/** A connection to a server that gives these answers, one after the other and the last for ever; a pause takes a second. */
function server(...answers: (StreamInfo | JetStreamApiError)[]) {
  let now = 1_000_000;
  let asked = 0;
  const add = (): Promise<StreamInfo> => {
    const answer = answers[Math.min(asked++, answers.length - 1)] as StreamInfo | JetStreamApiError;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const connection = {
    ask: <T>(_doing: string, question: () => Promise<T>): Promise<T> => question(),
    pause: (): Promise<void> => {
      now += 1000;
      return Promise.resolve();
    },
    clock: { now: () => now } as Clock,
    manager: { streams: { add } } as unknown as JetStreamManager,
    location: { servers: ["a:4222"], stream: "orders", shown: "nats://a:4222/orders" } as never,
  };
  return {
    asked: () => asked,
    waitedMs: () => now - 1_000_000,
    make: () => addStream(connection, "make the stream", { name: "orders" }),
  };
}

test("a store that cannot be made for a moment is asked for again", async () => {
  const { make, asked } = server(refusal(10_049), refusal(10_077), refusal(10_049), made);
  expect(await make()).toBe(made);
  expect(asked()).toBe(4);
});

test("a store that cannot be made for long is refused, and where the cause is told", async () => {
  const { make, waitedMs } = server(refusal(10_049));
  await expect(make()).rejects.toMatchObject({
    code: "SEQLOG_UNSUPPORTED",
    facts: { path: "nats://a:4222/orders", reason: "error creating store for stream" },
    message: expect.stringMatching(
      /^nats:\/\/a:4222\/orders: make the stream: the server refuses.* The server's own log has the cause$/,
    ),
  });
  expect(waitedMs()).toBeGreaterThan(storeMs);
  expect(waitedMs()).toBeLessThan(3 * storeMs);
});

test("what is refused for another reason is not asked for again", async () => {
  const { make, asked } = server(refusal(10_052), made);
  await expect(make()).rejects.toBeInstanceOf(JetStreamApiError);
  expect(asked()).toBe(1);
});

test("a stream of this name with other settings is told of", async () => {
  expect(await server(refusal(10_058)).make()).toBeUndefined();
});
