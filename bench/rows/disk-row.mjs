/** Disk taken for each record, when all is closed. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { diskUsage } from "../lib/disk-usage.mjs";
import { loadEntries } from "../lib/entries.mjs";
import { fill } from "../lib/filled.mjs";
import { Payloads } from "../lib/payload.mjs";
import { atMost } from "../lib/targets.mjs";

const perLog = 64 * 1024;
const perRecord = 32 + 16;

const disk = {
  name: "disk",
  title: "disk per record",
  sizes: [256, 64, 4096],
  async run(context) {
    const { size, isQuick } = context;
    const count = isQuick ? 20_000 : 100_000;
    const payloads = new Payloads(size);
    const names = ["seqlog", "better-sqlite3", "lmdb", "classic-level", "async-append-only-log", "hypercore"];
    const entries = await loadEntries(names.map((name) => ({ key: name, contender: name, label: "closed" })));
    const contenders = [];
    for (const { key, contender, label, module, missing } of entries) {
      if (missing !== undefined) {
        contenders.push({ key, name: contender, label, missing });
        continue;
      }
      context.report(`filling ${contender}`);
      const dir = join(context.dir, `disk-${key}`);
      mkdirSync(dir);
      await fill(module, dir, count, payloads);
      contenders.push({ ...module.about, key, label, rounds: [diskUsage(dir) / count] });
    }
    const most = size + perRecord + perLog / count;
    return {
      unit: "bytes/record",
      contenders,
      targets: [atMost("seqlog", contenders[0].rounds, Number(most.toFixed(2)), "bytes/record")],
      notes: [
        `${count.toLocaleString("en")} records of ${size} bytes; bound: data + 32 + 16 bytes, + 64 KiB a log`,
        "blocks of the file system, after closing",
      ],
    };
  },
};

export const diskRows = [disk];
