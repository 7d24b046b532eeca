/** The programs of examples/, run as their first comments and examples/README.md say, twice each on one directory. */
import { execFileSync, spawn } from "node:child_process";
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
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "seqlog-programs-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The lines that a program says, with times made the same. */
function run(name: string, examples = join(root, "examples")): string[] {
  const args = [join(examples, name, `${name}.mjs`), join(scratch, `${basename(examples)}-${name}`)];
  const output = execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  return output
    .trimEnd()
    .replaceAll(/\d{4}-[\d-]+T[\d:.]+Z/g, "TIME")
    .split("\n");
}

/** The drivers of SQLite that are here: Node's own comes with Node 22.13. */
const drivers = ["libsql", ...(isBuiltin("node:sqlite") ? ["node:sqlite"] : [])];

/** A copy of the examples that uses another driver, in the way that sqlite/database.mjs says. */
function examplesWith(driver: string): string {
  const examples = join(scratch, driver.replaceAll(/\W/g, "-"));
  if (existsSync(examples)) return examples;
  cpSync(join(root, "examples"), examples, { recursive: true });
  mkdirSync(join(examples, "node_modules"));
  symlinkSync(root, join(examples, "node_modules", "seqlog"), "junction");
  const path = join(examples, "sqlite", "database.mjs");
  const code = readFileSync(path, "utf8");
  const wanted = code.split("\n").find((line) => line.startsWith(" *   import ") && line.includes(`"${driver}"`));
  const statement = wanted?.slice(" *   ".length).replace(/ *\/\/.*/, "");
  writeFileSync(path, code.replace(/^import Database from .*$/m, String(statement)));
  symlinkSync(join(root, "node_modules", "libsql"), join(examples, "node_modules", "libsql"), "junction");
  return examples;
}

/** Commits an effect with each of these checkpoints: 9 comes before 10 as a number alone. */
const lateHandlers = `
  import { sqliteCheckpoint } from "./exactly-once/sqlite-checkpoint.mjs";
  import { openDatabase, transaction } from "./sqlite/database.mjs";
  const db = openDatabase(process.argv[1]);
  db.exec("CREATE TABLE effect (seq INTEGER)");
  const insert = db.prepare("INSERT INTO effect VALUES (?)");
  const store = sqliteCheckpoint(db, "x");
  const at = (nextSeq, logId = "a", generation = 0) => ({ logId, generation, nextSeq, lastId: null });
  const refused = [at(9), at(10), at(10), at(9), at(11, "b"), at(11, "a", 1), at(100)].map((checkpoint) => {
    try {
      transaction(db, () => {
        insert.run(checkpoint.nextSeq);
        store.saveInTransaction(checkpoint);
      });
      return false;
    } catch (error) {
      return /is not before seq/.test(error.message);
    }
  });
  const effects = db.prepare("SELECT seq FROM effect ORDER BY rowid").all().map(({ seq }) => seq);
  console.log(JSON.stringify({ refused, stored: store.load(), effects }));
  db.close();
`;

describe.each(drivers)("SQLite by %s", (driver) => {
  test("outbox: each order has its event", () => {
    expect(run("outbox", examplesWith(driver)).slice(-2)).toEqual(["relayed 4 events", "10 orders, 10 events"]);
    expect(run("outbox", examplesWith(driver)).at(-1)).toBe("20 orders, 20 events");
  });

  test("exactly-once: balances grow by what was paid", () => {
    const balances = (times: number): string[] => [
      `ann has ${times * 2200} cents from ${times * 4} payments`,
      `bob has ${times * 1500} cents from ${times * 3} payments`,
      `cleo has ${times * 1800} cents from ${times * 3} payments`,
    ];
    expect(run("exactly-once", examplesWith(driver)).slice(-3)).toEqual(balances(1));
    expect(run("exactly-once", examplesWith(driver)).slice(-3)).toEqual(balances(2));
  });

  test("exactly-once: a handler that comes late changes nothing", () => {
    const args = ["--input-type=module", "--eval", lateHandlers, join(scratch, `late-${driver.replace(":", "-")}.db`)];
    const output = execFileSync(process.execPath, args, { cwd: examplesWith(driver), encoding: "utf8" });
    expect(JSON.parse(output)).toEqual({
      refused: [false, false, true, true, true, true, false],
      stored: { logId: "a", generation: 0, nextSeq: 100, lastId: null },
      // Each at the seq that it says, and none of a handler whose checkpoint was refused.
      effects: [9, 10, 100],
    });
  });
});

test("job-queue: all jobs are done but one, which is dead", () => {
  const said = run("job-queue");
  expect(said).toHaveLength(10);
  expect(said).toContain("job 0: mail to ann@mail.example sent at attempt 1");
  expect(said).toContain("job 8: mail to ida@busy.example sent at attempt 3");
  expect(said.at(-1)).toBe("job 9 is dead after 4 attempts: no such address: jon@nowhere.example");
  expect(run("job-queue").slice(-2)).toEqual([
    "job 9 is dead after 4 attempts: no such address: jon@nowhere.example",
    "job 19 is dead after 4 attempts: no such address: jon@nowhere.example",
  ]);
});

test("audit-log: the log is whole, and the changed byte is found", () => {
  const said = run("audit-log");
  expect(said).toContain("entry 3, TIME: bob deleted it");
  expect(said).toContain("entry 1, TIME: ann read it");
  expect(said.at(-3)).toMatch(/^4 entries, \d+ bytes: all whole$/);
  expect(said.at(-2)).toBe("3 entries are whole");
  expect(said.at(-1)).toMatch(/^damage in .*\.log at 0, entry 0: the CRC-32 of the data does not match$/);
  expect(run("audit-log")).toContain("The first entry of this run is 4.");
});

test("event-sourcing: the projection is the same when it is rebuilt", () => {
  const said = run("event-sourcing");
  expect(said[0]).toBe("rebuilt from 0 events: {}");
  expect(said).toContain("not sold: there are 1 of lamp, not 2");
  expect(said.slice(-3)).toEqual([
    "after the day: { lamp: 1, chair: 1 }",
    "rebuilt from the log it is the same",
    "sold in all: 3",
  ]);
  expect(run("event-sourcing")[0]).toBe("rebuilt from 4 events: { lamp: 1, chair: 1 }");
});

test("tail: follows a writer in another process, and ends at Ctrl-C", async () => {
  const path = join(scratch, "tail");
  const program = (
    name: string,
    ...args: string[]
  ): { lines: AsyncIterator<string>; end: (signal: NodeJS.Signals) => Promise<unknown> } => {
    const child = spawn(process.execPath, [`examples/tail/${name}.mjs`, path, ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      lines,
      end: (signal) => {
        child.kill(signal);
        return ended;
      },
    };
  };
  const writer = program("writer");
  expect((await writer.lines.next()).value).toBe("wrote 0");
  const tail = program("tail");
  for (let seq = 0; seq < 3; seq++) {
    expect((await tail.lines.next()).value).toMatch(new RegExp(`^${seq}  .* °C$`));
  }
  expect(await writer.end("SIGINT")).toBe(0);
  expect(await tail.end("SIGINT")).toBe(0);
});

describe("examples/README.md", () => {
  const page = readFileSync(join(root, "examples", "README.md"), "utf8");
  const folders = readdirSync(join(root, "examples"), { withFileTypes: true }).filter((entry) => entry.isDirectory());

  test.each(folders.map(({ name }) => name))("says how to run %s, as the program itself does", (name) => {
    for (const file of readdirSync(join(root, "examples", name))) {
      const program = `${name}/${file}`;
      expect(page).toContain(`(${program})`);
      const text = readFileSync(join(root, "examples", program), "utf8");
      if (!text.includes("process.argv")) continue;
      const command = `node examples/${program} ./data/${name}`;
      expect(text).toContain(command);
      expect(page).toContain(command);
    }
  });
});
