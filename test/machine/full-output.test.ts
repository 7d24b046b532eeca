/**
 * Output that is redirected to a file which may not grow: Node's own stream takes a short write for a
 * whole one. What looks complete is, or the command says that it failed.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { newPath, scratchDirectory } from "../crash/scratch-directory.ts";
import { fileSizeLimit, onlyWith } from "./needs.ts";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Runs a command whose output file takes so many KiB. */
function limited(kib: number, args: readonly string[]): { status: number | null; stderr: string; output: string } {
  const file = join(scratchDirectory(), "output");
  const script = `ulimit -S -f ${kib} && exec "$@" > "${file}"`;
  const { status, stderr } = spawnSync("bash", ["-c", script, "bash", process.execPath, main, ...args], {
    encoding: "utf8",
  });
  return { status, stderr, output: readFileSync(file, "latin1") };
}

async function logOf(count: number): Promise<string> {
  const log = await FileLog.open(newPath());
  await log.appendBatch(Array.from({ length: count }, (_, i) => `record ${i}`.padEnd(99, ".")));
  await log.close();
  return log.location;
}

// 100 bytes a line: with 600 records the cut is in the only piece, with 2,500 in one of several.
for (const [count, kib] of [
  [600, 40],
  [2500, 200],
] as const) {
  test(
    `${count} records into ${kib} KiB: cat, export and tail fail, and nothing is acknowledged that is not there`,
    onlyWith([fileSizeLimit], async () => {
      const log = await logOf(count);
      for (const args of [["cat"], ["export", "--format", "frames"], ["tail", "--consumer", "reader"]]) {
        const [command = "", ...options] = args;
        const { status, stderr, output } = limited(kib, [command, ...options, log]);
        expect({ command, status, length: output.length }).toEqual({ command, status: 4, length: kib * 1024 });
        expect(stderr).toContain("standard output: no space for this write (EFBIG)");
        if (command !== "tail") continue;
        const whole = output.split("\n").length - 1;
        const reader = await FileLog.open(log, { readOnly: true });
        const [info] = await reader.consumers();
        expect(info?.nextSeq).toBeLessThanOrEqual(whole);
        await reader.close();
      }
      const all = limited(1024, ["cat", log]);
      expect(all).toMatchObject({ status: 0, stderr: "" });
      expect(all.output.length).toBe(100 * count);
    }),
  );
}
