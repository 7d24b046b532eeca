import { expect, test } from "vitest";
import { SimulatedDisk } from "../../testing/simulated-disk.ts";
import { Journal, hasJournal } from "./journal.ts";
import { type Change, type CreateChange, SubscriptionState } from "./subscription-state.ts";

const directory = "/data";

function creation(uid: string): CreateChange {
  return {
    type: "create",
    format: 1,
    uid,
    config: {
      id: uid,
      type: "pull-wake",
      pattern: "a/*",
      streams: [],
      webhookUrl: null,
      wakeStream: "w",
      leaseMs: 1000,
      description: null,
    },
    baseUrl: "http://localhost",
    createdAt: 1,
    generation: 0,
    wake: null,
    links: [],
  };
}

const link = (path: string, acked: number): { path: string; stream: string; acked: number; isExplicit: boolean } => ({
  path,
  stream: "s",
  acked,
  isExplicit: false,
});

test("what the changes add up to is the same when they are read again", async () => {
  const disk = new SimulatedDisk();
  const wake = { id: "w_1", holder: null, isTold: false };
  const changes: readonly Change[] = [
    creation("one"),
    creation("two"),
    { type: "wake", uid: "one", generation: 1, wake },
    { type: "told", uid: "one" },
    { type: "claim", uid: "one", holder: "w" },
    { type: "ack", uid: "one", links: [link("a/1", 3), link("a/2", 4)], isOver: false },
    { type: "unlink", uid: "one", path: "a/1", stream: "another" },
    { type: "unlink", uid: "one", path: "a/2", stream: "s" },
    { type: "delete", uid: "two" },
    { type: "claim", uid: "two", holder: "nobody" },
  ];
  const machine = disk.boot();
  expect(hasJournal(machine.storage, directory)).toBe(false);
  await disk.runUntil(
    (async () => {
      const { journal } = await Journal.open(machine, directory);
      for (const change of changes) await journal.append(change);
      await journal.close();
      const again = await Journal.open(machine, directory);
      expect([...again.states.keys()]).toEqual(["one"]);
      expect(again.states.get("one")?.toCreate()).toEqual({
        ...creation("one"),
        generation: 1,
        wake: { id: "w_1", holder: "w", isTold: true },
        links: [link("a/1", 3)],
      });
      await again.journal.append({ type: "ack", uid: "one", links: [], isOver: true });
      await again.journal.close();
      const last = await Journal.open(machine, directory);
      expect(last.states.get("one")?.wake).toBeNull();
      expect(last.states.get("one")?.generation).toBe(1);
      await last.journal.close();
    })(),
  );
  expect(hasJournal(machine.storage, directory)).toBe(true);
  expect(machine.openFiles).toBe(0);
});

test("changes of a later version are refused, and nothing is changed", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  await disk.runUntil(
    (async () => {
      const { journal } = await Journal.open(machine, directory);
      await journal.append({ type: "renamed", uid: "one" } as unknown as Change);
      await journal.close();
      await expect(Journal.open(machine, directory)).rejects.toThrow(/a later version. Use a newer seqlog/);
    })(),
  );
  expect(machine.openFiles).toBe(0);
});

test("a long one is written again, what lies before goes, and what it says stays; at any time the power may fail", async () => {
  const disk = new SimulatedDisk({ keepLog: false });
  const machine = disk.boot();
  const state = new SubscriptionState(creation("one"));
  const path = "a/".padEnd(600, "x");
  const firstSegment = `${directory}/__ds/subscriptions`;
  await disk.runUntil(
    (async () => {
      const { journal } = await Journal.open(machine, directory);
      await journal.append(creation("one"));
      expect(journal.isLong).toBe(false);
      for (let from = 1; from <= 10_000; from += 500) {
        const changes = Array.from({ length: 500 }, (_, i): Change => {
          return { type: "ack", uid: "one", links: [link(path, from + i)], isOver: false };
        });
        await Promise.all(changes.map((change) => journal.append(change)));
      }
      state.apply({ type: "ack", uid: "one", links: [link(path, 10_000)], isOver: false });
      expect(journal.isLong).toBe(true);
      const before = machine.storage.listSync(firstSegment).filter((name) => name.endsWith(".log")).length;
      expect(before).toBeGreaterThan(1);
      const compacted = journal.compact(() => journal.append(state.toCreate()));
      expect(journal.isLong).toBe(false);
      await compacted;
      expect(machine.storage.listSync(firstSegment).filter((name) => name.endsWith(".log"))).toHaveLength(1);
      await journal.append({ type: "claim", uid: "one", holder: "nobody" });
    })(),
  );
  disk.crash({ keep: 0 });
  const next = disk.boot();
  await disk.runUntil(
    (async () => {
      const { journal, states } = await Journal.open(next, directory);
      expect(states.get("one")?.toCreate()).toEqual(state.toCreate());
      await journal.close();
    })(),
  );
});
