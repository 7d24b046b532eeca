/**
 * The golden file of the seed, which has no record index: nothing but the bytes themselves can say
 * what a record is. What is served is valid in them, and what opening for writing cuts off is kept.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { SeqlogError } from "../../src/errors.ts";
import { checkConserved } from "./judge.ts";
import { single } from "./logs.ts";
import { MemoryMachine } from "./memory-machine.ts";
import { type OracleChain, chainOf } from "./oracle.ts";
import { type Expected, checkRecord, readOnly, writeFile } from "./reading.ts";

const golden: Buffer = readFileSync(new URL("../vectors/go-500.log", import.meta.url));
const isAll = process.env["SEQLOG_BYTES"] === "all";
const timeout = isAll ? 4 * 3_600_000 : 120_000;

let whole: OracleChain;
beforeAll(() => {
  whole = chainOf(golden);
});

test("the oracle reads it as the manifest beside it says", () => {
  const manifest = JSON.parse(readFileSync(new URL("../vectors/manifest.json", import.meta.url), "utf8")) as {
    "go-500.log": { records: number; endOffset: number; samples: { record: number; offset: number; id: string }[] };
  };
  const { records, endOffset, samples } = manifest["go-500.log"];
  expect({ records: whole.records.length, end: whole.end }).toEqual({ records, end: endOffset });
  for (const { record, offset, id } of samples) expect(whole.records[record]).toMatchObject({ offset, id });
});

function expected(chain: OracleChain, seq: number): Expected | undefined {
  const record = chain.records[seq];
  return record === undefined ? undefined : { segment: single.log, ...record };
}

/** Who reads it gets the valid chain; who opens it for writing too, and every byte stays. */
async function judge(bytes: Buffer): Promise<number> {
  const chain = chainOf(bytes);
  const files = new Map([[single.log, bytes]]);
  const { records, error } = await readOnly(new MemoryMachine(files), "file", "batches");
  // The rest is larger than any write that was interrupted, or it is not: then it is a torn tail.
  if (error !== undefined && !SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
  if (error === undefined || records.length > 0) expect(records.length).toBe(chain.records.length);
  for (const [seq, record] of records.entries()) checkRecord(record, seq, expected(chain, seq));

  const machine = new MemoryMachine(files);
  const written = await writeFile(machine);
  if (written.error !== undefined) {
    // A file that does not begin as a log is somebody else's.
    expect({ code: written.error.code, records: chain.records.length }).toEqual({ code: "SEQLOG_DAMAGED", records: 0 });
    expect(machine.bytesOf(single.log)?.equals(bytes)).toBe(true);
    return 0;
  }
  checkConserved(files, machine, single.log);
  expect(written.bySeq.length).toBe(chain.records.length);
  for (const [seq, found] of written.bySeq.entries()) {
    if (found instanceof SeqlogError) throw found;
    checkRecord(found, seq, expected(chain, seq));
  }
  return chain.records.length;
}

describe("without a record index", () => {
  test("a flipped bit ends what is served, and nothing is deleted", { timeout }, async () => {
    const bytes = Buffer.from(golden);
    let ended = 0;
    // Odd, so that over the file every place of a header is hit with every bit.
    const step = isAll ? 61 : 2999;
    for (let at = 0; at < 8 * golden.length; at += step) {
      const byte = at >> 3;
      bytes[byte] = (bytes[byte] as number) ^ (1 << (at & 7));
      if ((await judge(bytes)) < whole.records.length) ended++;
      bytes[byte] = (bytes[byte] as number) ^ (1 << (at & 7));
    }
    expect(ended).toBeGreaterThan(0);
  });

  test("a cut leaves the records before it", { timeout }, async () => {
    for (let length = 0; length < golden.length; length += isAll ? 61 : 1999) await judge(golden.subarray(0, length));
  });
});
