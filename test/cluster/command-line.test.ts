/** The commands of `seqlog` on a log of JetStream: the same words as for a directory, and a clear one where that cannot be. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { openLog } from "../../src/index.ts";
import { runInProcess } from "../cli/run-in-process.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

const scratch = mkdtempSync(join(tmpdir(), "seqlog-nats-cli-"));
const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
let cluster: NatsCluster;
let count = 0;

beforeAll(async () => {
  if (natsServer.missing === undefined) cluster = await NatsCluster.start({ servers: 1 });
});

afterAll(async () => {
  await cluster?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const onServer = (body: () => Promise<void>) => onlyWith([natsServer], body);

/** A new log with three records. */
async function newLog(): Promise<string> {
  const location = `${cluster.url}/log-${++count}`;
  const appended = await runInProcess(["append", location, "--json"], { input: '{"n":1}\n{"n":2}\n{"n":3}\n' });
  expect(JSON.parse(appended.text)).toEqual({ first: 0, last: 2, count: 3 });
  return location;
}

test(
  "append, cat, get, stats",
  onServer(async () => {
    const location = await newLog();
    expect((await runInProcess(["cat", location])).text).toBe('{"n":1}\n{"n":2}\n{"n":3}\n');
    expect((await runInProcess(["cat", location, "--where", "n=2", "--format", "%s %d\\n"])).text).toContain("1 ");
    expect((await runInProcess(["get", location, "1"])).text).toBe('{"n":2}\n');
    expect(await runInProcess(["get", location, "7"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no record with seq 7; the log holds seq 0 to 2") as unknown,
    });
    expect(JSON.parse((await runInProcess(["stats", location, "--json"])).text)).toMatchObject({
      firstSeq: 0,
      nextSeq: 3,
      records: 3,
    });
  }),
);

test(
  "tail, and tail -f as records come",
  onServer(async () => {
    const location = await newLog();
    expect((await runInProcess(["tail", "-n", "2", location])).text).toBe('{"n":2}\n{"n":3}\n');
    const child = spawn(process.execPath, [main, "tail", "-f", "-n", "1", location], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      expect((await lines.next()).value).toBe('{"n":3}');
      await runInProcess(["append", location], { input: '{"n":4}\n' });
      expect((await lines.next()).value).toBe('{"n":4}');
    } finally {
      child.kill("SIGKILL");
    }
  }),
);

test(
  "export and import, from a stream to a directory and back",
  onServer(async () => {
    const location = await newLog();
    const file = join(scratch, "export.ndjson");
    expect(await runInProcess(["export", location, "-o", file])).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8").split("\n")).toHaveLength(4);
    const directory = join(scratch, "imported");
    await runInProcess(["import", directory, file, "--format", "ndjson", "--exported"]);
    expect((await runInProcess(["cat", directory])).text).toBe((await runInProcess(["cat", location])).text);
    const other = `${cluster.url}/imported`;
    await runInProcess(["import", other, file, "--format", "ndjson", "--exported"]);
    expect((await runInProcess(["cat", other])).text).toBe((await runInProcess(["cat", location])).text);
  }),
);

test(
  "an import that stops counts its own records, not those of others",
  onServer(async () => {
    const location = await newLog();
    const child = spawn(process.execPath, [main, "import", location, "--format", "ndjson"], {
      stdio: ["pipe", "inherit", "pipe"],
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const said = child.stderr.toArray();
    const stored = async (): Promise<unknown> =>
      (JSON.parse((await runInProcess(["stats", location, "--json"])).text) as { records: unknown }).records;
    child.stdin.write('{"n":1}\n');
    while ((await stored()) !== 4) await setImmediate();
    await runInProcess(["append", location], { input: "x\ny\nz\n" });
    child.stdin.end('{"n":2}\nnot json\n');
    expect(await ended).toBe(2);
    expect(Buffer.concat(await said).toString()).toMatch(/Before that 2 records were imported. To go on: --skip 2/);
  }),
);

test(
  "trim says what goes, and --dry-run only that",
  onServer(async () => {
    const location = await newLog();
    const dry = JSON.parse((await runInProcess(["trim", location, "--before", "2", "--dry-run", "--json"])).text);
    expect(dry).toMatchObject({ dryRun: true, removed: { records: 2 }, firstSeq: 2, nextSeq: 3 });
    expect((await runInProcess(["trim", location, "--before", "2"])).text).toMatch(
      /^removed 2 records \(.*\), seq 0 to 1; left: 1 record, seq 2 to 2\n$/,
    );
    expect((await runInProcess(["trim", location, "--before", "2"])).text).toMatch(
      /^nothing to remove; left: 1 record/,
    );
  }),
);

test(
  "reset needs --yes",
  onServer(async () => {
    const location = await newLog();
    expect(await runInProcess(["reset", location])).toMatchObject({ code: 2 });
    expect((await runInProcess(["reset", location, "--yes"])).text).toMatch(/^removed 3 records/);
    expect((await runInProcess(["cat", location])).text).toBe("");
    await runInProcess(["append", location], { input: "new\n" });
    expect((await runInProcess(["get", location, "0"])).text).toBe("new\n");
  }),
);

test(
  "consumers",
  onServer(async () => {
    const location = await newLog();
    expect((await runInProcess(["tail", "--consumer", "bill", location])).text).toBe('{"n":1}\n{"n":2}\n{"n":3}\n');
    expect((await runInProcess(["tail", "--consumer", "bill", location])).text).toBe("");
    const list = async (): Promise<unknown> =>
      JSON.parse((await runInProcess(["consumers", "list", location, "--json"])).text);
    expect(await list()).toMatchObject({ consumers: [{ name: "bill", nextSeq: 3, lag: { records: 0 } }] });
    await runInProcess(["consumers", "seek", location, "bill", "--to", "1"]);
    expect((await runInProcess(["tail", "--consumer", "bill", location])).text).toBe('{"n":2}\n{"n":3}\n');
    const holder = await openLog(location);
    await holder.consumer("bill");
    const refused = await runInProcess(["consumers", "seek", location, "bill", "--to", "2"]);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining("--force")]);
    expect((await runInProcess(["consumers", "delete", location, "bill", "--yes"])).code).toBe(3);
    expect((await runInProcess(["consumers", "seek", location, "bill", "--to", "2", "--force"])).code).toBe(0);
    await holder.close();
    const directory = await runInProcess(["consumers", "delete", scratch, "bill", "--yes", "--force"]);
    expect([directory.code, directory.stderr]).toEqual([2, expect.stringContaining("--force is for a log on servers")]);
    await runInProcess(["consumers", "delete", location, "bill", "--yes"]);
    expect(await list()).toEqual({ consumers: [] });
  }),
);

test.each([["verify"], ["repair"], ["rebuild-index"], ["salvage", "--out", join(scratch, "salvaged")]])(
  "%s says why not",
  async (command, ...more) => {
    expect(await runInProcess([command, "nats://127.0.0.1:1/log", ...more])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/is a log on servers, which look after their files themselves/) as unknown,
    });
  },
);

test(
  "what is not there is not made by reading",
  onServer(async () => {
    const location = `${cluster.url}/never-made`;
    for (const command of ["cat", "stats", "tail"]) {
      expect(await runInProcess([command, location])).toMatchObject({ code: 4 });
    }
    expect(await runInProcess(["cat", "nats://127.0.0.1:1/log"])).toMatchObject({ code: 4 });
  }),
);

test(
  "serve gives it to readers over HTTP",
  onServer(async () => {
    const location = await newLog();
    const child = spawn(process.execPath, [main, "serve", location, "--port", "0", "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      const { url } = JSON.parse(String((await lines.next()).value)) as { url: string };
      const name = location.slice(location.lastIndexOf("/") + 1);
      const response = await fetch(`${url}/v1/stream/${name}?offset=-1`);
      expect(await response.text()).toBe('{"n":1}{"n":2}{"n":3}');
    } finally {
      child.kill("SIGKILL");
    }
  }),
);
