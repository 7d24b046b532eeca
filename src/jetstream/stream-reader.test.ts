import { expect, test } from "vitest";
import { FakeStream, numbers } from "../../test/cluster/fake-stream.ts";
import type { Range } from "../segment/read-range.ts";
import { readStreamBackward, readStreamForward } from "./stream-reader.ts";
import { StreamView } from "./stream-view.ts";

const never = new AbortController().signal;

/** A stream of ten messages, seq 0 to 9, or more; `change` makes leader and replica differ. */
function streamOf(count: number, change: (stream: FakeStream) => void = () => {}) {
  const stream = new FakeStream(count);
  const view = new StreamView(stream.connection, stream.info());
  change(stream);
  const range: Range = { from: 0, to: count, limit: Infinity, maxBytes: 1024 * 1024 };
  return { stream, view, range };
}

/** The seqs of a read, and what it ended with. */
async function seqsOf(runs: AsyncIterable<{ firstSeq: number; starts: readonly number[] }>, most = Infinity) {
  const seqs: number[] = [];
  let failure: unknown;
  try {
    for await (const { firstSeq, starts } of runs) {
      seqs.push(...starts.map((_, i) => firstSeq + i));
      if (seqs.length >= most) break;
    }
  } catch (error) {
    failure = error;
  }
  return { seqs, failure };
}

test("what the replica has is read from it, and nothing asked of the leader", async () => {
  const { stream, view, range } = streamOf(2500);
  expect(await seqsOf(readStreamForward(view, range, false, never))).toEqual({ seqs: numbers(0, 2499) });
  expect(stream.asked).toBe(0);
});

test.each([
  ["none of the range", [1, 2, 3]],
  ["only its beginning", numbers(1, 7)],
  ["nothing at all", []],
])("a replica that has %s does not end a read: the leader has the rest", async (_, replica) => {
  const { view, range } = streamOf(10, (stream) => (stream.replica = replica));
  expect(await seqsOf(readStreamForward(view, { ...range, from: 5 }, false, never))).toEqual({ seqs: numbers(5, 9) });
  expect(await seqsOf(readStreamForward(view, { ...range, limit: 4 }, false, never))).toEqual({ seqs: numbers(0, 3) });
  expect((await seqsOf(readStreamBackward(view, range, never))).seqs.length).toBe(10);
});

test("a replica that is far behind is tried again, and read when it has caught up", async () => {
  const { stream, view, range } = streamOf(5000, (behind) => {
    behind.replica = numbers(1, 10);
    behind.beforeAnswer = () => {
      if (behind.asked === 150) behind.replica = numbers(1, 5000);
    };
  });
  expect(await seqsOf(readStreamForward(view, range, false, never))).toEqual({ seqs: numbers(0, 4999) });
  expect(stream.asked).toBe(200);
});

test("what a replica lacks between others is read from the leader, however much it is", async () => {
  const { view, range } = streamOf(500, (stream) => {
    stream.replica = stream.leader.filter((seq) => seq < 4 || seq > 400);
  });
  expect(await seqsOf(readStreamForward(view, range, false, never))).toEqual({ seqs: numbers(0, 499) });
  expect(await seqsOf(readStreamForward(view, { ...range, to: 300 }, false, never))).toEqual({ seqs: numbers(0, 299) });
});

test("what the leader has deleted is passed over, between others and at the end", async () => {
  const { view, range } = streamOf(10, (stream) => {
    stream.leader = [1, 2, 6, 7];
    stream.replica = [...stream.leader];
  });
  expect(await seqsOf(readStreamForward(view, range, false, never))).toEqual({ seqs: [0, 1, 5, 6] });
});

test("what is missing though nobody deleted it is damage, after what lies before it", async () => {
  const { view, range } = streamOf(10, (stream) => {
    stream.replica = stream.replica.filter((seq) => seq !== 5);
    stream.leader = [...stream.replica];
    const told = stream.info.bind(stream);
    stream.info = () => ({ ...told(), state: { ...told().state, num_deleted: 0 } });
  });
  const { seqs, failure } = await seqsOf(readStreamForward(view, range, false, never));
  expect(seqs).toEqual([0, 1, 2, 3]);
  expect(failure).toMatchObject({ code: "SEQLOG_DAMAGED", facts: { seq: 4 } });
});

test("what was removed from the front is told, and nothing left out in silence", async () => {
  const { view, range } = streamOf(10, (stream) => {
    stream.leader = numbers(6, 10);
    stream.replica = numbers(6, 10);
  });
  const { seqs, failure } = await seqsOf(readStreamForward(view, range, false, never));
  expect(seqs).toEqual([]);
  expect(failure).toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq: 5 } });
});

test("a leader that has less than what was acknowledged is not believed", async () => {
  const behind = (stream: FakeStream): void => {
    stream.replica = numbers(1, 5);
    stream.leader = numbers(1, 5);
    stream.last = 5;
  };
  const { stream, view, range } = streamOf(10, behind);
  stream.beforeAnswer = () => {
    if (stream.asked < 20) return;
    stream.leader = numbers(1, 10);
    stream.last = 10;
  };
  expect(await seqsOf(readStreamForward(view, range, false, never))).toEqual({ seqs: numbers(0, 9) });
  const other = streamOf(10, behind);
  const { seqs, failure } = await seqsOf(readStreamForward(other.view, other.range, false, never));
  expect(seqs).toEqual(numbers(0, 4));
  expect(failure).toMatchObject({ code: "SEQLOG_IO", message: expect.stringContaining("message 10 was acknowledged") });
});

test("a live read of a replica that gets nothing any more goes on with what the leader has", async () => {
  const { stream, view, range } = streamOf(10, (cut) => (cut.replica = numbers(1, 4)));
  const reading = seqsOf(readStreamForward(view, { ...range, to: Infinity }, true, never), 10);
  // Each request that waits in vain ends after a while.
  const idle = setInterval(() => stream.tell(408, "Request Timeout"), 1);
  expect(await reading).toEqual({ seqs: numbers(0, 9) });
  clearInterval(idle);
});

test("what was made anew is not read as what was there before", async () => {
  const { stream, view, range } = streamOf(10, (other) => (other.replica = numbers(1, 4)));
  stream.beforeAnswer = () => (stream.generation = 1);
  const { seqs, failure } = await seqsOf(readStreamForward(view, range, false, never));
  expect(seqs).toEqual(numbers(0, 3));
  expect(failure).toMatchObject({ code: "SEQLOG_RESET" });
});
