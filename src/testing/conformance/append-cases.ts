/** What an append takes, and what it gives back. */
import type { CaseBody } from "./conformance-case.ts";
import { given, holds, refusedAs, same } from "./rules.ts";
import { checkSeqs, collect, decode, fill, readAll, stored, textOf, textsIn } from "./stored.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The time in an id of version 7 (RFC 9562, section 5.7); NaN for one of version 4. */
function timeIn(id: string): number {
  return id[14] === "7" ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : Number.NaN;
}

/** Neither bytes nor well-formed text. */
const wrongData: readonly [string, unknown][] = [
  ["a number", 42],
  ["null", null],
  ["undefined", undefined],
  ["a plain object", { a: 1 }],
  ["an ArrayBuffer", new ArrayBuffer(3)],
  ["another typed array", new Uint16Array(3)],
  ["a lone high surrogate", "a\ud800b"],
  ["a lone low surrogate", "\udc00"],
];

export const appendCases: readonly CaseBody[] = [
  {
    name: "a new log is empty and begins with seq 0",
    async run(t) {
      const log = await t.open();
      same([log.firstSeq, log.nextSeq], [0, 0], "a new log has firstSeq 0 and nextSeq 0");
      same(await readAll(log), [], "a new log has no records");
      holds(log.location !== "", "location says where the log is");
    },
  },
  {
    name: "append resolves with the record's seq, id and time",
    async run(t) {
      const log = await t.open();
      const appended = [await log.append("first"), await log.append(new Uint8Array([1, 2, 3]))];
      const seqs = appended.map(({ seq }) => seq);
      checkSeqs(log, seqs, 0, "append resolves with the next seq");
      for (const { id, time } of appended) {
        holds(uuid.test(id), `append resolves with a lower-case UUID of version 4 or 7, got ${id}`);
        same(time.getTime(), timeIn(id), "append resolves with the time in the id");
      }
      const found = (await readAll(log)).map(({ seq, id, time }) => ({ seq, id, time }));
      const wanted = appended.map(({ seq, id, time }) => ({ seq, id, time: time.getTime() }));
      same(found, wanted, "a record is read with the seq, id and time that its append resolved to");
    },
  },
  {
    name: "an acknowledged record is there at once, for every way to read it",
    async run(t) {
      const log = await t.open();
      for (let i = 0; i < 5; i++) {
        const { seq, id } = await log.append(textOf(i));
        holds(log.nextSeq > seq, "nextSeq is past an acknowledged record");
        same((await log.get(seq))?.id, id, "get gives a record as soon as its append resolved");
        const last = (await readAll(log)).at(-1);
        same(last?.id, id, "a read gives a record as soon as its append resolved");
        same((await log.stats()).nextSeq, log.nextSeq, "stats counts a record as soon as its append resolved");
      }
    },
  },
  {
    name: "records get their seqs in the order of the calls, in every form",
    async run(t) {
      const log = await t.open();
      const [a, bc, d, e] = await Promise.all([
        log.append("a"),
        log.appendBatch(["b", "c"]),
        log.append("d"),
        log.appendBatch(["e"]),
      ]);
      const seqs = [a.seq, bc.first, bc.last, d.seq, e.first];
      checkSeqs(log, seqs, 0, "seqs follow the order of the calls");
      same(await textsIn(log), ["a", "b", "c", "d", "e"], "records are stored in the order of the calls");
    },
  },
  {
    name: "of concurrent callers each one's records keep their order, and none is lost or doubled",
    async run(t) {
      const log = await t.open();
      const callers = Array.from({ length: 8 }, async (_, caller) => {
        const seqs: number[] = [];
        for (let i = 0; i < 10; i++) seqs.push((await log.append(`${caller} ${i}`)).seq);
        return seqs;
      });
      const seqs = (await Promise.all(callers)).map((own, caller) => {
        same(
          own.toSorted((a, b) => a - b),
          own,
          `caller ${caller}, who awaited each append, has growing seqs`,
        );
        return own;
      });
      const records = await readAll(log);
      const all = seqs.flat().sort((a, b) => a - b);
      same(
        records.map(({ seq }) => seq),
        all,
        "every acknowledged seq is read once",
      );
      for (const [caller, own] of seqs.entries()) {
        for (const [i, seq] of own.entries()) {
          const record = records.find((found) => found.seq === seq);
          same(record?.text, `${caller} ${i}`, `seq ${seq} holds what the append that resolved to it was given`);
        }
      }
    },
  },
  {
    name: "ids are all different, and times never go back",
    async run(t) {
      const log = await t.open();
      const records = await fill(log, 200);
      same(new Set(records.map(({ id }) => id)).size, 200, "no two records have the same id");
      const times = records.map(({ time }) => time).filter((time) => !Number.isNaN(time));
      same(
        times,
        times.toSorted((a, b) => a - b),
        "times never go back in the order of seqs",
      );
    },
  },
  {
    name: "data is copied before append returns",
    async run(t) {
      const log = await t.open();
      const reused = new Uint8Array(Buffer.from("one"));
      const appends: Promise<unknown>[] = [log.append(reused)];
      reused.set(Buffer.from("two"));
      appends.push(log.appendBatch([reused, reused.subarray(1)]));
      reused.set(Buffer.from("xxx"));
      await Promise.all(appends);
      same(await textsIn(log), ["one", "two", "wo"], "a caller may reuse its buffer when append has returned");
    },
  },
  {
    name: "a view is stored as the view, not as the buffer behind it",
    async run(t) {
      const log = await t.open();
      const whole = Buffer.from("0123456789");
      await log.append(whole.subarray(3, 6));
      await log.append(new Uint8Array(whole.buffer, whole.byteOffset + 8, 2));
      same(await textsIn(log), ["345", "89"], "of a view its own bytes are stored");
    },
  },
  {
    name: "empty data is a record, as text, as bytes and in a batch",
    async run(t) {
      const log = await t.open();
      await log.append("");
      await log.append(new Uint8Array());
      await log.appendBatch(["", "x", new Uint8Array()]);
      same(await textsIn(log), ["", "", "", "x", ""], "empty data is a record of its own");
    },
  },
  {
    name: "bytes of every value and of many sizes come back as they are",
    async run(t) {
      const log = await t.open();
      const sizes = [1, 2, 31, 32, 33, 255, 256, 257, 4063, 4064, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000];
      const data = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 0xff));
      await Promise.all(data.map((bytes) => log.append(bytes)));
      const found = await collect(log.read());
      same(found.length, data.length, "every record is read");
      for (const [i, record] of found.entries()) {
        const isSame = Buffer.compare(record.bytes, data[i] as Uint8Array) === 0;
        holds(isSame, `a record of ${sizes[i] ?? 0} bytes is read byte for byte`);
        holds(record.bytes instanceof Uint8Array, "bytes are a Uint8Array");
      }
    },
  },
  {
    name: "text is stored as UTF-8, and read back as bytes",
    async run(t) {
      const log = await t.open();
      const texts = ["grüße", "€", "🙂", "\ufeffwith a byte order mark", "a\u0000b", "\r\n"];
      for (const text of texts) await log.append(text);
      const records = await collect(log.read());
      same(
        records.map(({ bytes }) => decode(bytes)),
        texts,
        "text is stored as UTF-8, unchanged",
      );
      const [record] = records;
      same(record?.data, record?.bytes, "without a codec data is bytes");
    },
  },
  {
    name: "what is neither bytes nor well-formed text is a TypeError, and nothing is appended",
    async run(t) {
      const log = await t.open();
      for (const [name, data] of wrongData) {
        const wrong = data as string;
        await refusedAs(() => log.append(wrong), TypeError, `append of ${name} is a TypeError`);
        await refusedAs(() => log.appendBatch(["fine", wrong]), TypeError, `a batch with ${name} is a TypeError`);
      }
      same(await textsIn(log), [], "of refused data nothing is appended, of a batch not even what was fine");
      const { seq } = await log.append("next");
      same(seq, 0, "refused data takes no seq");
    },
  },
  {
    name: "a record of the largest size passes, one byte more is a RangeError",
    needs: "maxRecordBytes",
    async run(t) {
      const most = t.target.maxRecordBytes as number;
      const log = await t.open();
      const largest = new Uint8Array(most).fill(0x61);
      await log.append(largest);
      const tooLarge = new Uint8Array(most + 1);
      await refusedAs(() => log.append(tooLarge), RangeError, "data over the limit is a RangeError");
      await refusedAs(() => log.appendBatch(["fine", tooLarge]), RangeError, "a batch with it is a RangeError");
      const wide = "€".repeat(Math.floor(most / 3) + 1);
      await refusedAs(() => log.append(wide), RangeError, "text counts by its UTF-8 bytes");
      const found = await collect(log.read());
      same(found.length, 1, "of data over the limit nothing is appended");
      const bytes = given(found[0], "the largest record is read").bytes;
      holds(Buffer.compare(bytes, largest) === 0, "the largest record is read byte for byte");
      same(stored(given(await log.get(0), "get gives the largest record")).seq, 0, "the largest record has seq 0");
    },
  },
];
