import { expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import { asSeq } from "../numbers.ts";
import { type ConsumedView, idBefore } from "./consumed-log.ts";

function viewThat(get: ConsumedView["get"]): ConsumedView {
  return { firstSeq: 3, get } as Partial<ConsumedView> as ConsumedView;
}

test("of a record that another process removes meanwhile there is no id, and that is no error", async () => {
  const trimmed = new SeqlogError("SEQLOG_TRIMMED", "record 5 was removed", { firstSeq: asSeq(6) });
  expect(
    await idBefore(
      viewThat(() => Promise.reject(trimmed)),
      6,
    ),
  ).toBeNull();
});

test("any other failure is one", async () => {
  const failed = new SeqlogError("SEQLOG_NOT_FOUND", "no such log", { path: "/log" });
  await expect(
    idBefore(
      viewThat(() => Promise.reject(failed)),
      6,
    ),
  ).rejects.toBe(failed);
});

test("before the first record there is none", async () => {
  const never = (): never => {
    throw new Error("nothing is to be read");
  };
  expect(await idBefore(viewThat(never), 3)).toBeNull();
});
