/** Every example in the docs and in TSDoc compiles under the strictest flags, and runs. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "seqlog-examples-"));

interface Example {
  readonly name: string;
  readonly code: string;
}

function findExamples(): Example[] {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => join("src", name));
  const pages = [
    "README.md",
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((name) => join("docs", name)),
  ];
  const found: Example[] = [];
  for (const path of [...sources, ...pages.filter((name) => name.endsWith(".md"))]) {
    const isSource = path.endsWith(".ts");
    const text = readFileSync(join(root, path), "utf8");
    const lines = isSource ? text.replaceAll(/^ *\* ?/gm, "") : text;
    let count = 0;
    for (const match of lines.matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
      found.push({ name: `${path.replaceAll(/[^a-z0-9]+/gi, "-")}-${++count}`, code: match[1] as string });
    }
  }
  return found;
}

const examples = findExamples();

beforeAll(() => {
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules", "seqlog"), "junction");
  for (const name of ["@types", "pino"]) {
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name), "junction");
  }
  for (const { name, code } of examples) writeFileSync(join(project, `${name}.mts`), code);
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    target: "es2022",
    module: "nodenext",
    types: ["node"],
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.mts"] }));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const compiled = spawnSync(process.execPath, [tsc, "-p", project], { encoding: "utf8" });
  if (compiled.stdout !== "") throw new Error(compiled.stdout);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the examples run", () => {
  test.each(examples)("$name", ({ name }) => {
    const place = join(project, `run-${name}`);
    mkdirSync(place);
    // Examples of LogReader read what another one wrote.
    execFileSync(process.execPath, ["--input-type=module", "-e", prepare], {
      cwd: place,
      env: { ...process.env, SEQLOG: join(root, "dist", "index.js") },
    });
    execFileSync(process.execPath, [join(project, `${name}.mjs`)], { cwd: place, stdio: "pipe" });
  });

  test("there are examples", () => {
    expect(examples.length).toBeGreaterThan(10);
  });
});

const prepare = `
const { LogWriter, RecordIndex, openLog } = await import("file://" + process.env.SEQLOG);
const index = await RecordIndex.open("events.idx");
const writer = await LogWriter.open("events.log", index);
await writer.append("hello");
await writer.close();
await index.close();
await (await openLog("./events")).close();
`;
