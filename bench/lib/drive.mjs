/** The ways of appending: one at a time, many callers at a time, batches. Each gives how many records in how many seconds. */

/** One after the other: the next append begins when the one before is acknowledged. */
export async function oneAtATime(append, payloads, seconds) {
  let count = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  let now = start;
  while (now < end) {
    const acknowledged = append(payloads.at(count++));
    // Not awaited when it was a blocking call: that would measure the microtask queue.
    if (acknowledged !== undefined) await acknowledged;
    now = performance.now();
  }
  return { count, seconds: (now - start) / 1000 };
}

/** So many callers, each of which awaits its append before the next. */
export async function manyCallers(append, payloads, seconds, callers) {
  let count = 0;
  // By a timer: asking the clock for each record would cost a tenth of it.
  const run = { isOver: false };
  const start = performance.now();
  const timer = setTimeout(() => (run.isOver = true), seconds * 1000);
  const call = async () => {
    while (!run.isOver) await append(payloads.at(count++));
  };
  await Promise.all(Array.from({ length: callers }, call));
  clearTimeout(timer);
  return { count, seconds: (performance.now() - start) / 1000 };
}

/** Batches one after the other. */
export async function batchesOf(appendMany, payloads, seconds, size) {
  const batch = payloads.batches(size);
  let count = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  let now = start;
  while (now < end) {
    const acknowledged = appendMany(batch(count));
    if (acknowledged !== undefined) await acknowledged;
    count += size;
    now = performance.now();
  }
  return { count, seconds: (now - start) / 1000 };
}

/** As `manyCallers`, up to a number of records. */
export async function manyCallersUpTo(append, payloads, most, callers) {
  let count = 0;
  const call = async () => {
    while (count < most) await append(payloads.at(count++));
  };
  await Promise.all(Array.from({ length: callers }, call));
}
