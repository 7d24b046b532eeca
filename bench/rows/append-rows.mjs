/** One record at a time, many callers, batches. */
import { appendRow } from "../lib/append-row.mjs";
import { batchesOf, manyCallers, oneAtATime } from "../lib/drive.mjs";
import { ratio } from "../lib/targets.mjs";

const sizes = [256, 64, 4096];

const one =
  (how) =>
  ({ [how]: append }, payloads, seconds) =>
    oneAtATime(append, payloads, seconds);

const callers =
  (how, count) =>
  ({ [how]: append }, payloads, seconds) =>
    manyCallers(append, payloads, seconds, count);

const batches =
  (how, count) =>
  ({ [how]: append }, payloads, seconds) =>
    batchesOf(append, payloads, seconds, count);

const seed = { key: "seed", contender: "seed", label: "write + fsync per record", drive: one("appendSync") };

const appendSync = {
  name: "append-sync",
  title: "`appendSync`, one record at a time",
  sizes,
  async run(context) {
    const row = await appendRow(
      [
        { key: "seqlog", contender: "seqlog", label: "appendSync", drive: one("appendSync") },
        seed,
        { key: "better-sqlite3", contender: "better-sqlite3", label: "insert", drive: one("appendSync") },
        { key: "lmdb", contender: "lmdb", label: "putSync", drive: one("appendSync") },
      ],
      context,
    );
    return {
      ...row,
      targets: [ratio(row.contenders, "seqlog", "seed", 1.35), ratio(row.contenders, "seqlog", "better-sqlite3", 1.1)],
    };
  },
};

const append = {
  name: "append",
  title: "`await append`, one at a time",
  sizes,
  async run(context) {
    const row = await appendRow(
      [
        { key: "seqlog", contender: "seqlog", label: "await append", drive: one("append") },
        seed,
        { key: "classic-level", contender: "classic-level", label: "await put", drive: one("append") },
        { key: "lmdb", contender: "lmdb", label: "await put", drive: one("append") },
        { key: "redis", contender: "redis", label: "await XADD", drive: one("append") },
        {
          key: "async-append-only-log",
          contender: "async-append-only-log",
          label: "append, onDrain",
          drive: one("append"),
        },
        { key: "hypercore", contender: "hypercore", label: "await append", drive: one("append") },
      ],
      context,
    );
    return { ...row, targets: [ratio(row.contenders, "seqlog", "seed", 0.95)] };
  },
};

/** The larger the transactions, the more SQLite gains by larger pages. */
const largePages = {
  key: "better-sqlite3, 16 KiB pages",
  contender: "better-sqlite3-16k",
  label: "4096 per transaction",
  drive: batches("appendManySync", 4096),
};

/** Callers against what a program would write for a peer that has no group commit: a transaction of as many records. */
function callersRow(count, targets, more = []) {
  return {
    name: `callers-${count}`,
    title: `${count.toLocaleString("en")} callers of \`await append\``,
    sizes,
    async run(context) {
      const row = await appendRow(
        [
          { key: "seqlog", contender: "seqlog", label: `${count} callers`, drive: callers("append", count) },
          seed,
          {
            key: "better-sqlite3",
            contender: "better-sqlite3",
            label: `${count} per transaction`,
            drive: batches("appendManySync", count),
          },
          ...more,
          { key: "lmdb", contender: "lmdb", label: `${count} callers`, drive: callers("append", count) },
          {
            key: "classic-level",
            contender: "classic-level",
            label: `batch of ${count}`,
            drive: batches("appendMany", count),
          },
          { key: "redis", contender: "redis", label: `${count} callers, pipelined`, drive: callers("append", count) },
        ],
        context,
      );
      return { ...row, targets: targets.map(([to, atLeast]) => ratio(row.contenders, "seqlog", to, atLeast)) };
    },
  };
}

const batchSync = {
  name: "batch-64",
  title: "`appendBatchSync` of 64",
  sizes,
  async run(context) {
    const row = await appendRow(
      [
        { key: "seqlog", contender: "seqlog", label: "appendBatchSync", drive: batches("appendManySync", 64) },
        {
          key: "better-sqlite3",
          contender: "better-sqlite3",
          label: "64 per transaction",
          drive: batches("appendManySync", 64),
        },
        { key: "lmdb", contender: "lmdb", label: "transactionSync", drive: batches("appendManySync", 64) },
        { key: "classic-level", contender: "classic-level", label: "batch", drive: batches("appendMany", 64) },
      ],
      context,
    );
    return { ...row, targets: [ratio(row.contenders, "seqlog", "better-sqlite3", 1.5)] };
  },
};

const batch = {
  name: "batch-4096",
  title: "`appendBatch` of 4,096",
  sizes,
  async run(context) {
    const many = (contender, label, how = "appendMany") => ({
      key: contender,
      contender,
      label,
      drive: batches(how, 4096),
    });
    const row = await appendRow(
      [
        many("seqlog", "appendBatch"),
        many("better-sqlite3", "4096 per transaction", "appendManySync"),
        largePages,
        many("lmdb", "batch"),
        many("classic-level", "batch"),
        many("redis", "pipeline of XADD"),
        many("async-append-only-log", "append of an array, onDrain"),
        many("hypercore", "append of an array"),
      ],
      context,
    );
    return {
      ...row,
      targets: [
        ratio(row.contenders, "seqlog", "better-sqlite3", 2.5),
        ratio(row.contenders, "seqlog", largePages.key, 2.5),
      ],
    };
  },
};

const rawShape = {
  name: "batch-64-raw",
  title: "`appendBatchSync` of 64 beside the same bytes in one O_DSYNC write",
  sizes,
  async run(context) {
    const row = await appendRow(
      [
        { key: "seqlog", contender: "seqlog", label: "appendBatchSync", drive: batches("appendManySync", 64) },
        { key: "raw", contender: "raw-write", label: "one writeSync, prefilled", drive: batches("appendManySync", 64) },
      ],
      context,
    );
    return { ...row, targets: [ratio(row.contenders, "seqlog", "raw", 0.85)] };
  },
};

export const appendRows = [
  appendSync,
  append,
  callersRow(64, [
    ["seed", 40],
    ["better-sqlite3", 1],
  ]),
  batchSync,
  callersRow(
    4096,
    [
      ["seed", 150],
      ["better-sqlite3", 1.5],
      [largePages.key, 1.5],
    ],
    [largePages],
  ),
  batch,
  rawShape,
];
