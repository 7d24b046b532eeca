/**
 * All contenders of a row in turn, round after round, on the same disk: what disturbs the machine
 * for a second disturbs one figure of one round, not one contender. The first round warms up and
 * is thrown away; the order rotates, so that nobody always follows the same neighbour.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

/**
 * @param contenders each with `measure(dir, isWarmUp)`, which gives one figure, in a directory that is new and empty
 * @returns for each contender the figures of all rounds
 */
export async function inRounds(contenders, { dir, rounds, report }) {
  const figures = contenders.map(() => []);
  for (let round = -1; round < rounds; round++) {
    report(`round ${round + 1} of ${rounds}`);
    for (let i = 0; i < contenders.length; i++) {
      const at = (i + round + 1) % contenders.length;
      const own = mkdtempSync(join(dir, "round-"));
      collectGarbage();
      const figure = await contenders[at].measure(own, round < 0);
      if (round >= 0) figures[at].push(figure);
      rmSync(own, { recursive: true, force: true });
      settle(dir);
    }
  }
  return figures;
}

/** What one contender left in the file system's journal is not the next one's to wait for. */
function settle(dir) {
  if (process.platform === "win32") return;
  const fd = openSync(dir, "r");
  fsyncSync(fd);
  closeSync(fd);
}
