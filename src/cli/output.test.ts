import { PassThrough, Writable } from "node:stream";
import { expect, test } from "vitest";
import { Output } from "./output.ts";

test("what is put arrives in order, text as UTF-8", async () => {
  const stream = new PassThrough();
  const output = new Output(stream);
  output.put("é");
  output.put(new Uint8Array([0xff]));
  output.line("end");
  await output.flush();
  expect(stream.read()).toEqual(Buffer.from([0xc3, 0xa9, 0xff, ...Buffer.from("end\n")]));
});

test("flush waits for a slow reader, and what is put meanwhile is kept", async () => {
  const written: string[] = [];
  let take: (() => void) | undefined;
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      written.push(piece.toString());
      take = () => done();
    },
  });
  const output = new Output(stream);
  output.put("a");
  let isFlushed = false;
  const flushed = output.flush().then(() => (isFlushed = true));
  output.put("b");
  await new Promise((resolve) => setImmediate(resolve));
  expect(isFlushed).toBe(false);
  take?.();
  await flushed;
  const again = output.flush();
  take?.();
  await again;
  expect(written).toEqual(["a", "b"]);
});

test("a closed pipe ends the output without an error", async () => {
  const stream = new Writable({
    write(_piece, _encoding, done) {
      done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    },
  });
  const output = new Output(stream);
  output.put("a");
  await output.flush();
  expect(output.closed).toBe(true);
  expect(output.signal.aborted).toBe(true);
  output.put("b");
  await output.flush();
});

test("a full disk behind the output is an error", async () => {
  const stream = new Writable({
    write(_piece, _encoding, done) {
      done(Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" }));
    },
  });
  const output = new Output(stream);
  output.put("a");
  await expect(output.flush()).rejects.toThrow("ENOSPC");
  expect(output.closed).toBe(true);
});
