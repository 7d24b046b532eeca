/** Records at random, by number. */
import { fillStore } from "../lib/filled.mjs";
import { loadEntries, measureEntries } from "../lib/entries.mjs";
import { Payloads } from "../lib/payload.mjs";
import { ratio } from "../lib/targets.mjs";

const atOnce = 1000;

/** The same numbers for all, from a generator that is the same in each run (xorshift). */
function randomNumbers(count, below) {
  let state = 0x9e3779b9;
  return Uint32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  });
}

const get = {
  name: "get-sync",
  title: "`getSync(seq)` at random",
  sizes: [256, 64, 4096],
  async run(context) {
    const { size, isQuick } = context;
    const payloads = new Payloads(size);
    const count = Math.min(isQuick ? 100_000 : 1_000_000, Math.floor((1024 * 1024 * 1024) / size));
    const numbers = randomNumbers(1_000_000, count);
    const entries = await loadEntries([
      { key: "seqlog", contender: "seqlog", label: "getSync" },
      { key: "better-sqlite3", contender: "better-sqlite3", label: "get by primary key" },
      { key: "lmdb", contender: "lmdb", label: "get" },
      { key: "classic-level", contender: "classic-level", label: "getSync" },
    ]);
    const filled = new Map();
    for (const entry of entries) {
      if (entry.missing !== undefined) continue;
      context.report(`filling ${entry.contender}`);
      const own = await fillStore(entry, context.dir, count, payloads);
      checkGets(entry, own.store, numbers.subarray(0, atOnce), payloads);
      filled.set(entry.key, own);
    }
    const contenders = await measureEntries(entries, context, async (entry, _dir, isWarmUp) => {
      const { store } = filled.get(entry.key);
      const seconds = isWarmUp ? context.seconds / 2 : context.seconds;
      let done = 0;
      const start = performance.now();
      let now = start;
      do {
        const from = done % numbers.length;
        if (store.getMany(numbers.subarray(from, from + atOnce)) !== atOnce * size) {
          throw new Error(`${entry.label}: not the bytes that were appended`);
        }
        done += atOnce;
        now = performance.now();
      } while (now - start < seconds * 1000);
      return done / ((now - start) / 1000);
    });
    for (const { store } of filled.values()) await store.close();
    return {
      unit: "records/s",
      contenders,
      targets: [ratio(contenders, "seqlog", "better-sqlite3", 2), ratio(contenders, "seqlog", "lmdb", 0.8)],
      notes: [`over ${count.toLocaleString("en")} records`],
    };
  },
};

function checkGets({ label }, store, numbers, payloads) {
  for (const number of numbers) {
    if (!payloads.at(number).equals(store.get(number))) throw new Error(`${label}: record ${number} is wrong`);
  }
}

export const getRows = [get];
