/** From the contenders that a row names to figures of rounds; who cannot run here stays in the table, with the reason. */
import { loadContender } from "../contenders/load.mjs";
import { inRounds } from "./rounds.mjs";

/**
 * @param entries each `{ key, contender, label, … }`; `key` is what targets call it
 * @returns the entries with `module`, or with `missing`
 */
export async function loadEntries(entries) {
  const loaded = [];
  for (const entry of entries) {
    const module = await loadContender(entry.contender);
    if (module.missing === undefined) loaded.push({ ...entry, module });
    else loaded.push({ ...entry, missing: module.missing });
  }
  return loaded;
}

/**
 * @param measure `(entry, dir, isWarmUp)` gives one figure
 * @returns for each entry what the report shows: who, its guarantee, its figures
 */
export async function measureEntries(entries, context, measure) {
  const able = entries.filter(({ missing }) => missing === undefined);
  const contenders = able.map((entry) => ({ measure: (dir, isWarmUp) => measure(entry, dir, isWarmUp) }));
  const figures = await inRounds(contenders, context);
  return entries.map((entry) => {
    const { key, contender, label, missing } = entry;
    if (missing !== undefined) return { key, name: contender, label, missing };
    const { name, version, guarantee, isDurable } = entry.module.about;
    return { key, name, label, version, guarantee, isDurable, rounds: figures[able.indexOf(entry)] };
  });
}
