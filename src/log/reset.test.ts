import { expect, test } from "vitest";
import { seqsOf, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { namesIn } from "../../test/errors/directory-bytes.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

test("reset removes all records: the next one is 0 of a new generation, also after opening again", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.appendBatch(Array.from({ length: 50 }, () => "x".repeat(100)));
  await log.trim({ before: 20 });
  expect(log.generation).toBe(0);
  await log.reset();
  expect(log).toMatchObject({ generation: 1, firstSeq: 0, nextSeq: 0 });
  expect(await seqsOf(log)).toEqual([]);
  expect(await log.get(0)).toBeUndefined();
  expect(namesIn(log.location)).toEqual(["00000000000000000000.g1.idx", "00000000000000000000.g1.log", "MANIFEST"]);
  expect(await log.append("new")).toMatchObject({ seq: 0, segment: "00000000000000000000.g1.log", offset: 0 });
  await log.reset();
  expect(await log.append("newer")).toMatchObject({ seq: 0, segment: "00000000000000000000.g2.log" });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(again.generation).toBe(2);
  expect(await textsOf(again)).toEqual(["newer"]);
  await again.close();
});

test("appends made before a reset are acknowledged and removed; those made while it runs belong to the new generation", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const before = Array.from({ length: 30 }, (_, i) => log.append(`before ${i}`.padEnd(100)));
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const more = log.appendBatch(["before", "before"]);
  const reset = log.reset();
  const after = [log.append("after 0"), log.append("after 1"), log.appendBatch(["after 2", "after 3"])];
  expect((await Promise.all(before)).map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  expect(await more).toMatchObject({ first: 30 });
  await reset;
  expect(await Promise.all(after)).toMatchObject([{ seq: 0, offset: 0 }, { seq: 1 }, { first: 2, last: 3 }]);
  expect(await textsOf(log)).toEqual(["after 0", "after 1", "after 2", "after 3"]);
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(["after 0", "after 1", "after 2", "after 3"]);
  await again.close();
});

test("an append that expected a seq of the generation that ends is refused", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  const reset = log.reset();
  const orphan = log.append("1", { expectedSeq: 1 });
  const free = log.append("free");
  await expect(orphan).rejects.toMatchObject({ code: "SEQLOG_CONFLICT", facts: { expectedSeq: 1, nextSeq: 0 } });
  await reset;
  expect(await free).toMatchObject({ seq: 0 });
  await log.close();
});

test("resets that are asked for at the same time come one after the other, with the appends between them", async () => {
  const log = await FileLog.open(newPath());
  const first = log.reset();
  const between = log.append("between");
  const second = log.reset();
  const after = log.append("after");
  await Promise.all([first, second]);
  expect(log.generation).toBe(2);
  expect(await between).toMatchObject({ seq: 0 });
  expect(await after).toMatchObject({ seq: 0 });
  expect(await textsOf(log)).toEqual(["after"]);
  await log.close();
});

test("blocking calls while a reset is under way are TypeErrors, and nothing is lost", async () => {
  const log = await FileLog.open(newPath());
  const reset = log.reset();
  expect(() => log.appendSync("x")).toThrow(TypeError);
  expect(() => log.appendBatchSync(["x"])).toThrow(TypeError);
  expect(() => log.closeSync()).toThrow(TypeError);
  const kept = log.append("kept");
  await reset;
  expect(await kept).toMatchObject({ seq: 0 });
  expect(log.appendSync("next")).toMatchObject({ seq: 1 });
  await log.close();
});

test("close waits for a reset that is under way", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  const reset = log.reset();
  const after = log.append("after");
  await log.close();
  await reset;
  expect(await after).toMatchObject({ seq: 0 });
  const again = await FileLog.open(log.location);
  expect(again.generation).toBe(1);
  expect(await textsOf(again)).toEqual(["after"]);
  await again.close();
});

test("a reset whose new segment cannot be made changes nothing, and the log goes on", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "open", path: ".g1.log" }, failWith("ENOSPC"));
  await expect(log.reset()).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(log.generation).toBe(0);
  expect(await log.append("1")).toMatchObject({ seq: 1 });
  await log.reset();
  expect(await log.append("new")).toMatchObject({ seq: 0 });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(["new"]);
  await again.close();
});

test("a reset that fails at its commit point poisons, and the next open finds the one state or the other", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "fsyncDirectory", skip: 1 }, failWith("EIO"));
  await expect(log.reset()).rejects.toMatchObject({ code: "SEQLOG_IO" });
  await expect(log.append("1")).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await log.close();
  const again = await FileLog.open(log.location);
  expect([["0"], []]).toContainEqual(await textsOf(again));
  expect(await again.append("next")).toMatchObject({ seq: again.generation === 0 ? 1 : 0 });
  await again.close();
});

test("the log keeps its codec and its ids through a reset", async () => {
  const log = await FileLog.open(newPath(), { ids: "v4" });
  await log.append("0");
  await log.reset();
  expect((await log.append("1")).id[14]).toBe("4");
  await log.close();
});
