import { expect, test } from "vitest";
import { streamIdentity, streamSettings } from "./stream-settings.ts";

const identity = { logId: "3a1c9f04-6ad6-4a4b-9f5b-0d3f6c1d2e3f", generation: 2, codec: "json" };

test("a stream says which log it is", () => {
  expect(streamIdentity(streamSettings("orders", 3, identity).description)).toEqual(identity);
  expect(streamIdentity(streamSettings("orders", 3, { ...identity, codec: null }).description)?.codec).toBeNull();
});

test.each([undefined, "", "orders of the shop", "seqlog", "seqlog {", 'seqlog {"format":2}', 'seqlog {"format":1}'])(
  "%s is the description of none",
  (description) => {
    expect(streamIdentity(description)).toBeUndefined();
  },
);
