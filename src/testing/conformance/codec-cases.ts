/** Values instead of bytes. */
import { SeqlogError } from "../../errors.ts";
import { type Codec, type StandardSchema, json, text } from "../../log/codec.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, holds, refusedAs, same, thrownBy } from "./rules.ts";
import { collect, decode, textsIn } from "./stored.ts";

/** Takes `{ amount: "3" }`, gives `{ amount: 3 }`. */
const order: StandardSchema<{ amount: string }, { amount: number }> = {
  "~standard": {
    version: 1,
    vendor: "seqlog-conformance",
    validate(value) {
      const { amount } = value as { amount?: unknown };
      return typeof amount === "string" && /^\d+$/.test(amount)
        ? { value: { amount: Number(amount) } }
        : { issues: [{ message: "not a number in digits", path: ["amount"] }] };
    },
  },
};

/** The error of reading a stored record that the codec refuses. */
function checkInvalid(read: () => unknown, seq: number, bytes: string): void {
  const rule = "a stored record that the codec refuses is SEQLOG_INVALID_DATA when its data is asked for";
  const error = thrownBy(read, rule);
  holds(SeqlogError.is(error, "SEQLOG_INVALID_DATA"), rule);
  same(error.facts.seq, seq, `${rule} (facts.seq)`);
  same(decode(error.facts.bytes), bytes, `${rule} (facts.bytes)`);
  holds(error.facts.reason !== "", `${rule} (facts.reason)`);
}

export const codecCases: readonly CaseBody[] = [
  {
    name: "json() stores values as JSON and gives them back, through every way in and out",
    async run(t) {
      const log = await t.openWithCodec(json<unknown>());
      const values = [{ n: 0, s: "ü\u0000\ud800" }, [1, null, "two"], "text", 3.5, true, null];
      const { seq, id } = await log.append(values[0]);
      await log.appendBatch(values.slice(1));
      const records = await collect(log.read());
      same(
        records.map(({ data }) => data),
        values,
        "a read gives the values",
      );
      same(
        records.map(({ bytes }) => decode(bytes)),
        values.map((value) => JSON.stringify(value)),
        "stored as JSON",
      );
      same((await log.get(seq))?.data, values[0], "get gives the value");
      if (log.supports.findById) same((await log.find(id))?.data, values[0], "find gives the value");
      const batches = await collect(log.readBatches());
      const inBatches = batches.flatMap((batch) => Array.from({ length: batch.count }, (_, i) => batch.dataAt(i)));
      same(inBatches, values, "readBatches gives the values");
      const backward = await collect(log.read({ reverse: true, limit: 2 }));
      same(
        backward.map(({ data }) => data),
        [null, true],
        "a read in reverse gives the values",
      );
    },
  },
  {
    name: "a value that the codec refuses is its error, and nothing is appended",
    async run(t) {
      const log = await t.openWithCodec(json<unknown>());
      for (const value of [undefined, () => 1, Symbol("x"), 1n]) {
        await refusedAs(() => log.append(value), TypeError, `json() refuses ${typeof value}`);
        await refusedAs(() => log.appendBatch([1, value]), TypeError, `json() refuses a batch with ${typeof value}`);
      }
      same(log.nextSeq, 0, "nothing is appended, of a batch not even what was fine");
      const strict = await t.openWithCodec(json(order), "strict");
      const wrong = { amount: "three" };
      await refusedAs(() => strict.append(wrong), TypeError, "a value that the schema refuses is a TypeError");
      await refusedAs(() => strict.appendBatch([{ amount: "1" }, wrong]), TypeError, "and so is a batch with it");
      same(strict.nextSeq, 0, "nothing is appended");
    },
  },
  {
    name: "json(schema) stores the schema's input and gives its output",
    async run(t) {
      const log = await t.openWithCodec(json(order));
      await log.append({ amount: "3" });
      const [record] = await collect(log.read());
      same(decode(given(record, "a record").bytes), '{"amount":"3"}', "the input is stored as it was given");
      same(record?.data, { amount: 3 }, "the output is given");
    },
  },
  {
    name: "a stored record that the codec refuses is SEQLOG_INVALID_DATA with its seq and bytes; the others are read",
    async run(t) {
      const plain = await t.open();
      const texts = ['{"amount":"1"}', '{"amount":2}', "{", '{"amount":"3"}'];
      await plain.appendBatch(texts);
      await plain.append(new Uint8Array([0x22, 0xff, 0x22]));
      await plain.close();
      const log = await t.openWithCodec(json(order));
      const records = await collect(log.read());
      same(records.length, 5, "a read goes on over records that the codec refuses");
      same([records[0]?.data, records[3]?.data], [{ amount: 1 }, { amount: 3 }], "the others are read");
      for (const i of [1, 2, 4]) {
        const record = given(records[i], "a record");
        checkInvalid(() => record.data, record.seq, decode(record.bytes));
        const found = given(await log.get(record.seq), "get gives a record whose data is refused");
        checkInvalid(() => found.data, record.seq, decode(record.bytes));
      }
      for (const batch of await collect(log.readBatches({ from: records[1]?.seq ?? 1, limit: 1 }))) {
        checkInvalid(() => batch.dataAt(0), batch.first, texts[1] as string);
      }
    },
  },
  {
    name: "text() stores strings, and nothing that it would refuse to read",
    async run(t) {
      const log = await t.openWithCodec(text());
      const texts = ["grüße", "", "\ufeffwith a byte order mark", "🙂"];
      await log.appendBatch(texts);
      same(
        (await collect(log.read())).map(({ data }) => data),
        texts,
        "a read gives the strings",
      );
      for (const wrong of ["\udc00", 7, new Uint8Array([0xff])]) {
        await refusedAs(() => log.append(wrong as string), TypeError, "text() takes well-formed strings");
      }
      same((await log.stats()).records, texts.length, "nothing of what was refused is stored");
    },
  },
  {
    name: "a codec of the program's own works in both directions, and may give bytes or text",
    async run(t) {
      const numbers: Codec<number, bigint> = {
        name: "seqlog-conformance-numbers",
        encode: (value) => (value < 0 ? String(value) : new Uint8Array(Buffer.from(String(value)))),
        decode: (bytes) => BigInt(decode(bytes)),
      };
      const log = await t.openWithCodec(numbers);
      await log.append(-7);
      await log.appendBatch([8, -9]);
      same(
        (await collect(log.read())).map(({ data }) => data),
        [-7n, 8n, -9n],
        "data goes through the codec both ways",
      );
      await log.close();
      const plain = await t.open();
      same(await textsIn(plain), ["-7", "8", "-9"], "without a codec the same log gives the bytes");
    },
  },
];
