/** What streams are, in memory: the same changes as a store makes, and nothing that could be lost. */
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { World } from "./stream-worlds.ts";

/** One stream; records hold messages. */
interface ModelStream {
  readonly records: readonly (readonly number[])[];
  readonly isClosed: boolean;
  readonly isDeleted: boolean;
  /** Tells it from others that had its name. */
  readonly id: number;
  /** The id of the stream that it was forked from. */
  readonly source: number | undefined;
  /** The producer's next seq; of a fork 0. */
  readonly nextProducerSeq: number;
}

/** Streams by name. */
export type Model = ReadonlyMap<string, ModelStream>;

/** A change of streams. */
export type Change =
  | { readonly kind: "create"; readonly path: string; readonly messages: readonly number[]; readonly isClosed: boolean }
  | {
      readonly kind: "fork";
      readonly path: string;
      readonly from: string;
      readonly seq: number;
      readonly subOffset: number;
    }
  | {
      readonly kind: "append";
      readonly path: string;
      readonly messages: readonly number[];
      readonly isClosed: boolean;
      readonly producerSeq: number;
    }
  | { readonly kind: "delete"; readonly path: string };

const paths = ["a", "b", "c", "d"];
let ids = 0;

/** A change that can be made, drawn at random. */
export function drawChange(model: Model, random: SeededRandom): Change {
  const live = [...model].filter(([, { isDeleted }]) => !isDeleted).map(([path]) => path);
  const free = paths.filter((path) => !model.has(path));
  const messages = (least: number): number[] =>
    Array.from({ length: least + Math.floor(random.next() * 3) }, () => Math.floor(random.next() * 1e6));
  const kind = random.pick(["create", "fork", "append", "append", "append", "append", "delete"] as const);
  if (free.length > 0 && (live.length === 0 || kind === "create")) {
    return { kind: "create", path: random.pick(free), messages: messages(0), isClosed: random.chance(0.1) };
  }
  if (free.length > 0 && kind === "fork") {
    const from = random.pick(live);
    const { records } = model.get(from) as ModelStream;
    const seq = Math.floor(random.next() * (records.length + 1));
    const subOffset = Math.floor(random.next() * ((records[seq]?.length ?? 0) + 1));
    return { kind, path: random.pick(free), from, seq, subOffset };
  }
  const path = random.pick(live.length > 0 ? live : [...model.keys()]);
  const stream = model.get(path) as ModelStream;
  if (stream.isDeleted || stream.isClosed || kind === "delete") {
    return { kind: "delete", path: live.length > 0 ? path : random.pick(live) };
  }
  const { nextProducerSeq: producerSeq } = stream;
  return { kind: "append", path, messages: messages(1), isClosed: random.chance(0.1), producerSeq };
}

/** The streams after a change. */
export function changed(model: Model, change: Change): Model {
  const next = new Map(model);
  switch (change.kind) {
    case "create": {
      const { messages, isClosed } = change;
      const records = messages.length > 0 ? [messages] : [];
      next.set(change.path, { records, isClosed, isDeleted: false, id: ids++, source: undefined, nextProducerSeq: 0 });
      break;
    }
    case "fork": {
      const source = model.get(change.from) as ModelStream;
      const cut = source.records[change.seq]?.slice(0, change.subOffset) ?? [];
      const records = [...source.records.slice(0, change.seq), ...(cut.length > 0 ? [cut] : [])];
      next.set(change.path, {
        records,
        isClosed: false,
        isDeleted: false,
        id: ids++,
        source: source.id,
        nextProducerSeq: 0,
      });
      break;
    }
    case "append": {
      const stream = model.get(change.path) as ModelStream;
      const records = [...stream.records, change.messages];
      next.set(change.path, { ...stream, records, isClosed: change.isClosed, nextProducerSeq: change.producerSeq + 1 });
      break;
    }
    case "delete":
      remove(next, change.path);
  }
  return next;
}

/** What has forks stays for them, and goes with the last one. */
function remove(model: Map<string, ModelStream>, path: string): void {
  const stream = model.get(path) as ModelStream;
  if ([...model.values()].some(({ source }) => source === stream.id)) {
    model.set(path, { ...stream, isDeleted: true });
    return;
  }
  model.delete(path);
  const source = [...model].find(([, { id }]) => id === stream.source);
  if (source?.[1].isDeleted === true) remove(model, source[0]);
}

/** The model as clients see it. */
export function worldOf(model: Model): World {
  return Object.fromEntries(
    [...model].map(([path, { records, isClosed, isDeleted }]) => [
      path,
      isDeleted ? ("gone" as const) : { messages: records.flat(), isClosed },
    ]),
  );
}
