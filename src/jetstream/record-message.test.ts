import { expect, test } from "vitest";
import { crcText, recordHeaders } from "./record-message.ts";

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

test("a CRC has eight digits, and is never negative", () => {
  expect([0, 1, 0xffffffff, -1].map(crcText)).toEqual(["00000000", "00000001", "ffffffff", "ffffffff"]);
});
