/** A row of scans: records a second through a store that lies in the page cache. */
import { fillStore } from "./filled.mjs";
import { loadEntries, measureEntries } from "./entries.mjs";
import { Payloads } from "./payload.mjs";

/** @param entries each with `how`, the store's method, which gives `{ records, bytes }` */
export async function scanRow(entries, context, count) {
  const payloads = new Payloads(context.size);
  const loaded = await loadEntries(entries);
  const filled = new Map();
  for (const entry of loaded) {
    // Ways of reading the same contender share one store.
    if (entry.missing !== undefined || filled.has(entry.contender)) continue;
    context.report(`filling ${entry.contender}`);
    filled.set(entry.contender, await fillStore(entry, context.dir, count, payloads));
  }
  const contenders = await measureEntries(loaded, context, async (entry, _dir, isWarmUp) => {
    const { store } = filled.get(entry.contender);
    const seconds = isWarmUp ? context.seconds / 2 : context.seconds;
    let records = 0;
    const start = performance.now();
    let now = start;
    do {
      const seen = await store[entry.how]();
      if (seen.records !== count || seen.bytes !== count * context.size) {
        throw new Error(`${entry.label}: saw ${seen.records} records of ${seen.bytes} bytes, ${count} are there`);
      }
      records += count;
      now = performance.now();
    } while (now - start < seconds * 1000);
    return records / ((now - start) / 1000);
  });
  return { unit: "records/s", contenders, filled };
}

export async function closeFilled(filled) {
  for (const { store } of filled.values()) await store.close();
}
