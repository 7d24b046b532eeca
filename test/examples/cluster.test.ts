/** examples/cluster, run as its first comment says. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "seqlog-cluster-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("several processes append to one log through its owner", () => {
  const args = ["examples/cluster/cluster.mjs", join(scratch, "log")];
  expect(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" })).toBe("300 records from 3 processes\n");
});
