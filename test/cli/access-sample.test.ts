import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("the sample access log is what its generator writes", () => {
  const generator = fileURLToPath(new URL("../../examples/access-sample.mjs", import.meta.url));
  const sample = readFileSync(new URL("../../examples/access-log.ndjson", import.meta.url));
  expect(execFileSync(process.execPath, [generator]).equals(sample)).toBe(true);
  expect(sample.length).toBeLessThanOrEqual(120_000);
});
