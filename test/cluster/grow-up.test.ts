/** examples/grow-up: one program on a directory and on a cluster, where one string is all that differs; and moved between. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { promote } from "../../src/jetstream/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "seqlog-grow-up-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What the program says, without dates. */
async function run(location: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/grow-up/grow-up.mjs", location], {
    cwd: root,
  });
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\d{4}-\d\d-\d\d/, "DATE"));
}

const first = ["order 0, DATE: tea, 1 EUR", "order 1, DATE: milk, 2 EUR", "order 2, DATE: bread, 3 EUR"];
const second = ["order 3, DATE: tea, 1 EUR", "order 4, DATE: milk, 2 EUR", "order 5, DATE: bread, 3 EUR"];

test("on a directory", async () => {
  const directory = join(scratch, "directory");
  expect(await run(directory)).toEqual([...first, "3 orders, 6 EUR in all", "3 billed"]);
  expect(await run(directory)).toEqual([...first, ...second, "6 orders, 12 EUR in all", "3 billed"]);
});

test(
  "on a cluster, and from a directory to the cluster",
  onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start();
    try {
      const location = `${cluster.url}/events`;
      expect(await run(location)).toEqual([...first, "3 orders, 6 EUR in all", "3 billed"]);
      expect(await run(location)).toEqual([...first, ...second, "6 orders, 12 EUR in all", "3 billed"]);

      const directory = join(scratch, "outgrown");
      await run(directory);
      await promote(directory, `${cluster.url}/outgrown`);
      // The consumer is new there: what it did stays with the directory.
      expect(await run(`${cluster.url}/outgrown`)).toEqual([
        ...first,
        ...second,
        "6 orders, 12 EUR in all",
        "6 billed",
      ]);
    } finally {
      await cluster.stop();
    }
  }),
);
