/** Recovery, readers and `verify` over bytes that nobody wrote. `SEQLOG_FUZZ=<runs>` does more of them, `SEQLOG_FUZZ_SEED` others. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { type Ending, type Indexed, checkAnything } from "./anything.ts";
import { type Sample, type SampleSegment, directory, single, smallDirectory, smallFile } from "./logs.ts";
import type { Files } from "./memory-machine.ts";
import { type Mutation, anyIndex, anySegment, mutate, mutation } from "./mutation.ts";
import { seedOf } from "./oracle.ts";
import { type Way, ways } from "./reading.ts";

const runs = Number(process.env["SEQLOG_FUZZ"] ?? 600);
const settings = { seed: Number(process.env["SEQLOG_FUZZ_SEED"] ?? 1), numRuns: runs };
const timeout = Math.max(120_000, runs * 100);

const way: fc.Arbitrary<Way> = fc.constantFrom(...ways);

/** How often each ending was seen: a property that only ever sees refusals proves little. */
function endings(): Record<Ending, number> {
  return { refused: 0, damaged: 0, whole: 0 };
}

let file: Sample;
let closed: Sample;
let open: Sample;
beforeAll(async () => {
  file = await smallFile();
  closed = await smallDirectory(true);
  open = await smallDirectory(false);
});

const pair: Indexed = { log: single.log, index: single.index, seed: 0, base: 0 };

test("any bytes as a single file, with any bytes as its record index or none", { timeout }, async () => {
  const seen = endings();
  const input = anySegment.chain((segment) =>
    fc.record({
      segment: fc.constant(segment),
      index: fc.option(fc.oneof(anyIndex(segment, 0), fc.uint8Array({ maxLength: 200 }))),
      tail: fc.option(anySegment, { freq: 9 }),
      isHeld: fc.boolean(),
    }),
  );
  await fc.assert(
    fc.asyncProperty(input, way, async ({ segment, index, tail, isHeld }, how) => {
      const files = new Map<string, Uint8Array>([[single.log, segment]]);
      if (index !== null) files.set(single.index, index);
      if (tail !== null) files.set(`${single.log}.tail`, tail);
      if (isHeld) files.set(single.lock, Buffer.from("{}\n"));
      seen[await checkAnything("file", files, how, tail === null ? pair : undefined)]++;
    }),
    settings,
  );
  expect(Math.min(seen.refused, seen.whole)).toBeGreaterThan(runs / 20);
});

/** Which file of a log something happens to, and what. */
const mutations = fc.array(fc.tuple(fc.nat(20), mutation), { minLength: 1, maxLength: 3 });

/** Where the numbers of a file are: lengths and own offsets in headers, all parts of entries. */
function marksOf(sample: Sample, path: string): number[] {
  const segment = sample.segments.find(({ log }) => log === path);
  if (segment !== undefined)
    return segment.records.flatMap(({ offset }) => [offset, offset, offset, offset + 4, offset + 12]);
  return Array.from({ length: Math.floor((sample.files.get(path) as Buffer).length / 4) }, (_, i) => 4 * i);
}

function mutated(sample: Sample, all: readonly (readonly [number, Mutation])[]): Map<string, Buffer> {
  const files = new Map(sample.files);
  const paths = [...files.keys()].filter((path) => /\.(log|idx)$/.test(path)).sort();
  for (const [which, how] of all) {
    const path = paths[which % paths.length] as string;
    files.set(path, mutate(files.get(path) as Buffer, how, marksOf(sample, path)));
  }
  return files;
}

function indexedOf(sample: Sample): Indexed {
  const last = sample.segments.at(-1) as SampleSegment;
  if (sample.kind === "file") return pair;
  const manifest = JSON.parse(String(sample.files.get(`${directory}/MANIFEST`)).split("\n")[0] as string) as {
    logId: string;
  };
  return { ...last, seed: seedOf(manifest.logId, 0, last.base) };
}

test.each(["a single file", "a closed directory", "an open directory"])(
  "%s with pieces spliced, copied, repeated, zeroed or cut",
  { timeout },
  async (name) => {
    const sample = name === "a single file" ? file : name === "a closed directory" ? closed : open;
    const seen = endings();
    await fc.assert(
      fc.asyncProperty(mutations, way, async (all, how) => {
        seen[await checkAnything(sample.kind, mutated(sample, all), how, indexedOf(sample))]++;
      }),
      settings,
    );
    expect(Math.min(seen.refused, seen.whole)).toBeGreaterThan(runs / 20);
  },
);

test("segments and record indexes that changed places", { timeout }, async () => {
  const seen = endings();
  const input = fc.array(fc.tuple(fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 2 });
  await fc.assert(
    fc.asyncProperty(input, fc.boolean(), way, async (swaps, isOpen, how) => {
      const sample = isOpen ? open : closed;
      const files = new Map<string, Uint8Array>(sample.files);
      const paths = [...files.keys()].filter((path) => /\.(log|idx)$/.test(path)).sort();
      for (const [a, b] of swaps) {
        const [one, other] = [paths[a % paths.length] as string, paths[b % paths.length] as string];
        const kept = files.get(one) as Uint8Array;
        files.set(one, files.get(other) as Uint8Array);
        files.set(other, kept);
      }
      seen[await checkAnything("directory", files, how, undefined)]++;
    }),
    { ...settings, numRuns: Math.ceil(runs / 4) },
  );
  expect(seen.refused).toBeGreaterThan(0);
});

/** What a field of MANIFEST may be made. */
const anyField = fc.oneof(
  fc.constantFrom<unknown>(0, 1, 7, 4, 65_536, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -1, 0.5, 1e300),
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    "open",
    "closed",
    [],
    {},
    "00000000-0000-0000-0000-000000000000",
    "f".repeat(64),
  ),
  fc.record({ nextSeq: fc.constantFrom(0, 1, 10, 2 ** 53 - 1), activeBytes: fc.constantFrom(0, 1, 2000, 2 ** 53 - 1) }),
  fc.jsonValue(),
);

function withCrc(line: string): Buffer {
  return Buffer.from(`${line}\n${crc32(line).toString(16).padStart(8, "0")}\n`);
}

test("any MANIFEST with the right checksum", { timeout }, async () => {
  const seen = endings();
  const fields = ["format", "logId", "secret", "generation", "firstSeq", "idVersion", "codec", "window", "state"];
  const changes = fc.array(fc.tuple(fc.constantFrom(...fields), fc.option(anyField)), { minLength: 1, maxLength: 3 });
  const line = fc.oneof(
    { weight: 8, arbitrary: changes },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }).filter((text) => !text.includes("\n")) },
  );
  await fc.assert(
    fc.asyncProperty(line, fc.boolean(), way, async (found, isOpen, how) => {
      const sample = isOpen ? open : closed;
      const path = `${directory}/MANIFEST`;
      let text: string;
      if (typeof found === "string") text = found;
      else {
        const manifest = JSON.parse(String(sample.files.get(path)).split("\n")[0] as string) as Record<string, unknown>;
        for (const [name, value] of found) {
          if (value === null) delete manifest[name];
          else manifest[name] = value;
        }
        text = JSON.stringify(manifest);
      }
      const files: Files = new Map<string, Uint8Array>(sample.files).set(path, withCrc(text));
      seen[await checkAnything("directory", files, how, undefined)]++;
    }),
    settings,
  );
  expect(Math.min(seen.refused, seen.whole)).toBeGreaterThan(runs / 100);
});
