/** All records through a durable consumer, one after the other, beside reading the same log. */
import { closeFilled, scanRow } from "../lib/scan-row.mjs";
import { atLeast, ratio } from "../lib/targets.mjs";

const entries = [
  { key: "run", contender: "seqlog", label: "run, concurrency 1, checkpoint “every”", how: "consume" },
  { key: "interval", contender: "seqlog", label: "run, concurrency 1, checkpoint each second", how: "consumeLazily" },
  { key: "read", contender: "seqlog", label: "read", how: "scanEach" },
];

const consumerRun = {
  name: "consumer-run",
  title: "`consumer.run(handler)`: each record acknowledged in order, checkpoints for many at a time",
  sizes: [256, 64, 4096],
  async run(context) {
    const most = context.isQuick ? 100_000 : 1_000_000;
    const count = Math.min(most, Math.floor((1024 * 1024 * 1024) / context.size));
    const { filled, ...row } = await scanRow(entries, context, count);
    await closeFilled(filled);
    const [run] = row.contenders;
    return {
      ...row,
      targets: [
        atLeast("seqlog, run", run.rounds, 500_000, "records/s"),
        // 500,000 of 2,000,000.
        ratio(row.contenders, "run", "read", 0.25),
      ],
      notes: [`over ${count.toLocaleString("en")} records; opening, the last checkpoint and closing included`],
    };
  },
};

export const consumerRows = [consumerRun];
