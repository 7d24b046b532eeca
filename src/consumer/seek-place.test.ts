import { expect, test } from "vitest";
import type { ConsumedLog, Mark } from "./consumed-log.ts";
import { seekPlace } from "./seek-place.ts";

test("a log that is reset while a position is looked up is told of, not called too short", async () => {
  const view = {
    location: "/log",
    firstSeq: 0,
    nextSeq: 10,
    generation: 0,
    refresh: () => Promise.resolve(),
    resolve() {
      view.generation++;
      view.nextSeq = 0;
      return Promise.resolve(9);
    },
  };
  const log = { view } as unknown as ConsumedLog<unknown>;
  const mark = { end: () => Promise.resolve(0) } as unknown as Mark;
  await expect(seekPlace(log, { last: 1 }, "from", mark)).rejects.toMatchObject({ code: "SEQLOG_RESET" });
});
