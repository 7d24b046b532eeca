import { expect, test } from "vitest";
import { parseJetStreamLocation } from "./jetstream-location.ts";

test("one server and a stream", () => {
  expect(parseJetStreamLocation("nats://localhost:4222/orders")).toEqual({
    servers: ["localhost:4222"],
    stream: "orders",
    isTls: false,
    user: undefined,
    password: undefined,
    shown: "nats://localhost:4222/orders",
  });
});

test("several servers, TLS, a user whose password is not shown", () => {
  const { servers, isTls, user, password, shown } = parseJetStreamLocation("TLS://me:p%40ss@a:1,b,[::1]:3/my-log_2");
  expect({ servers, isTls, user, password }).toEqual({
    servers: ["a:1", "b", "[::1]:3"],
    isTls: true,
    user: "me",
    password: "p@ss",
  });
  expect(shown).toBe("tls://a:1,b,[::1]:3/my-log_2");
});

test.each([
  "nats://localhost:4222",
  "nats://localhost:4222/",
  "nats:///orders",
  "nats://a:1,,b:2/orders",
  "nats://a:1/two words",
  "nats://a:1/with.dot",
  "nats://a:1/a/b",
  "nats://a:1/orders?x=1",
  "http://a:1/orders",
])("%s is none", (location) => {
  expect(() => parseJetStreamLocation(location)).toThrow(TypeError);
});

test("a location that is none is told without its password", () => {
  expect(() => parseJetStreamLocation("nats://me:secret@a:1")).toThrow(/^nats:\/\/a:1: a log on JetStream is at/);
});
