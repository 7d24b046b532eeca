import { expect, test } from "vitest";
import { newPath } from "../test/crash/scratch-directory.ts";
import { FileLog, LogWriter, RecordIndex, openLog } from "./index.ts";
import { refuseUnknownOptions } from "./known-options.ts";
import { createHandler, serve } from "./server/index.ts";

/** As a program in JavaScript gives them. */
const wrong = (options: unknown): never => options as never;

interface Options {
  readonly durability?: string;
  readonly readOnly?: boolean;
}

const known = { durability: true, readOnly: true } as const;

test.each([
  [{ durabilty: "os" }, 'openLog: there is no option "durabilty"; did you mean "durability"?'],
  [{ readonly: true }, 'openLog: there is no option "readonly"; did you mean "readOnly"?'],
  [{ compress: 1 }, 'openLog: there is no option "compress"; there are durability, readOnly'],
  ["os", "openLog: options must be an object, got string"],
  [null, "openLog: options must be an object, got null"],
])("%j", (options, message) => {
  expect(() => refuseUnknownOptions<Options>("openLog", wrong(options), known)).toThrow(new TypeError(message));
});

test("one that is undefined is none", () => {
  refuseUnknownOptions<Options>("openLog", wrong({ readOnly: undefined, other: undefined }), known);
});

test("wherever options are taken, and before anything is made", async () => {
  const path = newPath();
  const no = (name: string): unknown =>
    expect.objectContaining({ message: expect.stringContaining(`no option "${name}"`) });
  await expect(openLog(path, wrong({ durabilty: "os" }))).rejects.toThrow(no("durabilty") as Error);
  await expect(openLog(path, wrong({ file: { segmentbytes: 1024 } }))).rejects.toThrow(no("segmentbytes") as Error);
  await expect(openLog(path, wrong({ replicas: 3 }))).rejects.toThrow(
    /replicas is an option of a log on NATS JetStream/,
  );
  await expect(openLog("nats://127.0.0.1:1/x", wrong({ replica: 3 }))).rejects.toThrow(no("replica") as Error);
  expect(() => FileLog.openSync(path, wrong({ readonly: true }))).toThrow(no("readonly") as Error);
  await expect(openLog(path, wrong({ retention: { maxage: 1 } }))).rejects.toThrow(no("maxage") as Error);
  await expect(openLog(path, wrong({ keyWindow: { second: 1 } }))).rejects.toThrow(no("second") as Error);
  await expect(openLog(path, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });

  const log = await openLog(path);
  await expect(log.consumer("a", wrong({ checkpont: "every" }))).rejects.toThrow(no("checkpont") as Error);
  await expect(log.consumer("a", wrong({ retry: { attempt: 1 } }))).rejects.toThrow(no("attempt") as Error);
  expect(await log.consumers()).toEqual([]);
  await log.close();

  const index = await RecordIndex.open(newPath("a.idx"));
  await expect(LogWriter.open(newPath("a.log"), index, wrong({ maxrecordbytes: 1 }))).rejects.toThrow(
    no("maxrecordbytes") as Error,
  );
  await index.close();
  expect(() => createHandler(wrong({ dir: newPath(), token: ["x"] }))).toThrow(no("token") as Error);
  await expect(serve(wrong({ dir: newPath(), ports: 1 }))).rejects.toThrow(no("ports") as Error);
});
