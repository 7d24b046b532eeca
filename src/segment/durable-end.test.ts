import { describe, expect, test } from "vitest";
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryLength, noSeed, writeEntry } from "../format/index-entry.ts";
import { headerAt, headerLength, writeHeader } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { runSync } from "../storage/plan.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { extendDurableEnd, findDurableEnd } from "./durable-end.ts";
import { IndexFile } from "./index-file.ts";
import type { ReadLimit } from "./segment-reader.ts";
import { chunkOf } from "./verify-chunk.ts";

const ids = createIdSourceV4(new SeededRandom("ids"));

/** Six records of 10 bytes; where each one starts. */
const starts = [0, 42, 84, 126, 168, 210];
const log = Buffer.concat(
  starts.map((start, i) => {
    const record = Buffer.alloc(headerLength + 10, i + 1);
    writeHeader(chunkOf(record, 0).view, 0, 10, start, crc32(record, headerLength));
    ids.write(record, headerAt.id);
    return record;
  }),
);

/** Entries by letter: firm, provisional, or none. */
function indexOf(kinds: string): Buffer {
  const index = Buffer.alloc(kinds.length * entryLength);
  const { view } = chunkOf(index, 0);
  for (const [i, letter] of [...kinds].entries()) {
    const headerCrc = crc32OfHeader(chunkOf(log, 0).view, starts[i] as number);
    const kind = letter === "f" ? "firm" : "provisional";
    if (letter !== "-") writeEntry(view, i * entryLength, noSeed, i, starts[i] as number, headerCrc, kind);
  }
  return index;
}

class Setup {
  readonly disk = new SimulatedDisk();
  readonly #machine = this.disk.boot();

  constructor(segment: Uint8Array, kinds: string) {
    this.disk.writeFile("/s.log", segment);
    this.disk.writeFile("/s.idx", indexOf(kinds));
  }

  find(): ReadLimit {
    return runSync(findDurableEnd(this.#log(), this.#index()));
  }

  extend(known: ReadLimit): ReadLimit {
    return runSync(extendDurableEnd(this.#log(), this.#index(), known));
  }

  #log() {
    return this.#machine.storage.openSync("/s.log", "read");
  }

  #index(): IndexFile {
    return IndexFile.openSync(this.#machine.storage, "/s.idx", "read", 0, noSeed);
  }
}

function limit(records: number): ReadLimit {
  return { nextSeq: records, end: 42 * records };
}

function without(record: number, at: number): Buffer {
  const bytes = Buffer.from(log);
  bytes[(starts[record] as number) + at] = 0xee;
  return bytes;
}

describe("what may be read at open", () => {
  test.each<[string, number]>([
    ["", 0],
    ["ffffff", 6],
    ["ffff", 4],
    ["ffff--", 4],
    ["f--f--", 4],
    ["--f---", 3],
    ["------", 0],
    ["ffppp-", 5],
    ["pppppp", 6],
    ["ff-pp-", 2],
    ["pp-f-p", 4],
  ])("with entries %j: %i records", (kinds, records) => {
    expect(new Setup(log, kinds).find()).toEqual(limit(records));
  });

  test("provisional entries count as far as their records are whole", () => {
    expect(new Setup(without(4, 35), "ffpppp").find()).toEqual(limit(4));
    expect(new Setup(without(2, 35), "ffpppp").find()).toEqual(limit(2));
    expect(new Setup(without(5, 0), "ffpppp").find()).toEqual(limit(2));
    expect(new Setup(log.subarray(0, 200), "ffpppp").find()).toEqual(limit(2));
  });

  test("a firm entry without its record is damage", () => {
    for (const segment of [without(3, 35), without(3, 20), log.subarray(0, 150), log.subarray(0, 10)]) {
      expect(() => new Setup(segment, "ffff").find()).toThrow(
        expect.objectContaining({
          code: "SEQLOG_DAMAGED",
          facts: expect.objectContaining({ file: "/s.log", offset: 126, seq: 3 }),
        }),
      );
    }
  });
});

describe("what came since", () => {
  test("entries that follow are taken, whichever kind they are", () => {
    expect(new Setup(log, "ffff").extend(limit(4))).toEqual(limit(4));
    expect(new Setup(log, "ffff").extend(limit(1))).toEqual(limit(4));
    expect(new Setup(log, "fffpp-").extend(limit(2))).toEqual(limit(5));
    expect(new Setup(log, "fff-ff").extend(limit(2))).toEqual(limit(3));
    expect(new Setup(log, "fff-ff").extend(limit(3))).toEqual(limit(3));
  });

  test("an entry of a record that does not stand there, as after a reset, changes nothing", () => {
    expect(new Setup(without(5, 18), "ffffff").extend(limit(3))).toEqual(limit(3));
    expect(new Setup(without(5, 3), "ffffff").extend(limit(3))).toEqual(limit(3));
    expect(new Setup(log.subarray(0, 220), "ffffff").extend(limit(3))).toEqual(limit(3));
    expect(new Setup(log, "ffffff").extend({ nextSeq: 3, end: 9999 })).toEqual({ nextSeq: 3, end: 9999 });
  });

  test("nothing new costs one read", () => {
    const on = new Setup(log, "ffff");
    on.disk.operations.clear();
    on.extend(limit(4));
    expect(on.disk.operations.count("read")).toBe(1);
  });
});
