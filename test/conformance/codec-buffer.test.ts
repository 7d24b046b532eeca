/** A codec that encodes into one buffer over and over: whoever takes its bytes copies them before it encodes the next. */
import { expect, test } from "vitest";
import { type Codec, openLog } from "../../src/index.ts";
import { collect } from "../crash/read-data.ts";
import { newPath } from "../crash/scratch-directory.ts";

const buffer = new Uint8Array(1);

const oneByte: Codec<number> = {
  name: "one-byte",
  encode(value) {
    buffer[0] = value;
    return buffer;
  },
  decode: (bytes) => bytes[0] ?? -1,
};

test("a codec may encode into one buffer, for append and for appendBatch", async () => {
  const log = await openLog(newPath(), { codec: oneByte });
  await Promise.all([log.append(1), log.append(2)]);
  await log.appendBatch([3, 4, 5]);
  expect((await collect(log.read())).map(({ data }) => data)).toEqual([1, 2, 3, 4, 5]);
  await log.close();
});
