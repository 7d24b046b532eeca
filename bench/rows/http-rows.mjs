/**
 * `seqlog serve` beside the reference server of its protocol. The servers run in processes of their
 * own; this one is the load. After each round the server is killed and started again, and what it
 * acknowledged must be there, each message once.
 */
import { openReaders } from "../lib/event-readers.mjs";
import { loadEntries, measureEntries } from "../lib/entries.mjs";
import { appendOver, createStream, readNumbers } from "../lib/http-load.mjs";
import { ratio } from "../lib/targets.mjs";

const entries = [
  { key: "seqlog", contender: "seqlog-serve" },
  { key: "reference", contender: "durable-streams-server" },
];

async function checkKept({ module }, dir, count) {
  const server = await module.serve(dir);
  const numbers = await readNumbers(server.url);
  await server.kill();
  if (numbers.toSorted((a, b) => a - b).some((n, i) => n !== i) || numbers.length !== count) {
    throw new Error(`${module.about.name}: ${count} messages were acknowledged, and not each of them is there once`);
  }
}

/** At this many a server has compiled what it runs: with one connection seqlog gains for some four seconds. */
const warmRequests = 10_000;

function appendsRow(connections, atLeast) {
  const label = connections === 1 ? "1 connection" : `${connections} connections`;
  return {
    name: `http-append-${connections}`,
    title: `appends to one stream over HTTP, ${label}`,
    sizes: [256],
    async run(context) {
      const labelled = entries.map((entry) => ({ ...entry, label: `POST, ${label}` }));
      const contenders = await measureEntries(await loadEntries(labelled), context, async (entry, dir, isWarmUp) => {
        const server = await entry.module.serve(dir);
        await createStream(server.url);
        // A process that has just begun has compiled little yet, and grows faster for some thousand requests.
        const warm = await appendOver(server.url, connections, context.size, (next) => next >= warmRequests);
        const start = performance.now();
        const ms = (isWarmUp ? context.seconds / 2 : context.seconds) * 1000;
        const isOver = () => performance.now() - start >= ms;
        const { count, seconds } = await appendOver(server.url, connections, context.size, isOver, {
          first: warm.count,
        });
        await server.kill();
        await checkKept(entry, dir, warm.count + count);
        return count / seconds;
      });
      return {
        unit: "appends/s",
        contenders,
        targets: [ratio(contenders, "seqlog", "reference", atLeast)],
        notes: [
          "the load is a process of its own on the same machine; all messages were read back after kill -9 and a restart",
        ],
      };
    },
  };
}

const readers = 1000;

const eventsRow = {
  name: `http-events-${readers}`,
  title: `${readers.toLocaleString("en")} readers of one stream's server-sent events`,
  sizes: [256],
  async run(context) {
    const labelled = entries.map((entry) => ({ ...entry, label: `${readers} × live=sse` }));
    const contenders = await measureEntries(await loadEntries(labelled), context, async (entry, dir, isWarmUp) => {
      const server = await entry.module.serve(dir);
      await createStream(server.url);
      const reading = await openReaders(server.url, readers);
      const start = performance.now();
      const ms = (isWarmUp ? 0 : context.seconds) * 1000;
      // One at least, however long it takes.
      const isOver = (next) => next > 0 && performance.now() - start >= ms;
      const { count } = await appendOver(server.url, 4, context.size, isOver, { reset: true });
      await reading.all(count);
      const seconds = (performance.now() - start) / 1000;
      const given = reading.counts();
      reading.close();
      await server.kill();
      if (given.some((each) => each !== count))
        throw new Error(`${entry.module.about.name}: a reader has not each message once`);
      await checkKept(entry, dir, count);
      return (count * readers) / seconds;
    });
    return {
      unit: "messages/s",
      contenders,
      targets: [ratio(contenders, "seqlog", "reference", 3)],
      notes: [
        `appended over 4 connections while ${readers} others follow; messages delivered in a second, to all readers together`,
        "the reference server notes each delivery in its database, with an fsync",
      ],
    };
  },
};

export const httpRows = [appendsRow(1, 3), appendsRow(64, 10), eventsRow];
