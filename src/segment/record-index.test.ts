import { expect, test } from "vitest";
import { failWith } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { LogWriter } from "./log-writer.ts";
import { RecordIndex } from "./record-index.ts";

const logAt = "/events.log";
const indexAt = "/events.idx";

async function indexOfThree(disk: SimulatedDisk): Promise<RecordIndex> {
  const machine = disk.boot();
  const recordIndex = await RecordIndex.open(indexAt, { machine });
  const writer = await LogWriter.open(logAt, recordIndex, { machine });
  for (const data of ["one", "", "three"]) await writer.append(data);
  await writer.close();
  return recordIndex;
}

test("it maps record numbers to offsets, and knows how many there are", async () => {
  const recordIndex = await indexOfThree(new SimulatedDisk());
  expect(recordIndex.length).toBe(3);
  expect([0, 1, 2].map((seq) => recordIndex.get(seq))).toEqual([0, 35, 67]);
  expect(recordIndex.get(3)).toBeUndefined();
});

test("it is there again after it was closed", async () => {
  const disk = new SimulatedDisk();
  await (await indexOfThree(disk)).close();
  const again = await RecordIndex.open(indexAt, { machine: disk.boot() });
  expect([again.length, again.get(2)]).toEqual([3, 67]);
});

test("opened anew it is an empty file", async () => {
  const disk = new SimulatedDisk();
  const recordIndex = await RecordIndex.open(indexAt, { machine: disk.boot() });
  expect([recordIndex.length, recordIndex.get(0)]).toEqual([0, undefined]);
  expect(disk.readFile(indexAt)).toEqual(new Uint8Array(0));
});

test("an entry that is not valid gives no offset", async () => {
  const disk = new SimulatedDisk();
  await (await indexOfThree(disk)).close();
  disk.flipBit(indexAt, 20, 0);
  const recordIndex = await RecordIndex.open(indexAt, { machine: disk.boot() });
  expect([0, 1, 2].map((seq) => recordIndex.get(seq))).toEqual([0, undefined, 67]);
});

test.each([-1, 0.5, NaN, Infinity, 2 ** 53])("%d is no seq", async (seq) => {
  const recordIndex = await indexOfThree(new SimulatedDisk());
  expect(() => recordIndex.get(seq)).toThrow(RangeError);
});

test("closing twice is fine, and then it gives nothing", async () => {
  const recordIndex = await indexOfThree(new SimulatedDisk());
  await recordIndex.close();
  await recordIndex.close();
  expect(() => recordIndex.get(0)).toThrow(TypeError);
});

test("it is not closed under a writer, and outlives it", async () => {
  const machine = new SimulatedDisk().boot();
  await using recordIndex = await RecordIndex.open(indexAt, { machine });
  const writer = await LogWriter.open(logAt, recordIndex, { machine });
  await expect(recordIndex.close()).rejects.toThrow(/still uses this record index/);
  await writer.append("one");
  await writer.close();
  expect(recordIndex.get(0)).toBe(0);
});

test("an index that cannot be opened or read is an error", async () => {
  const disk = new SimulatedDisk();
  await (await indexOfThree(disk)).close();
  const machine = disk.boot();
  machine.faults.on({ kind: "open" }, failWith("EACCES"));
  await expect(RecordIndex.open(indexAt, { machine })).rejects.toMatchObject({ code: "SEQLOG_IO" });
  machine.faults.on({ kind: "read" }, failWith("EIO"));
  await expect(RecordIndex.open(indexAt, { machine })).rejects.toMatchObject({ code: "SEQLOG_IO" });
});

test.each([undefined, "", 5, new URL("https://example.com/a.idx"), "nats://host/a"])("%s is no path", async (path) => {
  await expect(RecordIndex.open(path as string)).rejects.toThrow(TypeError);
});
