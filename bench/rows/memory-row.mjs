/** The most memory that a process ever had while it appends to or scans a log, and whether that grows with the log. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import * as seqlog from "../contenders/seqlog.mjs";
import { inChild } from "../lib/in-child.mjs";
import { atMost } from "../lib/targets.mjs";

const mebi = 1024 * 1024;
/** Growth up to this is taken as noise, a choice: peaks depend on when the collector ran, and one process is one sample. */
const noise = 1.15;
/** Each work needs the log that the one before it left. */
const works = [
  { work: "callers", label: "4,096 callers of append" },
  { work: "read", label: "read()" },
  { work: "batches", label: "appendBatch of 4,096" },
  { work: "readBatches", label: "readBatches()" },
];

const memory = {
  name: "memory",
  title: "memory while appending or scanning",
  sizes: [256],
  async run(context) {
    const counts = context.isQuick ? [100_000, 1_000_000] : [1_000_000, 10_000_000];
    const peaks = works.map(() => []);
    for (const count of counts) {
      for (const [i, { work, label }] of works.entries()) {
        context.report(`${label}, ${count / 1e6} M records`);
        const directory = join(context.dir, `${i < 2 ? "callers" : "batches"}-${count}`);
        const { peakBytes } = await inChild("children/memory.mjs", { directory, work, count, size: context.size });
        peaks[i].push(peakBytes / mebi);
        if (i % 2 === 1) rmSync(directory, { recursive: true });
      }
    }
    const [few, many] = counts.map((count) => `${count / 1e6} M`);
    return {
      unit: "MiB",
      isCompared: false,
      contenders: works.flatMap(({ work, label }, i) =>
        [few, many].map((count, at) => ({
          ...seqlog.about,
          key: `${work}-${count}`,
          label: `${label}, ${count} records`,
          rounds: [peaks[i][at]],
        })),
      ),
      targets: works.flatMap(({ label }, i) => [
        atMost(`${label}, peak RSS`, [Math.max(...peaks[i])], 200, "MiB"),
        atMost(`${label}, ${many} / ${few}`, [peaks[i][1] / peaks[i][0]], noise, "×"),
      ]),
      notes: [
        "the peak of the whole process, Node.js included; one process for each figure",
        `growth of up to ${noise} × is taken as noise, a choice of this row; each figure is of one process`,
      ],
    };
  },
};

export const memoryRows = [memory];
