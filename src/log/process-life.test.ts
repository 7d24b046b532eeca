/** What holds a process and what does not. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { FileLog } from "./file-log.ts";

const library = new URL("../../dist/index.js", import.meta.url).href;

/** Runs a program that ends when nothing holds it any more; returns what it says. */
function run(program: string, path: string): string {
  const text = `const { openLog } = await import(${JSON.stringify(library)});
    const path = process.argv[1];
    const held = () => process.getActiveResourcesInfo().filter((name) => /Timeout|FSEvent|FSReq/.test(name)).length > 0;
    ${program}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", text, path], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

test("an open log that nobody uses does not hold the process", async () => {
  const path = newPath();
  run(`const log = await openLog(path); await log.append("0"); log.appendSync("1");`, path);
  run(`const log = await openLog(path, { readOnly: true }); await log.get(0);`, path);
  const log = await FileLog.open(path);
  expect(log.nextSeq).toBe(2);
  await log.close();
});

test("an append that is not awaited is written before the process ends", async () => {
  const path = newPath();
  run(`const log = await openLog(path); for (let i = 0; i < 100; i++) void log.append(String(i));`, path);
  const log = await FileLog.open(path);
  expect(log.nextSeq).toBe(100);
  await log.close();
});

test.each([
  ["of the writer", ""],
  ["of a read-only log", ", { readOnly: true }"],
])("a live read %s holds the process until it is left", async (_name, options) => {
  const path = newPath();
  const log = await FileLog.open(path);
  await log.append("0");
  await log.close();
  // It ends by itself once the read was left, or this test would not.
  const said = run(
    `const log = await openLog(path${options});
     const records = log.read({ live: true });
     await records.next();
     const waiting = records.next();
     for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
     process.stdout.write(held() ? "held" : "free");
     await records.return();
     await waiting;`,
    path,
  );
  expect(said).toBe("held");
});

test("records that wait for their interval are brought to the disk before the process ends", async () => {
  const path = newPath();
  run(`const log = await openLog(path, { durability: { intervalMs: 50 } }); await log.append("0");`, path);
  const log = await FileLog.open(path);
  expect(log.recovery).toMatchObject({ records: 1, redone: 0 });
  await log.close();
});
