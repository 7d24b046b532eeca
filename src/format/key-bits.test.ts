import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { keyBits } from "./key-bits.ts";
import { isRecordId } from "./uuid.ts";

const secret = Buffer.alloc(32, "secret");

test("all bits but version and variant are the first of the HMAC", () => {
  const bits = Buffer.from(keyBits(secret, "order 7"));
  const mac = createHmac("sha256", secret).update("order 7").digest().subarray(0, 10);
  expect(bits[0]).toBe(((mac[0] as number) & 0x0f) | 0x70);
  expect(bits[2]).toBe(((mac[2] as number) & 0x3f) | 0x80);
  for (const i of [1, 3, 4, 5, 6, 7, 8, 9]) expect(bits[i]).toBe(mac[i]);
});

test("the same key gives the same bits, as text or as bytes; another key or secret gives others", () => {
  const bits = keyBits(secret, "ä");
  expect(keyBits(secret, Buffer.from("ä"))).toEqual(bits);
  expect(keyBits(secret, "a")).not.toEqual(bits);
  expect(keyBits(Buffer.alloc(32), "ä")).not.toEqual(bits);
});

test("of a thousand keys every id may stand in a record, and none ends in zero", () => {
  let wouldBeZero = 0;
  for (let i = 0; i < 1000; i++) {
    const key = `key ${i}`;
    const id = new Uint8Array(16);
    id.set(keyBits(secret, key), 6);
    expect(isRecordId(id, 0)).toBe(true);
    expect(id[15]).not.toBe(0);
    if (createHmac("sha256", secret).update(key).digest()[9] === 0) wouldBeZero++;
  }
  expect(wouldBeZero).toBeGreaterThan(0);
});
