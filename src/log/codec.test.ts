import { expect, expectTypeOf, test } from "vitest";
import { collect, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { SeqlogError } from "../errors.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { type Codec, type StandardSchema, binary, json, text } from "./codec.ts";
import { FileLog } from "./file-log.ts";
import type { Log } from "./log.ts";

type Result<O> = { value: O } | { issues: { message: string; path?: readonly PropertyKey[] }[] };

/** A schema as Zod, Valibot and others make them, by hand. */
function schemaOf<I, O>(validate: (value: unknown) => Result<O>): StandardSchema<I, O> {
  return { "~standard": { version: 1, vendor: "by-hand", validate } };
}

/** Takes `{ amount: "3" }`, gives `{ amount: 3 }`. */
const order = schemaOf<{ amount: string }, { amount: number }>((value) => {
  const { amount } = value as { amount?: unknown };
  return typeof amount === "string" && /^\d+$/.test(amount)
    ? { value: { amount: Number(amount) } }
    : { issues: [{ message: "not a number in digits", path: ["amount"] }] };
});

test("without a codec data is bytes", async () => {
  const log = await FileLog.open(newPath());
  await log.append("text");
  const record = await log.get(0);
  expect(record?.data).toEqual(new Uint8Array(Buffer.from("text")));
  expect(record?.data).toBeInstanceOf(Uint8Array);
  expectTypeOf(log).toEqualTypeOf<FileLog<Uint8Array | string, Uint8Array>>();
  await log.close();
});

test("json() stores values and gives them back, through every way in and out", async () => {
  const log = await FileLog.open(newPath(), { codec: json<{ n: number; s?: string }>() });
  await log.append({ n: 0, s: "ü\u0000\ud800" });
  await log.appendBatch([{ n: 1 }, { n: 2 }]);
  log.appendSync({ n: 3 });
  log.appendBatchSync([{ n: 4 }]);
  expect((await collect(log.read())).map(({ data }) => data)).toEqual([
    { n: 0, s: "ü\u0000\ud800" },
    { n: 1 },
    { n: 2 },
    { n: 3 },
    { n: 4 },
  ]);
  expect((await log.get(3))?.data).toEqual({ n: 3 });
  expect(log.getSync(4)?.data).toEqual({ n: 4 });
  const [batch] = await collect(log.readBatches());
  expect(batch?.dataAt(1)).toEqual({ n: 1 });
  expect(Buffer.from(batch?.bytesAt(1) ?? []).toString()).toBe('{"n":1}');
  await log.close();
});

test.each([
  ["undefined", undefined],
  ["a function", () => 1],
  ["a symbol", Symbol("x")],
  ["a BigInt", 1n],
])("json() refuses %s, which has no JSON form, with a TypeError", async (_name, value) => {
  const log = await FileLog.open(newPath(), { codec: json() });
  await expect(log.append(value)).rejects.toBeInstanceOf(TypeError);
  await expect(log.appendBatch([1, value])).rejects.toBeInstanceOf(TypeError);
  expect(() => log.appendSync(value)).toThrow(TypeError);
  expect(log.appendSync("next")).toMatchObject({ seq: 0 });
  await log.close();
});

test("json(schema) takes the schema's input, stores it as it is, and gives its output", async () => {
  const log = await FileLog.open(newPath(), { codec: json(order) });
  expectTypeOf(log).toEqualTypeOf<FileLog<{ amount: string }, { amount: number }>>();
  await log.append({ amount: "3" });
  expect(await textsOf(log)).toEqual(['{"amount":"3"}']);
  expect((await log.get(0))?.data).toEqual({ amount: 3 });
  await log.close();
});

test("a value that the schema refuses is a TypeError with its complaints, and nothing is appended", async () => {
  const log = await FileLog.open(newPath(), { codec: json(order) });
  await expect(log.append({ amount: "three" })).rejects.toThrow(
    new TypeError("the schema refuses this value: amount: not a number in digits"),
  );
  await expect(log.appendBatch([{ amount: "1" }, { amount: "x" }])).rejects.toBeInstanceOf(TypeError);
  expect(log.nextSeq).toBe(0);
  await log.close();
});

test("a stored record that the schema refuses is SEQLOG_INVALID_DATA with its seq and bytes; the others are read", async () => {
  const path = newPath();
  const plain = await FileLog.open(path, { codec: json() });
  await plain.appendBatch([{ amount: "1" }, { amount: 2 }, { amount: "3" }]);
  await plain.close();
  const log = await FileLog.open(path, { codec: json(order) });
  const records = await collect(log.read());
  expect(records[0]?.data).toEqual({ amount: 1 });
  expect(records[2]?.data).toEqual({ amount: 3 });
  const error = thrown(() => records[1]?.data);
  expect(error).toMatchObject({ code: "SEQLOG_INVALID_DATA", facts: { seq: 1 } });
  if (!SeqlogError.is(error, "SEQLOG_INVALID_DATA")) return expect.unreachable();
  expect(Buffer.from(error.facts.bytes).toString()).toBe('{"amount":2}');
  expect(error.facts.reason).toContain("amount: not a number in digits");
  expect(Buffer.from(records[1]?.bytes ?? []).toString()).toBe('{"amount":2}');
  await log.close();
});

test("stored bytes that are no JSON, or no UTF-8, are SEQLOG_INVALID_DATA", async () => {
  const path = newPath();
  const bytes = await FileLog.open(path);
  await bytes.appendBatch(["{", new Uint8Array([0x22, 0xff, 0x22])]);
  await bytes.close();
  const log = await FileLog.open(path, { codec: json() });
  for (const record of await collect(log.read())) {
    expect(thrown(() => record.data)).toMatchObject({ code: "SEQLOG_INVALID_DATA", facts: { seq: record.seq } });
  }
  await log.close();
});

test("a schema that validates asynchronously is a TypeError", async () => {
  const slow: StandardSchema<number> = {
    "~standard": { version: 1, vendor: "slow", validate: (value) => Promise.resolve({ value }) },
  };
  const log = await FileLog.open(newPath(), { codec: json(slow) });
  await expect(log.append(1)).rejects.toThrow(/^the slow schema validates asynchronously/);
  await log.close();
});

test("an asynchronous validation that fails later ends nothing", async () => {
  const failing: StandardSchema<number> = {
    "~standard": { version: 1, vendor: "failing", validate: () => Promise.reject(new Error("later")) },
  };
  const unhandled: unknown[] = [];
  const note = (reason: unknown): number => unhandled.push(reason);
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", note);
  try {
    expect(() => json(failing).encode(1)).toThrow("the failing schema validates asynchronously");
    // Node tells of unhandled rejections after the microtasks of a turn.
    await nodeMachine.clock.turn();
  } finally {
    process.off("unhandledRejection", note);
    for (const listener of others) process.on("unhandledRejection", listener);
  }
  expect(unhandled).toEqual([]);
});

test.each([
  ["a plain object", {}],
  ["null", null],
  ["a validator that is no Standard Schema", { parse: () => 1 }],
  ["a later version", { "~standard": { version: 2, vendor: "v2", validate: () => ({ value: 1 }) } }],
])("json() refuses %s as a schema, when it is made", (_name, schema) => {
  expect(() => json(schema as never)).toThrow(/^json\(\) takes a schema that implements Standard Schema v1/);
});

test("a schema may be a function, may transform, and may give paths of keys, symbols and segments", async () => {
  const callable = Object.assign(
    () => undefined,
    schemaOf<{ at: string }, { at: Date }>((value) => {
      const at = new Date((value as { at: string }).at);
      return Number.isNaN(at.getTime())
        ? { issues: [{ message: "no date", path: [{ key: "at" }, 0, Symbol("x")] as never }, { message: "at all" }] }
        : { value: { at } };
    }),
  );
  const log = await FileLog.open(newPath(), { codec: json(callable) });
  expectTypeOf(log).toEqualTypeOf<FileLog<{ at: string }, { at: Date }>>();
  await log.append({ at: "2020-02-02" });
  expect((await log.get(0))?.data.at).toEqual(new Date("2020-02-02"));
  await expect(log.append({ at: "never" })).rejects.toThrow(
    "the schema refuses this value: at.0.Symbol(x): no date; at all",
  );
  await log.close();
});

test("binary() stores bytes, refuses all else, and says so in MANIFEST", async () => {
  const log = await FileLog.open(newPath(), { codec: binary() });
  expectTypeOf(log).toEqualTypeOf<FileLog<Uint8Array, Uint8Array>>();
  await log.append(new Uint8Array([0, 255]));
  await log.append(Buffer.from("b"));
  const kinds: [unknown, string][] = [
    ["text", "string"],
    [[1, 2], "Array"],
    [new ArrayBuffer(1), "ArrayBuffer"],
    [null, "null"],
    [undefined, "undefined"],
  ];
  for (const [value, kind] of kinds) {
    const refusal = new TypeError(`binary() stores a Uint8Array, got ${kind}; nothing was appended`);
    await expect(log.append(value as Uint8Array)).rejects.toThrow(refusal);
  }
  expect((await collect(log.read())).map(({ data }) => [...data])).toEqual([[0, 255], [98]]);
  await log.close();
  await expect(FileLog.open(log.location, { codec: json() })).rejects.toThrow('with the codec "binary", not "json"');
});

test("a log's type follows from its codec, on every way in and out", async () => {
  const hex: Codec<number, string> = {
    name: "hex",
    encode: (value) => value.toString(16),
    decode: (bytes) => Buffer.from(bytes).toString(),
  };
  const log = await FileLog.open(newPath(), { codec: hex });
  expectTypeOf(log.append).parameter(0).toEqualTypeOf<number>();
  expectTypeOf(log.appendBatch).parameter(0).toEqualTypeOf<readonly number[]>();
  expectTypeOf(log.appendSync).parameter(0).toEqualTypeOf<number>();
  await log.append(255);
  const record = await log.get(0);
  expectTypeOf(record?.data).toEqualTypeOf<string | undefined>();
  expect(record?.data).toBe("ff");
  const contract: Log<number, string> = log;
  for await (const batch of contract.readBatches()) expectTypeOf(batch.dataAt(0)).toEqualTypeOf<string>();
  // @ts-expect-error the codec takes numbers
  const wrong = (): unknown => log.append("255");
  expect(wrong).toBeTypeOf("function");
  await log.close();
});

test("text() stores strings as UTF-8", async () => {
  const log = await FileLog.open(newPath(), { codec: text() });
  await log.appendBatch(["grüße", "", "\ufeffwith a byte order mark", "🙂"]);
  expect((await collect(log.read())).map(({ data }) => data)).toEqual([
    "grüße",
    "",
    "\ufeffwith a byte order mark",
    "🙂",
  ]);
  await expect(log.append("\udc00")).rejects.toBeInstanceOf(TypeError);
  await expect(log.append(7 as unknown as string)).rejects.toBeInstanceOf(TypeError);
  await log.close();
});

test("text() stores nothing that it would refuse to read", async () => {
  const log = await FileLog.open(newPath(), { codec: text() });
  const bytes = new Uint8Array([0xff]) as unknown as string;
  await expect(log.append(bytes)).rejects.toBeInstanceOf(TypeError);
  await log.close();
});

test("a log is opened with the codec that wrote it or with none; another one is a TypeError that changes nothing", async () => {
  const path = newPath();
  const log = await FileLog.open(path, { codec: json() });
  await log.append([1]);
  await log.close();
  await expect(FileLog.open(path, { codec: text() })).rejects.toThrow(
    new TypeError(
      `${path}: this log was written with the codec "json", not "text". Open it with that one, or with none for plain bytes`,
    ),
  );
  await expect(FileLog.open(path, { codec: text(), readOnly: true })).rejects.toBeInstanceOf(TypeError);
  expect(() => FileLog.openSync(path, { codec: text() })).toThrow(TypeError);
  const plain = await FileLog.open(path);
  expect(await textsOf(plain)).toEqual(["[1]"]);
  await plain.close();
  // Opening it plainly has not made it a plain log.
  await expect(FileLog.open(path, { codec: text() })).rejects.toBeInstanceOf(TypeError);
  const again = await FileLog.open(path, { codec: json(), readOnly: true });
  expect((await again.get(0))?.data).toEqual([1]);
  await again.close();
});

function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
