import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Frame, decodeFrame, encodeFrame, isCloseOnly } from "./frame.ts";

const plain: Frame = {
  close: false,
  producer: undefined,
  streamSeq: undefined,
  lengths: undefined,
  payload: Buffer.from("data"),
};

const headerText = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((c) => String.fromCharCode(c)) });
const count = fc.maxSafeNat();

const frames = fc
  .record({
    close: fc.boolean(),
    producer: fc.option(fc.record({ id: headerText, epoch: count, seq: count }), { nil: undefined }),
    streamSeq: fc.option(headerText, { nil: undefined }),
    messages: fc.option(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 }), {
      nil: undefined,
    }),
    bytes: fc.uint8Array(),
  })
  .map(({ close, producer, streamSeq, messages, bytes }): Frame => {
    const lengths = messages && Uint32Array.from(messages, (message) => message.length);
    const parts = messages?.flatMap((message, i) => (i === 0 ? [message] : [Buffer.from(","), message]));
    return { close, producer, streamSeq, lengths, payload: parts === undefined ? bytes : Buffer.concat(parts) };
  });

/** Buffers and plain arrays alike. */
function comparable(frame: Frame): unknown {
  return { ...frame, payload: [...frame.payload] };
}

test("every frame comes back as it was", () => {
  fc.assert(
    fc.property(frames, (frame) => {
      expect(comparable(decodeFrame(encodeFrame(frame)))).toEqual(comparable(frame));
    }),
  );
});

test("the payload is a view of the record, not a copy", () => {
  const bytes = encodeFrame(plain);
  expect(decodeFrame(bytes).payload.buffer).toBe(bytes.buffer);
});

test("any bytes are a frame or a TypeError, and nothing large is made for them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        decodeFrame(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      }
    }),
  );
});

describe("what is no frame is refused", () => {
  test.each([
    ["nothing", []],
    ["one byte", [1]],
    ["another version", [2, 0]],
    ["a flag that nobody knows", [1, 16]],
    ["an id that is cut", [1, 2, 0, 0, 5, 65]],
    ["a number that is cut", [1, 2, 0x80]],
    ["a number past 2^53", [1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["more messages than bytes", [1, 8, 0xff, 0xff, 0x7f]],
    ["lengths that are not the payload's", [1, 8, 1, 3, 0x31]],
  ])("%s", (_, bytes) => {
    expect(() => decodeFrame(Uint8Array.from(bytes))).toThrow(TypeError);
  });
});

test("a close brings no data when its payload is empty", () => {
  const payload = new Uint8Array(0);
  expect(isCloseOnly({ ...plain, close: true })).toBe(false);
  expect(isCloseOnly({ ...plain, close: true, payload })).toBe(true);
  expect(isCloseOnly({ ...plain, close: true, payload, lengths: new Uint32Array(0) })).toBe(true);
  expect(isCloseOnly({ ...plain, payload })).toBe(false);
});
