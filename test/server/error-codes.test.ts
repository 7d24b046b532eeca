/** The codes that the server's code has, and those that its page lists, are the same, with the same statuses. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

const statusOfKind: Readonly<Record<string, string>> = {
  "not-found": "404",
  gone: "410",
  conflict: "409",
  "bad-request": "400",
  "not-allowed": "405",
};

/** `409 EXISTS` and so on, of all errors that are made in the source. Codes of the log have a table of their own. */
function codesInSource(): Set<string> {
  const server = join(root, "src", "server");
  const found = new Set<string>();
  for (const name of readdirSync(server, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts") || name.endsWith(".test.ts")) continue;
    const text = readFileSync(join(server, name), "utf8");
    for (const [, status, code] of text.matchAll(/new Problem\(\s*(\d{3}),\s*"([A-Z_]+)"/g))
      found.add(`${status} ${code}`);
    for (const [, kind, code] of text.matchAll(/new Refusal\(\s*"([a-z-]+)",\s*"([A-Z_]+)"/g)) {
      found.add(`${statusOfKind[kind as string]} ${code}`);
    }
  }
  return found;
}

/** The same of the page: each row has a status and its codes. */
function codesOnPage(): Set<string> {
  const page = readFileSync(join(root, "docs", "server.md"), "utf8");
  const found = new Set<string>();
  for (const [, status, codes] of page.matchAll(/^\| (\d{3}) \| ([^|]*) \|/gm)) {
    for (const [, code] of (codes as string).matchAll(/`([A-Z_]+)`/g)) found.add(`${status} ${code}`);
  }
  return found;
}

test("every code is on the page", () => {
  const page = codesOnPage();
  const source = [...codesInSource()];
  expect(source.length).toBeGreaterThan(30);
  expect(source.filter((each) => !page.has(each))).toEqual([]);
});

test("every code on the page is there; those of the log come from it", () => {
  const source = codesInSource();
  expect([...codesOnPage()].filter((each) => !source.has(each) && !each.includes("SEQLOG_"))).toEqual([]);
});
