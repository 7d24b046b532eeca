import { expect, test } from "vitest";
import type { ConsumedLog } from "./consumed-log.ts";
import type { DurableMark } from "./durable-mark.ts";
import { seekPlace } from "./seek-place.ts";

test("a log that is reset while a position is looked up is told of, not called too short", async () => {
  let generation = 0;
  const view = {
    location: "/log",
    firstSeq: 0,
    get generation() {
      return generation;
    },
    get nextSeq() {
      // It had ten records; whoever asked for their number finds it reset the next time.
      return generation++ === 0 ? 10 : 0;
    },
    refresh: () => Promise.resolve(),
  };
  const log = { view } as unknown as ConsumedLog<unknown>;
  const mark = { end: () => Promise.resolve(0) } as unknown as DurableMark;
  await expect(seekPlace(log, { last: 1 }, "from", mark)).rejects.toMatchObject({ code: "SEQLOG_RESET" });
});
