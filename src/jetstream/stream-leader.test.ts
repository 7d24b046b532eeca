import type { StreamInfo } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import { checkLeads } from "./stream-leader.ts";

function check(replicas: number, ...heardSecondsAgo: number[]): () => void {
  const peers = heardSecondsAgo.map((seconds, i) => ({ name: `n${i + 2}`, current: true, active: seconds * 1e9 }));
  const cluster = { leader: "n1", replicas: peers };
  return () => checkLeads({ config: { num_replicas: replicas }, cluster } as unknown as StreamInfo);
}

test("a leader that heard of a majority lately leads", () => {
  expect(check(1)).not.toThrow();
  expect(check(3, 0.5, 1)).not.toThrow();
  expect(check(3, 1, 600)).not.toThrow();
  expect(check(5, 0.1, 1, 600, 600)).not.toThrow();
});

test("one that heard of fewer only thinks so", () => {
  expect(check(3, 7.6, 8)).toThrow(
    "n1 says that it leads the stream, and has not heard of a majority of its 3 replicas",
  );
  expect(check(5, 0.1, 600, 600, 600)).toThrow(/majority/);
  expect(check(3)).toThrow(/majority/);
});
