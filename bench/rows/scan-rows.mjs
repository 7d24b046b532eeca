/** All records from the first to the last. */
import { median } from "../lib/figures.mjs";
import { logDirectory } from "../contenders/seqlog.mjs";
import { rawReadRate } from "../lib/raw-read.mjs";
import { closeFilled, scanRow } from "../lib/scan-row.mjs";
import { atLeast, ratio } from "../lib/targets.mjs";

const sizes = [256, 64, 4096];
const peers = [
  { key: "better-sqlite3", contender: "better-sqlite3", label: "iterate", how: "scanEach" },
  { key: "lmdb", contender: "lmdb", label: "getRange", how: "scanEach" },
  { key: "classic-level", contender: "classic-level", label: "values().nextv(1000)", how: "scanEach" },
  { key: "async-append-only-log", contender: "async-append-only-log", label: "stream", how: "scanEach" },
  { key: "redis", contender: "redis", label: "XRANGE, 1000 at a time", how: "scanEach" },
];

/** About 256 MiB of data at most, so that all of it is in memory. */
function recordsFor({ size, isQuick }) {
  const most = isQuick ? 100_000 : 1_000_000;
  return Math.min(most, Math.floor((256 * 1024 * 1024) / size));
}

const readBatches = {
  name: "read-batches",
  title: "`readBatches`, every CRC checked",
  sizes,
  async run(context) {
    const { filled, ...row } = await scanRow(
      [
        { key: "seqlog", contender: "seqlog", label: "readBatches", how: "scan" },
        { key: "bytes-at", contender: "seqlog", label: "readBatches, bytesAt(i) of every record", how: "scanBytesAt" },
        ...peers,
      ],
      context,
      recordsFor(context),
    );
    const directory = logDirectory(filled.get("seqlog").dir);
    const raw = [];
    for (let round = 0; round < context.rounds; round++) raw.push(rawReadRate(directory, context.seconds / 4) / 1e9);
    await closeFilled(filled);
    const own = row.contenders[0].rounds.map((rate) => (rate * (context.size + 32)) / 1e9);
    return {
      ...row,
      targets: [
        ratio(row.contenders, "seqlog", "better-sqlite3", 6),
        ratio(row.contenders, "bytes-at", "better-sqlite3", 6),
        atLeast("seqlog, bytes of records", own, 2.5, "GB/s"),
      ],
      notes: [
        `the same files read raw, 1 MiB at a time: ${median(raw).toFixed(1)} GB/s (the GB/s target holds where this is ≥ 10)`,
      ],
    };
  },
};

const read = {
  name: "read",
  title: "`for await (record of log.read())`",
  sizes,
  async run(context) {
    const { filled, ...row } = await scanRow(
      [{ key: "seqlog", contender: "seqlog", label: "read", how: "scanEach" }, ...peers],
      context,
      recordsFor(context),
    );
    await closeFilled(filled);
    return { ...row, targets: [ratio(row.contenders, "seqlog", "better-sqlite3", 2)] };
  },
};

export const scanRows = [readBatches, read];
