import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { scratchDirectory } from "../../test/crash/scratch-directory.ts";
import { namesIn } from "../../test/errors/directory-bytes.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { runSync } from "../storage/plan.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import {
  type Manifest,
  decodeManifest,
  encodeManifest,
  loadManifest,
  manifestPath,
  newManifest,
  storeManifest,
} from "./manifest.ts";

const hex = (length: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length }).map((a) => a.join(""));
const count = fc.maxSafeNat();

const anyManifest: fc.Arbitrary<Manifest> = fc.record({
  format: fc.constant(1),
  logId: hex(32).map(
    (id) => `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
  ),
  secret: hex(64),
  generation: count,
  firstSeq: count,
  idVersion: fc.constantFrom<4 | 7>(4, 7),
  codec: fc.option(fc.string({ unit: "binary" })),
  window: fc.option(count),
  state: fc.oneof(fc.constant("open" as const), fc.record({ nextSeq: count, activeBytes: count })),
});

function damaged(reason: RegExp): unknown {
  return expect.objectContaining({
    code: "SEQLOG_DAMAGED",
    facts: { file: "M", offset: 0, reason: expect.stringMatching(reason) },
  });
}

test("every MANIFEST is read back as it was written", () => {
  fc.assert(
    fc.property(anyManifest, (manifest) => {
      expect(decodeManifest(encodeManifest(manifest), "M")).toEqual(manifest);
    }),
    { seed: 1 },
  );
});

test("it is one line of JSON and one of checksum", () => {
  const text = Buffer.from(encodeManifest(newManifest(nodeMachine.random, 3, 40))).toString();
  expect(text).toMatch(/^\{"format":1,[^\n]+\}\n[0-9a-f]{8}\n$/);
  expect(JSON.parse(text.split("\n")[0] ?? "")).toMatchObject({
    generation: 3,
    firstSeq: 40,
    codec: null,
    state: "open",
  });
});

test("a flipped bit, wherever it is, is damage", () => {
  fc.assert(
    fc.property(anyManifest, fc.nat(), fc.nat(7), (manifest, at, bit) => {
      const bytes = encodeManifest(manifest);
      const place = at % bytes.length;
      bytes[place] = (bytes[place] as number) ^ (1 << bit);
      expect(() => decodeManifest(bytes, "M")).toThrow(damaged(/./));
    }),
    { seed: 2, numRuns: 500 },
  );
});

test("one that was cut off, or has something behind it, is damage", () => {
  const bytes = encodeManifest(newManifest(nodeMachine.random, 0, 0));
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeManifest(bytes.subarray(0, length), "M")).toThrow(damaged(/one line of JSON|checksum/));
  }
  expect(() => decodeManifest(Buffer.concat([bytes, Buffer.from("\n")]), "M")).toThrow(damaged(/one line/));
  expect(() => decodeManifest(Buffer.concat([bytes, bytes]), "M")).toThrow(damaged(/one line/));
});

test("arbitrary bytes are damage, never another error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(() => decodeManifest(bytes, "M")).toThrow(damaged(/./));
    }),
    { seed: 3 },
  );
});

/** Bytes with a right checksum and any content. */
function signed(content: unknown): Uint8Array {
  return encodeManifest(content as Manifest);
}

test.each([
  ["null", null],
  ["a number", 7],
  ["an array", []],
  ["no fields", {}],
])("a right checksum over %s is damage", (_name, content) => {
  expect(() => decodeManifest(signed(content), "M")).toThrow(damaged(/field is missing/));
});

test("a field that is missing or of the wrong kind is damage", () => {
  const right = newManifest(nodeMachine.random, 0, 0);
  expect(decodeManifest(signed(right), "M")).toEqual(right);
  for (const field of Object.keys(right)) {
    expect(() => decodeManifest(signed({ ...right, [field]: undefined }), "M")).toThrow(damaged(/field is missing/));
    expect(() => decodeManifest(signed({ ...right, [field]: [] }), "M")).toThrow(damaged(/field is missing/));
    if (field === "format") continue;
    expect(() => decodeManifest(signed({ ...right, [field]: -1 }), "M")).toThrow(damaged(/field is missing/));
  }
  for (const state of ["closed", {}, { nextSeq: 1 }, { nextSeq: 1, activeBytes: -1 }, null]) {
    expect(() => decodeManifest(signed({ ...right, state }), "M")).toThrow(damaged(/field is missing/));
  }
});

test("a newer format version is SEQLOG_UNSUPPORTED, whatever else it holds", () => {
  expect(() => decodeManifest(signed({ format: 2, anything: true }), "M")).toThrow(
    expect.objectContaining({
      code: "SEQLOG_UNSUPPORTED",
      facts: { path: "M", reason: "it has format version 2; this seqlog reads up to 1" },
    }),
  );
});

test("a new log has an id and a secret of its own", () => {
  const one = newManifest(nodeMachine.random, 0, 0);
  const other = newManifest(nodeMachine.random, 0, 0);
  expect(one.logId).not.toBe(other.logId);
  expect(one.secret).not.toBe(other.secret);
});

test("storing replaces the whole file; without one loading gives undefined", () => {
  const directory = scratchDirectory();
  const { storage } = nodeMachine;
  const load = (): Manifest | undefined => runSync(loadManifest(storage, directory));
  expect(load()).toBeUndefined();
  const first = newManifest(nodeMachine.random, 0, 0);
  storeManifest(storage, directory, { ...first, codec: "a long name that makes it longer" });
  storeManifest(storage, directory, first);
  expect(load()).toEqual(first);
  expect(namesIn(directory)).toEqual(["MANIFEST"]);
});

test("the new MANIFEST is synced before it takes the name, and the name before it returns", () => {
  const directory = scratchDirectory();
  const { storage } = withFaults(nodeMachine);
  storeManifest(storage, directory, newManifest(nodeMachine.random, 0, 0));
  const steps = storage.operations.entries.map(({ kind }) => kind).filter((kind) => kind !== "stat");
  expect(steps.slice(steps.indexOf("write"))).toEqual(["write", "fsync", "close", "rename", "fsyncDirectory"]);
});

test.each(["write", "fsync", "rename"] as const)("a %s that fails leaves the old MANIFEST", (kind) => {
  const directory = scratchDirectory();
  const { storage } = withFaults(nodeMachine);
  const old = newManifest(nodeMachine.random, 0, 0);
  storeManifest(storage, directory, old);
  storage.faults.on({ kind }, failWith("ENOSPC", 10));
  expect(() => storeManifest(storage, directory, newManifest(nodeMachine.random, 1, 0))).toThrow(
    expect.objectContaining({ code: "SEQLOG_NO_SPACE" }),
  );
  expect(runSync(loadManifest(storage, directory))).toEqual(old);
  storeManifest(storage, directory, { ...old, generation: 5 });
  expect(runSync(loadManifest(storage, directory))?.generation).toBe(5);
  expect(namesIn(directory)).toEqual(["MANIFEST"]);
});

test("a file that is far too large for a MANIFEST is damage, and is not read whole", () => {
  const directory = scratchDirectory();
  writeFileSync(manifestPath(directory), Buffer.alloc(1024 * 1024, "x"));
  const { storage } = withFaults(nodeMachine);
  expect(() => runSync(loadManifest(storage, directory))).toThrow(
    expect.objectContaining({
      code: "SEQLOG_DAMAGED",
      facts: expect.objectContaining({ file: join(directory, "MANIFEST") }),
    }),
  );
  const read = storage.operations.entries.filter(({ kind }) => kind === "read");
  expect(read.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(64 * 1024);
});
