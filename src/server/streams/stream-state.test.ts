import { describe, expect, test } from "vitest";
import type { Frame } from "../frame/frame.ts";
import { type Claim, PendingState, StreamState, judge, maxProducers } from "./stream-state.ts";

function frame(more: Partial<Frame> = {}): Frame {
  return {
    close: false,
    producer: undefined,
    streamSeq: undefined,
    lengths: undefined,
    payload: Buffer.from("x"),
    ...more,
  };
}

function by(id: string, epoch: number, seq: number): Claim {
  return { producer: { id, epoch, seq }, streamSeq: undefined, isCloseOnly: false };
}

const anybody: Claim = { producer: undefined, streamSeq: undefined, isCloseOnly: false };

function stateAfter(...frames: Frame[]): StreamState {
  const state = new StreamState(0);
  for (const each of frames) state.apply(each);
  return state;
}

const place = (id: string, epoch: number, seq: number): Partial<Frame> => ({ producer: { id, epoch, seq } });

describe("producers", () => {
  const state = stateAfter(frame(place("a", 3, 0)), frame(place("a", 3, 1)));

  test.each([
    ["the next seq", by("a", 3, 2), { kind: "accept" }],
    ["the last seq again", by("a", 3, 1), { kind: "duplicate", lastSeq: 1 }],
    ["an earlier seq", by("a", 3, 0), { kind: "duplicate", lastSeq: 1 }],
    ["a seq too many", by("a", 3, 3), { kind: "gap", expected: 2 }],
    ["an earlier epoch", by("a", 2, 2), { kind: "stale-epoch", epoch: 3 }],
    ["a later epoch from its start", by("a", 4, 0), { kind: "accept" }],
    ["a later epoch in its middle", by("a", 4, 1), { kind: "epoch-start" }],
    ["a new producer", by("b", 7, 0), { kind: "accept" }],
    ["a new producer in its middle", by("b", 0, 1), { kind: "gap", expected: 0 }],
  ])("%s", (_, claim, verdict) => expect(judge(state, claim)).toEqual(verdict));
});

describe("a closed stream", () => {
  const state = stateAfter(frame(place("a", 1, 0)), frame({ ...place("a", 1, 1), close: true }));

  test.each([
    ["an append", anybody, { kind: "closed" }],
    ["a close", { ...anybody, isCloseOnly: true }, { kind: "already-closed" }],
    ["the append that closed it", by("a", 1, 1), { kind: "duplicate", lastSeq: 1 }],
    ["one before that", by("a", 1, 0), { kind: "duplicate", lastSeq: 1 }],
    ["the next of that producer", by("a", 1, 2), { kind: "closed" }],
    ["a stale producer", by("a", 0, 5), { kind: "stale-epoch", epoch: 1 }],
    ["another producer's close", { ...by("b", 0, 0), isCloseOnly: true }, { kind: "closed" }],
  ])("%s", (_, claim, verdict) => expect(judge(state, claim)).toEqual(verdict));
});

describe("Stream-Seq", () => {
  const state = stateAfter(frame({ streamSeq: "09" }));

  test.each([
    ["10", "accept"],
    ["09", "stream-seq"],
    ["08", "stream-seq"],
    ["1", "accept"],
    ["", "stream-seq"],
    ["\u00ff", "accept"],
  ])("%j after 09", (streamSeq, kind) => expect(judge(state, { ...anybody, streamSeq }).kind).toBe(kind));

  test("of a repeated append does not count", () => {
    const again = stateAfter(frame({ ...place("a", 0, 0), streamSeq: "5" }));
    expect(judge(again, { ...by("a", 0, 0), streamSeq: "5" })).toEqual({ kind: "duplicate", lastSeq: 0 });
  });
});

test("a record that only closes is not a place for readers", () => {
  const state = stateAfter(frame(), frame({ close: true, payload: new Uint8Array(0) }));
  expect([state.tail, state.nextSeq, state.isClosed]).toEqual([1, 2, true]);
  const withData = stateAfter(frame(), frame({ close: true }));
  expect([withData.tail, withData.nextSeq]).toEqual([2, 2]);
});

test("what is on its way counts until it arrived or failed", () => {
  const durable = stateAfter(frame({ ...place("a", 0, 0), streamSeq: "1" }));
  const pending = new PendingState(durable);
  pending.apply(frame({ ...place("a", 0, 1), streamSeq: "2", close: true }));
  expect([pending.producer("a")?.lastSeq, pending.streamSeq, pending.isClosed]).toEqual([1, "2", true]);
  expect([durable.producer("a")?.lastSeq, durable.streamSeq, durable.isClosed]).toEqual([0, "1", false]);
  pending.clear();
  expect([pending.producer("a")?.lastSeq, pending.streamSeq, pending.isClosed]).toEqual([0, "1", false]);
});

test("a stream that has as many producers as it may takes no new one, and those that it knows go on", () => {
  const state = stateAfter();
  for (let i = 1; i < maxProducers; i++) state.apply(frame(place(`p${i}`, 0, 0)));
  const pending = new PendingState(state);
  expect(judge(pending, by("new", 0, 0))).toEqual({ kind: "accept" });
  pending.apply(frame(place("p1", 0, 1)));
  expect(judge(pending, by("new", 0, 0))).toEqual({ kind: "accept" });
  pending.apply(frame(place("last", 0, 0)));
  expect(judge(pending, by("new", 0, 0))).toEqual({ kind: "too-many-producers" });
  expect(judge(pending, by("last", 0, 1))).toEqual({ kind: "accept" });
  expect(judge(pending, by("p1", 0, 1))).toEqual({ kind: "duplicate", lastSeq: 1 });
  pending.clear();
  expect(judge(pending, by("new", 0, 0))).toEqual({ kind: "accept" });
});
