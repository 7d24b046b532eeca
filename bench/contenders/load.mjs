/**
 * A contender is a module with
 *
 * - `about`: `name`, `version`, `guarantee` (when it acknowledges), `isDurable` (whether that survives a power cut);
 * - `open(dir)`: a store with whatever it can do of
 *   `appendSync(data)`, `append(data)`, `appendManySync(items)`, `appendMany(items)`: acknowledged as `guarantee` says;
 *   `load(items)`: as fast as it can, for filling a store that is then only read;
 *   `scan()`, `scanEach()`: all records, gives `{ records, bytes }`;
 *   `getMany(numbers)`: the records of these numbers one by one, blocking, gives their bytes;
 *   `get(number)`; `count()`; `close()`.
 *
 * Keys are 0, 1, 2, … in the order of the appends. Peers store the data and its number; seqlog and
 * the seed's algorithm store a UUID and a CRC-32 as well.
 */

/** @returns the module, or `{ missing }` with the reason why it cannot run here */
export async function loadContender(name) {
  try {
    const module = await import(`./${name}.mjs`);
    await module.probe?.();
    return module;
  } catch (error) {
    return { missing: error instanceof Error ? error.message.split("\n")[0] : String(error) };
  }
}
