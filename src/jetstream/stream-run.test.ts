import { describe, expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import { crc32 } from "../format/crc32.ts";
import { LogRecord } from "../segment/log-record.ts";
import { crcText, header } from "./record-message.ts";
import { checkedRecord, runsOf } from "./stream-run.ts";

const location = "nats://a/events";
const id = "01890a5d-ac96-774b-8cce-b302099a8057";

function headersOf(values: Record<string, string>): { get(name: string): string } {
  return { get: (name) => values[name] ?? "" };
}

function recordOf(seq: number, text = `record ${seq}`): ReturnType<typeof checkedRecord> {
  const data = Buffer.from(text);
  return checkedRecord(location, seq, headersOf({ [header.id]: id, [header.crc]: crcText(crc32(data)) }), data);
}

describe("a message", () => {
  const data = Buffer.from("data");
  const crc = crcText(crc32(data));

  test.each([
    ["without headers", undefined, /somebody else/],
    ["with another CRC", headersOf({ [header.id]: id, [header.crc]: "00000000" }), /CRC-32 of its data/],
    ["without an id", headersOf({ [header.crc]: crc }), /somebody else/],
    ["with an id that is none", headersOf({ [header.id]: "7", [header.crc]: crc }), /not the UUID/],
  ])("%s is damage, which names the record", (_name, headers, reason) => {
    let found: unknown;
    try {
      checkedRecord(location, 41, headers, data);
    } catch (error) {
      found = error;
    }
    expect(SeqlogError.is(found, "SEQLOG_DAMAGED")).toBe(true);
    expect(found).toMatchObject({
      facts: { file: location, seq: 41, reason: expect.stringMatching(reason) as string },
      message: expect.stringContaining("message 42") as string,
    });
  });

  test("with its id and CRC is a record with them", () => {
    const [run] = runsOf([recordOf(41)], 1000, "events");
    const record = new LogRecord(run as never, 0, (bytes) => Buffer.from(bytes).toString());
    expect(record).toMatchObject({ seq: 41, id, data: "record 41", segment: "events" });
  });
});

describe("runs", () => {
  test("end at a hole, and at maxBytes, or hold one record", () => {
    const records = [0, 1, 2, 5, 6].map((seq) => recordOf(seq, "x".repeat(68)));
    const placesOf = (maxBytes: number): number[][] =>
      [...runsOf(records, maxBytes, "events")].map(({ firstSeq, starts }) => [firstSeq, starts.length]);
    expect(placesOf(1000)).toEqual([
      [0, 3],
      [5, 2],
    ]);
    expect(placesOf(200)).toEqual([
      [0, 2],
      [2, 1],
      [5, 2],
    ]);
    expect(placesOf(1)).toEqual([0, 1, 2, 5, 6].map((seq) => [seq, 1]));
    expect([...runsOf([], 1000, "events")]).toEqual([]);
  });
});
