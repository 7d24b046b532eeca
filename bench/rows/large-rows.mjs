/** What must not grow with a log: the time to open it; and how fast its record index is made anew. */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import * as seqlog from "../contenders/seqlog.mjs";
import { fill } from "../lib/filled.mjs";
import { median } from "../lib/figures.mjs";
import { loadSeqlog } from "../lib/load-seqlog.mjs";
import { Payloads } from "../lib/payload.mjs";
import { inRounds } from "../lib/rounds.mjs";
import { atLeast, atMost } from "../lib/targets.mjs";

const recordBytes = 100;
const opensPerRound = 20;
const largeCount = ({ isQuick }) => (isQuick ? 1_000_000 : 10_000_000);
const inWords = (count) => (count >= 1e6 ? `${count / 1e6} M` : `${count / 1e3} k`);

async function filledLog(context, count) {
  context.report(`filling a log of ${inWords(count)} records`);
  const dir = join(context.dir, `log-${count}`);
  mkdirSync(dir);
  await fill(seqlog, dir, count, new Payloads(recordBytes));
  return seqlog.logDirectory(dir);
}

/** Milliseconds of one open: the median of some, since each closing in between writes to the disk. */
async function openTime(openLog, directory, count) {
  const times = [];
  for (let i = 0; i < opensPerRound; i++) {
    const start = performance.now();
    const log = await openLog(directory);
    times.push(performance.now() - start);
    if (log.nextSeq !== count) throw new Error(`${directory} has ${log.nextSeq} records, not ${count}`);
    await log.close();
  }
  return median(times);
}

const open = {
  name: "open",
  title: "open after a clean close, 100-byte records",
  sizes: [recordBytes],
  async run(context) {
    const { openLog } = await loadSeqlog();
    const counts = [10_000, largeCount(context)];
    const contenders = [];
    for (const count of counts) {
      const directory = await filledLog(context, count);
      contenders.push({ measure: () => openTime(openLog, directory, count) });
    }
    const [small, large] = await inRounds(contenders, context);
    const grown = large.map((time, round) => time / small[round]);
    const [of, than] = [`open of ${inWords(counts[1])}`, `open of ${inWords(counts[0])}`];
    return {
      unit: "ms",
      isCompared: false,
      contenders: [
        { ...seqlog.about, key: "small", label: than, rounds: small },
        { ...seqlog.about, key: "large", label: of, rounds: large },
      ],
      targets: [atMost(`${of} / ${than}`, grown, 1.5, "×")],
      notes: [`the median of ${opensPerRound} opens in each round; files in the page cache`],
    };
  },
};

const rebuild = {
  name: "rebuild-index",
  title: "record index rebuilt from scratch, 100-byte records",
  sizes: [recordBytes],
  async run(context) {
    const { rebuildIndex } = await loadSeqlog();
    const count = largeCount(context);
    const directory = await filledLog(context, count);
    const named = (end) => readdirSync(directory).filter((name) => name.endsWith(end));
    const bytes = named(".log").reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    const measure = async () => {
      for (const name of named(".idx")) rmSync(join(directory, name));
      const start = performance.now();
      const { records } = await rebuildIndex(directory);
      const seconds = (performance.now() - start) / 1000;
      if (records !== count) throw new Error(`rebuilt ${records} entries, there are ${count} records`);
      return bytes / seconds / 1e9;
    };
    const [rates] = await inRounds([{ measure }], context);
    return {
      unit: "GB/s",
      contenders: [{ ...seqlog.about, key: "seqlog", label: "rebuildIndex", rounds: rates }],
      targets: [atLeast(`${inWords(count)} records`, rates, 1, "GB/s")],
      notes: ["bytes of the segments by the time of `rebuildIndex`, its fsyncs included"],
    };
  },
};

export const largeRows = [open, rebuild];
