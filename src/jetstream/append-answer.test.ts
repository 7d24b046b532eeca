import { expect, test } from "vitest";
import { type AppendAnswer, answerOf } from "./append-answer.ts";

const error = (code: number, number: number, description: string): unknown => ({
  error: { code, err_code: number, description },
});

test.each<[unknown, AppendAnswer]>([
  [
    { stream: "s", seq: 7 },
    { kind: "stored", seq: 7, duplicate: false },
  ],
  [
    { stream: "s", seq: 7, duplicate: true },
    { kind: "stored", seq: 7, duplicate: true },
  ],
  [
    { stream: "s", seq: 0, duplicate: true },
    { kind: "unknown", reason: "a copy of it is on its way through the servers" },
  ],
  [{ stream: "s" }, { kind: "unknown", reason: "a copy of it is on its way through the servers" }],
  [error(400, 10_071, "wrong last sequence: 12"), { kind: "misplaced", last: 12 }],
  [error(400, 10_071, "wrong last sequence"), { kind: "misplaced", last: undefined }],
  [error(400, 10_070, "wrong last msg ID: 12"), { kind: "misplaced", last: undefined }],
  [error(409, 10_158, "in process"), { kind: "unknown", reason: "in process" }],
  [error(429, 10_167, "too many requests"), { kind: "notNow", reason: "too many requests" }],
  [error(503, 10_008, "unavailable"), { kind: "unknown", reason: "unavailable" }],
  [error(503, 10_077, "store is closed"), { kind: "unknown", reason: "store is closed" }],
  [error(503, 10_077, "maximum bytes exceeded"), { kind: "full", reason: "maximum bytes exceeded" }],
  [error(503, 10_023, "insufficient resources"), { kind: "full", reason: "insufficient resources" }],
  [error(400, 10_054, "too large"), { kind: "refused", reason: "too large" }],
  [{ error: { code: 400 } }, { kind: "refused", reason: "refused with 400" }],
])("%j", (answer, meaning) => {
  const data = Buffer.from(JSON.stringify(answer));
  expect(answerOf({ data, json: <T>() => answer as T })).toEqual(meaning);
});

test("nobody there", () => {
  const json = (): never => {
    throw new Error("there is no JSON");
  };
  expect(answerOf({ data: new Uint8Array(), json })).toMatchObject({ kind: "notNow" });
});
