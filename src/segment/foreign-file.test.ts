import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { repair } from "../log/repair.ts";
import { verify } from "../log/verify.ts";
import { LogWriter } from "./log-writer.ts";
import { RecordIndex } from "./record-index.ts";

const scratch = mkdtempSync(join(tmpdir(), "seqlog-foreign-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test.each([
  ["text", Buffer.from("192.0.2.1 - - GET /index.html 200\n".repeat(40))],
  ["a few letters", Buffer.from("hello world\n")],
  ["an archive", Buffer.concat([Buffer.from("PK\x03\x04\x14\x00\x08\x08\x08\x00"), Buffer.alloc(300, 7)])],
])("%s is refused by whatever writes, and stays as it is", async (name, bytes) => {
  const path = join(scratch, `${name}.log`);
  writeFileSync(path, bytes);
  const recordIndex = await RecordIndex.open(join(scratch, `${name}.idx`));
  const refusal = { code: "SEQLOG_DAMAGED", facts: { file: path, offset: 0 } };
  await expect(LogWriter.open(path, recordIndex)).rejects.toMatchObject(refusal);
  await recordIndex.close();
  expect((await repair(path)).damage).toMatchObject([{ file: path, offset: 0 }]);
  expect((await verify(path)).ok).toBe(false);
  expect(readFileSync(path)).toEqual(bytes);
  expect(readdirSync(scratch).filter((file) => file.endsWith(".torn"))).toEqual([]);
});

test("a first record that was interrupted is no foreign file", async () => {
  const path = join(scratch, "torn.log");
  const recordIndex = await RecordIndex.open(join(scratch, "torn.idx"));
  const writer = await LogWriter.open(path, recordIndex);
  await writer.append("whole");
  await writer.close();
  await recordIndex.close();
  for (const left of [3, 12, 20, 33]) {
    const torn = join(scratch, `torn-${left}.log`);
    writeFileSync(torn, readFileSync(path).subarray(0, left));
    const index = await RecordIndex.open(join(scratch, `torn-${left}.idx`));
    const again = await LogWriter.open(torn, index);
    // Zeros at its end are not kept: they are what was never written.
    expect(again.recovery.tornBytes).toBeGreaterThan(0);
    expect(again.recovery.tornBytes).toBeLessThanOrEqual(left);
    expect(again.writeOffset).toBe(0);
    await again.close();
    await index.close();
  }
});
