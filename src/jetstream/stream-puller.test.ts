import { expect, test } from "vitest";
import { FakeStream, numbers } from "../../test/cluster/fake-stream.ts";
import { StreamPuller, wholeRecords } from "./stream-puller.ts";

const maxBytes = 1024 * 1024;

async function pullerOf(stream: FakeStream, isLive: boolean): Promise<StreamPuller> {
  const puller = await StreamPuller.open(stream.connection, 0, isLive, maxBytes, wholeRecords);
  if (puller === undefined) throw new Error("there is no stream");
  return puller;
}

/** One whose replica has this many messages, and gives none by itself. */
async function silent(count: number, isLive = false): Promise<{ stream: FakeStream; puller: StreamPuller }> {
  const stream = new FakeStream(count);
  const puller = await pullerOf(stream, isLive);
  stream.replica = [];
  return { stream, puller };
}

async function seqsOf(puller: StreamPuller): Promise<number[]> {
  return (await puller.take()).map(({ seq }) => seq);
}

test("all that is there comes in order, and then the end", async () => {
  const stream = new FakeStream(2500);
  const puller = await pullerOf(stream, false);
  const seqs: number[] = [];
  while (!puller.isAtEnd) seqs.push(...(await seqsOf(puller)));
  seqs.push(...(await seqsOf(puller)));
  expect(seqs).toEqual(numbers(0, 2499));
  expect(puller.isBroken).toBe(false);
});

test("no more is asked for than there is: the server would send less and say nothing", async () => {
  const stream = new FakeStream(1203);
  const puller = await pullerOf(stream, false);
  while (!puller.isAtEnd) await puller.take();
  expect(stream.pulls.map(({ batch }) => batch)).toEqual([1000, 203]);
});

test("a request that is full is no end for who waits", async () => {
  const { stream, puller } = await silent(10, true);
  let isTaken = false;
  const taking = seqsOf(puller).then((seqs) => {
    isTaken = true;
    return seqs;
  });
  stream.tell(409, "Message Size Exceeds MaxBytes");
  await new Promise(setImmediate);
  expect([isTaken, puller.isAtEnd, stream.pulls.length]).toEqual([false, false, 2]);
  stream.deliver(1, 9);
  expect(await taking).toEqual([0]);
});

test("the end of a live read's request is told once, and the next is made", async () => {
  const { stream, puller } = await silent(10, true);
  const taking = seqsOf(puller);
  stream.tell(408, "Request Timeout");
  expect(await taking).toEqual([]);
  expect([puller.isAtEnd, stream.pulls.length]).toEqual([true, 2]);
  const again = seqsOf(puller);
  expect(puller.isAtEnd).toBe(false);
  stream.deliver(1, 9);
  expect(await again).toEqual([0]);
  puller.close();
});

test.each<[string, (stream: FakeStream) => void]>([
  ["a delivery that is left out", (stream) => stream.deliver(3, 1, 3)],
  ["a connection that is lost", (stream) => stream.loseConnection()],
  ["a server that is silent", (stream) => stream.pass(6001)],
  ["a consumer that is gone", (stream) => stream.tell(409, "Consumer Deleted")],
])("%s breaks it, after what came before", async (_, happen) => {
  const { stream, puller } = await silent(10, true);
  stream.deliver(1, 9);
  happen(stream);
  stream.deliver(2, 8, 2);
  expect(puller.isBroken).toBe(true);
  expect(await seqsOf(puller)).toEqual([0]);
  expect(await seqsOf(puller)).toEqual([]);
});

test("heartbeats keep it", async () => {
  const { stream, puller } = await silent(10, true);
  for (let i = 0; i < 5; i++) {
    stream.pass(4000);
    stream.tell(100, "Idle Heartbeat");
  }
  expect(puller.isBroken).toBe(false);
  puller.close();
});
