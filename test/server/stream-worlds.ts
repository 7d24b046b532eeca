/**
 * Steps that change the streams of a store, and what the streams are after each: for tests that end
 * the process, or the power, anywhere in between.
 */
import type { Change } from "./stream-model.ts";
import { messagesOfPiece } from "./messages-of-piece.ts";
import { frameOf } from "../../src/server/streams/new-frame.ts";
import type { CreateRequest } from "../../src/server/streams/create-stream.ts";
import { StreamStore } from "../../src/server/streams/stream-store.ts";
import type { Machine } from "../../src/storage/storage.ts";

/** One stream, as clients see it. */
interface SeenStream {
  readonly messages: readonly unknown[];
  readonly isClosed: boolean;
}

/** All streams by name; `"gone"` is one that was deleted and has forks. */
export type World = Readonly<Record<string, SeenStream | "gone">>;

/** A step, and the world after it. Made again when it is not known whether it was made. */
export interface Step {
  readonly name: string;
  readonly run: (store: StreamStore) => Promise<unknown>;
  readonly after: World;
}

const directory = "/data";

export function openStore(machine: Machine): StreamStore {
  machine.storage.makeDirectorySync(directory);
  return StreamStore.open(machine, directory, { maxOpenLogs: 2, maxRecordBytes: 64 * 1024 });
}

function put(path: string, body: string, more: Partial<CreateRequest> = {}): (store: StreamStore) => Promise<unknown> {
  const contentType = more.fork === undefined ? "application/json" : undefined;
  const none = { ttlSeconds: undefined, expiresAt: undefined, isClosed: false, fork: undefined };
  return (store) => store.create({ path, contentType, ...none, ...more, body: Buffer.from(body) });
}

/** Producers make an append that was made already a duplicate. */
function post(path: string, body: string, seq: number, close = false): (store: StreamStore) => Promise<unknown> {
  return async (store) => {
    const entry = store.findSurely(path);
    if (entry === undefined) throw new Error(`${path} is not there`);
    const { stream, release } = await store.hold(entry);
    try {
      const producer = { id: "p", epoch: 0, seq };
      const { kind } = await stream.append(frameOf(Buffer.from(body), "application/json", { close, producer }));
      if (kind !== "appended" && kind !== "duplicate") throw new Error(`${path}: ${kind}`);
    } finally {
      release();
    }
  };
}

function remove(path: string): (store: StreamStore) => Promise<unknown> {
  return async (store) => {
    const entry = store.findSurely(path);
    if (entry !== undefined && !entry.meta.isDeleted) await store.delete(path);
  };
}

/** Makes a change of the model in a store. */
export async function make(store: StreamStore, change: Change): Promise<void> {
  const { path } = change;
  switch (change.kind) {
    case "create":
      await put(path, JSON.stringify(change.messages), { isClosed: change.isClosed })(store);
      break;
    case "fork":
      await put(path, "", { fork: { path: change.from, seq: change.seq, subOffset: change.subOffset } })(store);
      break;
    case "append":
      await post(path, JSON.stringify(change.messages), change.producerSeq, change.isClosed)(store);
      break;
    case "delete":
      await remove(path)(store);
  }
}

const open = (...messages: unknown[]): SeenStream => ({ messages, isClosed: false });
const closed = (...messages: unknown[]): SeenStream => ({ messages, isClosed: true });

/** Creation, appends, forks, closes and deletions, in an order in which each rests on those before. */
export const steps: readonly Step[] = [
  { name: "create a with a body", run: put("a", "[1,2]"), after: { a: open(1, 2) } },
  { name: "append to a", run: post("a", "[3,4]", 0), after: { a: open(1, 2, 3, 4) } },
  { name: "append to a again", run: post("a", '"x"', 1), after: { a: open(1, 2, 3, 4, "x") } },
  {
    name: "fork b inside a record of a",
    run: put("b", "", { fork: { path: "a", seq: 1, subOffset: 1 } }),
    after: { a: open(1, 2, 3, 4, "x"), b: open(1, 2, 3) },
  },
  {
    name: "append to b",
    run: post("b", '"own"', 0),
    after: { a: open(1, 2, 3, 4, "x"), b: open(1, 2, 3, "own") },
  },
  { name: "delete a, which b needs", run: remove("a"), after: { a: "gone", b: open(1, 2, 3, "own") } },
  {
    name: "create c closed",
    run: put("c", "[]", { isClosed: true }),
    after: { a: "gone", b: open(1, 2, 3, "own"), c: closed() },
  },
  {
    name: "append to b and close it",
    run: post("b", '"last"', 1, true),
    after: { a: "gone", b: closed(1, 2, 3, "own", "last"), c: closed() },
  },
  { name: "delete b, and a with it", run: remove("b"), after: { c: closed() } },
  { name: "create a anew", run: put("a", '{"new":true}'), after: { a: open({ new: true }), c: closed() } },
  { name: "delete c", run: remove("c"), after: { a: open({ new: true }) } },
];

/** The worlds before the first step, and after each. */
export const worlds: readonly World[] = [{}, ...steps.map(({ after }) => after)];

/** What there is. */
export async function look(store: StreamStore): Promise<World> {
  const world: Record<string, SeenStream | "gone"> = {};
  for (const path of ["a", "b", "c", "d"]) {
    const entry = store.findSurely(path);
    if (entry === undefined) continue;
    if (entry.meta.isDeleted) {
      world[path] = "gone";
      continue;
    }
    const source = await store.source(entry);
    try {
      const messages: unknown[] = [];
      for (let at = source.first; at < source.tail;) {
        const piece = await source.read(at, 1024);
        messages.push(...messagesOfPiece(piece));
        at = piece.next;
      }
      world[path] = { messages, isClosed: source.isClosed };
    } finally {
      source.release();
    }
  }
  return world;
}
