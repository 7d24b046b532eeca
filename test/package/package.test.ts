/** The package as a user gets it: packed, unpacked into an empty project, imported, required and compiled against. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "seqlog-package-"));
const unpacked = join(project, "node_modules", "seqlog");

const program = `
const log = await openLog("./events", { codec: json() });
const { seq } = await log.append({ hello: "world" });
const record = await log.get(seq);
console.log(JSON.stringify(record.data));
await log.close();
`;

function node(args: string[]): string {
  const done = spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" });
  return done.stdout + done.stderr;
}

beforeAll(() => {
  mkdirSync(unpacked, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    shell: process.platform === "win32",
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  execFileSync("tar", ["-xzf", join(project, filename), "-C", unpacked, "--strip-components", "1"]);
  // What npm would install beside it.
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name.startsWith(".")) continue;
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  }
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("what its pages link to is in it, the sources and tests apart", () => {
  const pages = readdirSync(unpacked, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  expect(pages).toContain("README.md");
  const dead = pages.flatMap((page) => {
    const links = readFileSync(join(unpacked, page), "utf8").matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g);
    return [...links]
      .map(([, link]) => join(dirname(page), link as string))
      .filter((link) => !/\.(?:ts|wat)$|^(?:test|bench)\b/.test(link) && !existsSync(join(unpacked, link)))
      .map((link) => `${page}: ${link}`);
  });
  expect(dead).toEqual([]);
});

test("it works by import", () => {
  writeFileSync(join(project, "a.mjs"), `import { json, openLog } from "seqlog";${program}`);
  expect(node(["a.mjs"])).toBe('{"hello":"world"}\n');
});

test("it works by require", () => {
  writeFileSync(join(project, "b.cjs"), `const { json, openLog } = require("seqlog");(async () => {${program}})();`);
  expect(node(["--no-warnings", "b.cjs"])).toBe('{"hello":"world"}\n');
});

test("seqlog/pino works by import and by require, as a destination and by its name as a transport", () => {
  const logs = `
    const lines = destination({ path: "./lines" });
    pino({ base: null, timestamp: false }, lines).info("here");
    for (const { bytes } of [lines.log.getSync(0)]) console.log(Buffer.from(bytes).toString());
    pino(pino.transport({ target: "seqlog/pino", options: { path: "./threaded" } })).info("there");`;
  const said = '{"level":30,"msg":"here"}\n';
  writeFileSync(
    join(project, "p.mjs"),
    `import pino from "pino"; import { destination } from "seqlog/pino"; ${logs} await lines.close();`,
  );
  expect(node(["p.mjs"])).toBe(said);
  writeFileSync(
    join(project, "p.cjs"),
    `const pino = require("pino"); const { destination } = require("seqlog/pino"); ${logs.replaceAll("./", "./c-")}`,
  );
  expect(node(["--no-warnings", "p.cjs"])).toBe(said);
  writeFileSync(
    join(project, "q.mjs"),
    `import { openLog } from "seqlog";
     for (const path of ["./threaded", "./c-threaded", "./c-lines"]) console.log((await openLog(path)).nextSeq);`,
  );
  expect(node(["q.mjs"])).toBe("1\n1\n1\n");
});

test("its types compile under the strictest flags, without skipLibCheck", () => {
  writeFileSync(
    join(project, "c.mts"),
    `import { binary, json, openLog, type Codec, type FileLog, type Log, type LogRecord, type Offset, type Seq, SeqlogError } from "seqlog";
     import { toNodeReadable, toNodeWritable, toReadableStream, toWritableStream } from "seqlog";
     import { destination } from "seqlog/pino";
     import { createHandler, type StreamHandler } from "seqlog/server";
     import pino from "pino";
     const log: FileLog<{ a: number }> = await openLog("./typed", { codec: json<{ a: number }>() });
     const seq: Seq = (await log.append({ a: 1 })).seq;
     const a: number | undefined = log.getSync(seq)?.data.a;
     const plain: Log = await openLog("./plain");
     for await (const record of plain.read({ live: true })) { const bytes: Uint8Array = record.bytes; void bytes; break; }
     const offset: Offset = (await log.append({ a: 2 })).offset;
     const bytes: FileLog<Uint8Array> = await openLog("./bytes", { codec: binary() });
     // @ts-expect-error binary() takes no text
     await bytes.append("text");
     const lengths: Codec<string, number> = { name: "length", encode: (text) => text, decode: (bytes) => bytes.length };
     const measured: Log<string, number> = await openLog("./measured", { codec: lengths });
     for await (const { data } of measured.read()) { const length: number = data; void length; }
     for await (const record of toNodeReadable(measured, { live: true })) { const r: LogRecord<number> = record; void r; break; }
     const web: ReadableStream<LogRecord<number>> = toReadableStream(measured, { highWaterMark: 1024 });
     const sink: WritableStream<string> = toWritableStream(measured);
     toNodeWritable(plain, { highWaterMark: 1024 }).write("chunk");
     // @ts-expect-error a stream too is not both
     toNodeReadable(plain, { live: true, reverse: true });
     pino(destination({ path: "./lines", mode: "buffered", segmentBytes: 4096 })).info("line");
     // @ts-expect-error an unknown mode
     destination({ path: "./lines", mode: "async" });
     const handler: StreamHandler = createHandler({ logs: { typed: log, bytes } });
     const response: Response = await handler.fetch(new Request("http://localhost/v1/logs"));
     // @ts-expect-error logs or a directory, not both
     createHandler({ dir: "./data", logs: {} });
     void web; void sink; void response;
     // @ts-expect-error an offset is not a seq
     await log.get(offset);
     // @ts-expect-error a read is not both
     log.read({ live: true, reverse: true });
     // @ts-expect-error the codec's input
     await log.append({ b: 1 });
     try { await log.close(); } catch (error) { if (SeqlogError.is(error, "SEQLOG_LOCKED")) { const pid: number = error.facts.pid; void pid; } }
     void a;`,
  );
  const strict = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
  };
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        ...strict,
        target: "es2022",
        module: "nodenext",
        noEmit: true,
        types: ["node"],
        skipLibCheck: false,
      },
      include: ["c.mts"],
    }),
  );
  expect(node([join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "."])).toBe("");
});

test("seqlog/server works by import and by require", () => {
  const serve = `
    const server = await serve({ dir: "./served", port: 0 });
    const url = server.url + "/v1/stream/a";
    await fetch(url, { method: "PUT", headers: { "content-type": "application/json" }, body: "[1,2]" });
    console.log(await (await fetch(url)).text());
    await server.close();`;
  writeFileSync(join(project, "s.mjs"), `import { serve } from "seqlog/server"; ${serve}`);
  expect(node(["s.mjs"])).toBe("[1,2]\n");
  const required = serve.replace("served", "c-served");
  writeFileSync(join(project, "s.cjs"), `const { serve } = require("seqlog/server"); (async () => {${required}})();`);
  expect(node(["--no-warnings", "s.cjs"])).toBe("[1,2]\n");
});

test("importing it needs no other package, nor the server: not the command line's, not the lock", () => {
  const bare = join(project, "bare", "node_modules");
  mkdirSync(bare, { recursive: true });
  cpSync(unpacked, join(bare, "seqlog"), { recursive: true });
  for (const part of ["server", "cli", "testing"]) rmSync(join(bare, "seqlog", "dist", part), { recursive: true });
  writeFileSync(
    join(project, "bare", "d.mjs"),
    'import * as seqlog from "seqlog"; console.log(typeof seqlog.openLog);',
  );
  expect(node([join(project, "bare", "d.mjs")])).toBe("function\n");
});

test("it holds what it needs and nothing else", () => {
  const names = readdirSync(unpacked).sort();
  expect(names).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "dist", "docs", "examples", "package.json", "src"]);
  const sources = readdirSync(join(unpacked, "src"), { recursive: true, withFileTypes: true });
  expect(sources.filter((entry) => entry.isFile() && !entry.name.endsWith(".md"))).toEqual([]);
  const dist = readdirSync(join(unpacked, "dist"), { recursive: true, encoding: "utf8" });
  expect(dist.filter((name) => name.includes(".test."))).toEqual([]);
  const manifest = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8")) as {
    scripts?: Record<string, string>;
  };
  expect(Object.keys(manifest.scripts ?? {}).filter((name) => name.endsWith("install"))).toEqual([]);
});
