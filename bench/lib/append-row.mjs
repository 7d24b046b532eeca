/** A row of appends: how many records each contender gets onto the disk in a second, in a new store for each round. */
import { loadEntries, measureEntries } from "./entries.mjs";
import { Payloads } from "./payload.mjs";

/** @param entries each with `drive(store, payloads, seconds)`, which gives `{ count, seconds }` */
export async function appendRow(entries, context) {
  const payloads = new Payloads(context.size);
  const results = await measureEntries(await loadEntries(entries), context, async (entry, dir, isWarmUp) => {
    const store = await entry.module.open(dir);
    const { count, seconds } = await entry.drive(store, payloads, isWarmUp ? context.seconds / 2 : context.seconds);
    await store.close();
    await checkPresent(entry, dir, count, payloads);
    return count / seconds;
  });
  return { unit: "records/s", contenders: results };
}

/** A figure counts only when what was acknowledged is there after opening again. */
async function checkPresent({ label, module }, dir, count, payloads) {
  const store = await module.open(dir);
  if (store.count !== undefined) {
    const found = await store.count();
    if (found !== count) throw new Error(`${label}: ${count} records were acknowledged, ${found} are there`);
    const last = await store.get(count - 1);
    if (!payloads.at(count - 1).equals(last)) throw new Error(`${label}: the last record is not what was appended`);
  }
  await store.close();
}
