/** Stores that are filled once and then only read. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const atOnce = 4096;

/** Fills a store, opens it again as a reader finds it, and checks that all is there. */
export async function fillStore(entry, dir, count, payloads) {
  const own = join(dir, `filled-${entry.key}`);
  mkdirSync(own);
  await fill(entry.module, own, count, payloads);
  const store = await entry.module.open(own);
  const found = await store.count();
  if (found !== count) throw new Error(`${entry.label}: filled with ${count} records, ${found} are there`);
  return { dir: own, store };
}

export async function fill(module, dir, count, payloads) {
  const store = await (module.openToLoad ?? module.open)(dir);
  const batch = payloads.batches(atOnce);
  for (let done = 0; done < count; done += atOnce) {
    const items = batch(done);
    await store.load(count - done < atOnce ? items.slice(0, count - done) : items);
  }
  await store.close();
}
