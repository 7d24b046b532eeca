import { expect, test } from "vitest";
import { scratchDirectory } from "../../../test/crash/scratch-directory.ts";
import { nodeStorage } from "../../storage/node-storage.ts";
import { type StreamMeta, loadMeta, newMeta, storeMeta } from "./stream-meta.ts";

function metaOf(contentType: string): StreamMeta {
  const none = { ttlSeconds: null, expiresAt: null, isExpiryInherited: false, aliveUntil: null, fork: null };
  return newMeta({ id: "8c3c1a1e-6f4e-4b7e-9d55-0f3f3c1f7a10", path: "a", contentType, createdAt: 1, ...none });
}

test("a STREAM that could not be read again is not written, and the one before it stays", () => {
  const directory = scratchDirectory();
  const before = metaOf("text/plain");
  storeMeta(nodeStorage, directory, before);
  expect(() => storeMeta(nodeStorage, directory, metaOf(`text/plain; x=${"y".repeat(64 * 1024)}`))).toThrow(
    /a STREAM of \d+ bytes/,
  );
  expect(loadMeta(nodeStorage, directory)).toEqual(before);
  // As long as it may be, or nearly.
  const long = metaOf(`text/plain; x=${"y".repeat(63 * 1024)}`);
  storeMeta(nodeStorage, directory, long);
  expect(loadMeta(nodeStorage, directory)).toEqual(long);
});
