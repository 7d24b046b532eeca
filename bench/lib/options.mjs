/** The command line of the benchmark. */
import { parseArgs } from "node:util";

export const usage = `npm run bench -- [options]

  --row NAME     only this row (may be repeated); its figures replace those in results/latest.json
  --quick        short rounds and small logs: to see that all works. Writes no results
  --size BYTES   only records of this size (64, 256, 4096)
  --dir DIR      where the files are made; the file system under it is what is measured
  --rounds N     rounds beside the warm-up, default 5
  --seconds S    time of each contender in each round, default 0.6
  --list         name the rows`;

/** What each row is run with. Quick figures show that everything works, not how fast it is. */
export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      row: { type: "string", multiple: true, default: [] },
      quick: { type: "boolean", default: false },
      size: { type: "string", multiple: true, default: [] },
      dir: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const isQuick = values.quick;
  return {
    rows: values.row,
    sizes: values.size.map((size) => positive(size, "--size")),
    dir: values.dir,
    isQuick,
    rounds: positive(values.rounds ?? (isQuick ? 3 : 5), "--rounds"),
    seconds: positive(values.seconds ?? (isQuick ? 0.25 : 0.6), "--seconds"),
    isList: values.list,
    isHelp: values.help,
  };
}

function positive(value, name) {
  const number = Number(value);
  if (!(number > 0)) throw new TypeError(`${name} takes a number above 0, got ${value}`);
  return number;
}
