/** What a crash leaves is no damage: neither a reader nor `verify` may say so before the next writer came. */
import { expect, test } from "vitest";
import { FileLog } from "../../src/log/file-log.ts";
import { verify } from "../../src/log/verify.ts";
import { directory, killedFile, single } from "./logs.ts";
import { MemoryMachine } from "./memory-machine.ts";
import { readOnly } from "./reading.ts";

test("verify finds no damage in a single file whose writer was killed between a record and its entry", async () => {
  const { files } = await killedFile();
  const report = await verify(single.log, { machine: new MemoryMachine(files) });
  expect(report.damage).toEqual([]);
});

test("a provisional entry that outlived its record ends what is read, and is no damage", async () => {
  const machine = new MemoryMachine();
  const log = await FileLog.open(directory, { machine, durability: "os" });
  for (let i = 0; i < 3; i++) log.appendSync(new Uint8Array(600).fill(i + 1));
  // The power went: the data of record 1 never came to the disk, its entry and all of record 2 did.
  const path = `${directory}/00000000000000000000.log`;
  const segment = machine.bytesOf(path)?.fill(0, 700, 1200);
  const files = new Map([...machine.files, [path, segment as Uint8Array]]);
  for (const way of ["read", "batches", "live", "reverse"] as const) {
    const { records, error } = await readOnly(new MemoryMachine(files), "directory", way);
    expect({ way, error, served: records.length }).toEqual({ way, error: undefined, served: 1 });
  }
});
