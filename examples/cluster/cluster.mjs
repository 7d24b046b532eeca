/**
 * Several processes, one log: the primary owns it, the workers send it records over Node's own
 * channel and get an answer when they are on the disk.
 *
 *   node examples/cluster/cluster.mjs ./data/cluster
 */
import cluster from "node:cluster";
import { openLog } from "seqlog";

const workers = 3;
const recordsPerWorker = 100;

async function primary(directory) {
  const log = await openLog(directory);
  cluster.on("message", async (worker, { request, data }) => {
    try {
      const { seq } = await log.append(data);
      worker.send({ request, seq });
    } catch (error) {
      worker.send({ request, failure: error.message });
    }
  });
  const ended = Array.from({ length: workers }, () => {
    const worker = cluster.fork();
    return new Promise((resolve) => worker.once("exit", resolve));
  });
  const codes = await Promise.all(ended);
  const { records } = await log.stats();
  console.log(`${records} records from ${workers} processes`);
  await log.close();
  process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
}

/** In a worker: appends through the primary. Resolves with the seq when the record is durable there. */
function createAppend() {
  const waiting = new Map();
  let requests = 0;
  process.on("message", ({ request, seq, failure }) => {
    const { resolve, reject } = waiting.get(request);
    waiting.delete(request);
    if (failure === undefined) resolve(seq);
    else reject(new Error(failure));
  });
  return (data) =>
    new Promise((resolve, reject) => {
      const request = requests++;
      waiting.set(request, { resolve, reject });
      process.send({ request, data });
    });
}

async function worker() {
  const append = createAppend();
  const appends = Array.from({ length: recordsPerWorker }, (_, i) => append(`record ${i} of process ${process.pid}`));
  await Promise.all(appends);
  process.disconnect();
}

if (cluster.isPrimary) await primary(process.argv[2] ?? "./data/cluster");
else await worker();
