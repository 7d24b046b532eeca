import { expect, test } from "vitest";
import type { LogView, OpenSegment } from "./log-view.ts";
import { readAhead } from "./read-ahead.ts";

function viewOf(fetch: () => never, release: () => void): LogView {
  const segment = { base: 0, reader: { fetch }, limit: () => ({ nextSeq: 9, end: 900 }), release };
  return { isClosed: false, acquire: () => segment as unknown as OpenSegment } as Partial<LogView> as LogView;
}

test("what cannot be read ahead, or given back, is nobody's failure: nobody may be waiting for it", async () => {
  let released = 0;
  const failing = (): never => {
    throw new Error("cannot be read");
  };
  const release = (): void => {
    released++;
    throw new Error("cannot be given back");
  };
  const ahead = readAhead(viewOf(failing, release), 3, { base: 0, offset: 300 }, 1000, 9);
  expect(await ahead?.fetched).toBeUndefined();
  expect(released).toBe(1);
});
