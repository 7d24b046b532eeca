/** The WebAssembly is what its source says, and gives what the plain way gives, byte for byte. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { assembleRecords, codeModule } from "../../scripts/assemble-records.mjs";
import { mostToSeal, sealRecords, writeEntries } from "../../src/format/checksums.ts";
import { crc32, crc32OfHeader } from "../../src/format/crc32.ts";
import { entryLength, writeEntry } from "../../src/format/index-entry.ts";
import { headerAt, headerLength, writeHeader } from "../../src/format/record.ts";
import { createIdSourceV4 } from "../../src/format/uuid.ts";
import { recordsCode } from "../../src/format/wasm/records-code.ts";
import { loadRecords, tryToLoad, windowLength } from "../../src/format/wasm/records-wasm.ts";
import { chunkOf } from "../../src/segment/verify-chunk.ts";
import { walkPlainly, walkWindow } from "../../src/segment/walk-window.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const random = new SeededRandom("records");
const ids = createIdSourceV4(random);

interface Made {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly starts: number[];
  readonly end: number;
}

/** Records of these lengths from `before` bytes on, for a place in a file; with or without their CRCs. */
function records(lengths: readonly number[], position: number, before = 0, hasCrc = true): Made {
  const end = lengths.reduce((sum, length) => sum + headerLength + length, before);
  const bytes = new Uint8Array(end);
  random.fill(bytes);
  const { view } = chunkOf(bytes, 0);
  const starts: number[] = [];
  let at = before;
  for (const length of lengths) {
    const next = at + headerLength + length;
    writeHeader(view, at, length, position + at - before, hasCrc ? crc32(bytes, at + headerLength, next) : 0);
    ids.write(bytes, at + headerAt.id);
    starts.push(at);
    at = next;
  }
  return { bytes, view, starts, end };
}

const lengths = fc.array(fc.oneof(fc.nat(70), fc.constantFrom(0, 255, 256, 257, 1023, 1024, 5000)), { maxLength: 40 });
const position = fc.constantFrom(0, 1, 4096, 2 ** 31, 2 ** 32 - 5, 2 ** 40 + 7);
const seqs = fc.constantFrom(0, 1, 2 ** 32 - 2, 2 ** 45);
const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

test("the code in the package is its source, assembled", async () => {
  const source = readFileSync(new URL("../../src/format/wasm/records.wat", import.meta.url), "utf8");
  const code = await assembleRecords(source);
  expect(recordsCode).toBe(Buffer.from(code).toString("base64"));
  expect(codeModule(code)).toContain("recordsCode");
});

test("sealing gives every record the CRC of its data, and touches no other byte", () => {
  fc.assert(
    fc.property(lengths, fc.nat(9), (lengths, before) => {
      const made = records(lengths, 0, before, false);
      const expected = made.bytes.slice();
      const view = chunkOf(expected, 0).view;
      for (const [i, start] of made.starts.entries()) {
        const next = made.starts[i + 1] ?? made.end;
        view.setUint32(start + headerAt.crc, crc32(expected, start + headerLength, next), true);
      }
      sealRecords(made.bytes, made.view, before, made.end);
      expect(Buffer.compare(made.bytes, expected)).toBe(0);
    }),
  );
});

test("as much as may be sealed at once fits", () => {
  const count = Math.floor(mostToSeal / headerLength);
  const made = records(
    Array.from({ length: count }, () => 0),
    0,
  );
  random.fill(made.bytes.subarray(headerAt.crc, headerAt.crc + 4));
  sealRecords(made.bytes, made.view, 0, made.end);
  expect(made.view.getUint32(headerAt.crc, true)).toBe(0);
});

test("index entries are those that are written one by one", () => {
  fc.assert(
    fc.property(
      lengths,
      position,
      seqs,
      seeds,
      fc.constantFrom("firm", "provisional"),
      (lengths, at, seq, seed, kind) => {
        const made = records(lengths, at);
        const expected = new Uint8Array(made.starts.length * entryLength);
        for (const [i, start] of made.starts.entries()) {
          const crc = crc32OfHeader(made.view, start);
          writeEntry(chunkOf(expected, 0).view, i * entryLength, seed, seq + i, at + start, crc, kind);
        }
        const found = new Uint8Array(expected.length + 8).subarray(8);
        writeEntries(made, seq, seed, kind, found);
        expect(Buffer.compare(found, expected)).toBe(0);
      },
    ),
  );
});

test("a walk finds what the plain walk finds, whatever byte is wrong", () => {
  const damage = fc.record({ at: fc.nat(), xor: fc.integer({ min: 0, max: 255 }) });
  fc.assert(
    fc.property(lengths, position, seqs, seeds, damage, fc.boolean(), fc.nat(40), (...drawn) => {
      const [lengths, at, seq, seed, { at: wrong, xor }, isOurs, cut] = drawn;
      const made = records(lengths, at, 3);
      if (made.end > 3) (made.bytes[3 + (wrong % (made.end - 3))] as number) ^= xor;
      const chunk = chunkOf(made.bytes.subarray(0, Math.max(3, made.end - cut)), at - 3);
      const walked = walkWindow(chunk, 3, seq, seed, isOurs);
      const found = { ...walked, starts: walked.starts(), entries: walked.entries.slice() };
      const plain = walkPlainly(chunkOf(chunk.bytes.subarray(3), at), seq, seed, isOurs);
      expect(found).toEqual({ ...plain, starts: plain.starts() });
    }),
    { numRuns: 1000 },
  );
});

test("a walk looks at one window, and takes all records of a full one", () => {
  const count = windowLength / headerLength;
  const made = records(
    Array.from({ length: count + 5 }, () => 0),
    0,
  );
  const walked = walkWindow(chunkOf(made.bytes, 0), 0, 0, 0, false);
  expect(walked.count).toBe(count);
  expect(walked.end).toBe(windowLength);
  const entries = walked.entries.slice();
  const plain = walkPlainly(chunkOf(made.bytes.subarray(0, windowLength), 0), 0, 0, false);
  expect(Buffer.compare(entries, plain.entries)).toBe(0);
});

test("here it is WebAssembly that does it", () => {
  expect(loadRecords()).toBeDefined();
});

test("WebAssembly that has no room, or that counts wrongly, is not used", () => {
  class Module {
    readonly code = "any";
  }
  class NoRoom {
    readonly exports: object = {};
    constructor() {
      throw new RangeError("WebAssembly.Instance(): Out of memory: Cannot allocate Wasm memory for new instance");
    }
  }
  class Wrong {
    readonly exports = { memory: { buffer: new ArrayBuffer(524_288) }, stopped: { value: 0 }, crc: () => 1 };
  }
  expect(tryToLoad({ Module, Instance: NoRoom })).toBeUndefined();
  expect(tryToLoad({ Module, Instance: Wrong })).toBeUndefined();
});

test("a process without WebAssembly writes the same bytes, and reads and recovers them", () => {
  const script = fileURLToPath(new URL("without-wasm.mjs", import.meta.url));
  const run = (flags: readonly string[]): string =>
    execFileSync(process.execPath, [...flags, script], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const plain = JSON.parse(run(["--jitless"])) as { hasWasm: boolean };
  const usual = JSON.parse(run([])) as { hasWasm: boolean };
  expect(plain.hasWasm).toBe(false);
  expect(usual.hasWasm).toBe(true);
  expect({ ...plain, hasWasm: true }).toEqual(usual);
});
