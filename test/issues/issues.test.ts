/** Nothing that broke once breaks again. One of them: `npx vitest run test/issues -t "<name>"`. */
import { expect, test } from "vitest";
import { issues } from "./issues.ts";

test.each(issues)("$name", async (issue) => {
  await expect(issue.run()).resolves.toBeUndefined();
});
