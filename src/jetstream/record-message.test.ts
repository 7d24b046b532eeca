import { expect, test } from "vitest";
import { writeHeader } from "../format/record.ts";
import { parseId } from "../format/uuid.ts";
import { copiedHeaders, crcText, recordHeaders } from "./record-message.ts";

test("the headers of a record, byte for byte", () => {
  const id = "01890a5d-ac96-774b-bcce-b302099a8057";
  const block = recordHeaders(id, Buffer.from("123456789"), 41).encode();
  expect(Buffer.from(block).toString()).toBe(
    [
      "NATS/1.0",
      `Nats-Msg-Id: ${id}`,
      `Seqlog-Id: ${id}`,
      "Seqlog-Crc: cbf43926",
      "Nats-Expected-Last-Sequence: 41",
      "",
      "",
    ].join("\r\n"),
  );
});

test.each([0, 9, 10, 41, 999_999, 1_000_000, 2 ** 40])(
  "the headers of a record that is copied to be message %i are the same",
  (last) => {
    const id = "01890a5d-ac96-774b-bcce-b302099a8057";
    const data = Buffer.from("123456789");
    const bytes = new Uint8Array(100);
    writeHeader(new DataView(bytes.buffer), 7, data.length, 7, 0xcbf43926);
    bytes.set(parseId(id), 7 + 16);
    const block = copiedHeaders(bytes, 7, last).encode();
    expect(Buffer.from(block).toString()).toBe(Buffer.from(recordHeaders(id, data, last).encode()).toString());
  },
);

test("a CRC has eight digits, and is never negative", () => {
  expect([0, 1, 0xffffffff, -1].map(crcText)).toEqual(["00000000", "00000001", "ffffffff", "ffffffff"]);
});
