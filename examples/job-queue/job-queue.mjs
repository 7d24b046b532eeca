/**
 * A job queue: three at a time, retried when they fail, put aside in a log of dead letters when they
 * fail too often. A job that was under way when the process was killed is done again by the next one.
 *
 *   node examples/job-queue/job-queue.mjs ./data/job-queue
 *
 * Each run queues ten mails, works them off, and lists the dead letters of all runs.
 */
import { join } from "node:path";
import { json, openLog, readDeadLetter } from "seqlog";

const directory = process.argv[2] ?? "./data/job-queue";

const jobs = await openLog(join(directory, "jobs"), {
  codec: json(),
  // Jobs that are done need not be kept; one that is not is never removed.
  retention: { maxAgeMs: 7 * 24 * 60 * 60 * 1000, protect: "consumers" },
});
const deadJobs = await openLog(join(directory, "dead-jobs"), { codec: json() });

/** Stands for the mail server: it knows nobody at nowhere.example, and busy.example is busy at first. */
async function sendMail({ to }, attempt, signal) {
  signal.throwIfAborted();
  if (to.endsWith("@nowhere.example")) throw new Error(`no such address: ${to}`);
  if (to.endsWith("@busy.example") && attempt < 3) throw new Error("busy, try again later");
}

const people = ["ann", "bob", "cleo", "dan", "eve", "finn", "gia", "hugo"].map((name) => `${name}@mail.example`);
await jobs.appendBatch([...people, "ida@busy.example", "jon@nowhere.example"].map((to) => ({ to })));
const end = jobs.nextSeq;

const worker = await jobs.consumer("mailer", {
  retry: { attempts: 4, backoffMs: 50, maxBackoffMs: 1000 },
  deadLetter: deadJobs,
  ackWaitMs: 60_000,
});

// A service works until it is told to stop; this one stops when every job is done or dead, too.
process.once("SIGTERM", () => void worker.close());
const watch = setInterval(() => {
  if (worker.nextSeq >= end) void worker.close();
}, 10);

// The signal is aborted when a job takes longer than `ackWaitMs`, or the worker is closed: hand it on, to `fetch` say.
await worker.run(
  async (delivery, signal) => {
    await sendMail(delivery.data, delivery.attempt, signal);
    console.log(`job ${delivery.seq}: mail to ${delivery.data.to} sent at attempt ${delivery.attempt}`);
  },
  { concurrency: 3 },
);
clearInterval(watch);

for await (const record of deadJobs.read()) {
  const { origin, attempts, error } = readDeadLetter(record.data);
  console.log(`job ${origin.seq} is dead after ${attempts} attempts: ${error.message}`);
}
await deadJobs.close();
await jobs.close();
