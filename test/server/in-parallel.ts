/** So many calls at once, for all items in turn. */
export async function inParallel<T>(
  width: number,
  items: Iterable<T>,
  call: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) await call(next.value);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
