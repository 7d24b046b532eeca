/** `seqlog trim`: whole segments, and the same account before and after. */
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { newLogPath, seqlog, seqlogJson } from "./seqlog-process.ts";

const recordBytes = 32 + 68;

/** 100 records, ten in each segment; all but the last segment are sealed. */
async function segmentedLog(): Promise<string> {
  const location = newLogPath();
  const log = await FileLog.open(location, { segmentBytes: 1024 });
  for (let i = 0; i < 100; i++) await log.append("x".repeat(68));
  await log.close();
  return location;
}

function files(log: string): string[] {
  return readdirSync(log).toSorted();
}

test("only whole segments go, and --dry-run says the same without doing it", async () => {
  const log = await segmentedLog();
  const before = files(log);
  const account = {
    removed: { segments: 3, records: 30, bytes: 30 * recordBytes },
    heldBack: { records: 0, bytes: 0 },
    firstSeq: 30,
    nextSeq: 100,
  };
  expect(await seqlogJson(["trim", log, "--before", "39", "--dry-run"])).toEqual({ dryRun: true, ...account });
  expect((await seqlog(["trim", log, "--before", "39", "--dry-run"])).text).toBe(
    "would remove 30 records in 3 segments (2.9 KiB), seq 0 to 29; left: 70 records, seq 30 to 99, in 7 segments\n",
  );
  expect(files(log)).toEqual(before);
  expect(await seqlogJson(["trim", log, "--before", "39"])).toEqual({ dryRun: false, ...account });
  expect(await seqlogJson(["stats", log])).toMatchObject({ firstSeq: 30, nextSeq: 100, records: 70, segments: 7 });
  expect(await seqlogJson(["verify", log])).toMatchObject({ ok: true, records: 70 });
  expect((await seqlog(["trim", log, "--before", "40"])).text).toBe(
    "removed 10 records in 1 segment (1000 B), seq 30 to 39; left: 60 records, seq 40 to 99, in 6 segments\n",
  );
});

test("the segment that is being written never goes", async () => {
  const log = await segmentedLog();
  const all = { segments: 9, records: 90, bytes: 90 * recordBytes };
  expect(await seqlogJson(["trim", log, "--before", "end", "--dry-run"])).toMatchObject({ removed: all, firstSeq: 90 });
  expect(await seqlogJson(["trim", log, "--before", "end"])).toMatchObject({ removed: all, firstSeq: 90 });
  for (const dry of [[], ["--dry-run"]]) {
    expect((await seqlog(["trim", log, "--before", "end", ...dry])).text).toBe(
      "nothing to remove: no whole segment is before that position; left: 10 records, seq 90 to 99, in 1 segment\n",
    );
  }
});

test("takes a time, a duration and an id", async () => {
  const log = await segmentedLog();
  const removed = async (before: string): Promise<number> => {
    const { removed } = (await seqlogJson(["trim", log, "--before", before, "--dry-run"])) as {
      removed: { records: number };
    };
    return removed.records;
  };
  expect(await removed("1h")).toBe(0);
  expect(await removed("2020-01-01")).toBe(0);
  expect(await removed("2100-01-01")).toBe(90);
  const { text } = await seqlog(["get", log, "57", "--format", "%i"]);
  expect(await removed(`id:${text.trim()}`)).toBe(50);
});

test("what a consumer has not acknowledged stays, unless by --force", async () => {
  const location = await segmentedLog();
  const log = await FileLog.open(location);
  const consumer = await log.consumer("billing", { from: 25 });
  await consumer.close();
  await log.close();
  const account = {
    removed: { segments: 2, records: 20, bytes: 20 * recordBytes },
    heldBack: { records: 30, bytes: 30 * recordBytes, by: { consumer: "billing", nextSeq: 25 } },
    firstSeq: 20,
    nextSeq: 100,
  };
  expect(await seqlogJson(["trim", location, "--before", "50", "--dry-run"])).toEqual({ dryRun: true, ...account });
  expect(await seqlogJson(["trim", location, "--before", "50"])).toEqual({ dryRun: false, ...account });
  for (const dry of [["--dry-run"], []]) {
    expect((await seqlog(["trim", location, "--before", "50", ...dry])).text).toBe(
      "nothing to remove; left: 80 records, seq 20 to 99, in 8 segments\n" +
        "held back: 30 records (2.9 KiB) for the consumer billing, which needs seq 25 and what follows; --force removes them too\n",
    );
  }
  for (const dry of [["--dry-run"], []]) {
    expect(await seqlogJson(["trim", location, "--before", "50", "--force", ...dry])).toMatchObject({
      removed: { records: 30 },
      heldBack: { records: 0 },
      firstSeq: 50,
    });
  }
});

test("an empty log has nothing to remove", async () => {
  const log = newLogPath();
  await seqlog(["append", log]);
  for (const dry of [[], ["--dry-run"]]) {
    expect((await seqlog(["trim", log, "--before", "end", ...dry])).text).toBe(
      "nothing to remove: no whole segment is before that position; nothing is left\n",
    );
  }
});

test("while another process writes it is locked, but --dry-run works", async () => {
  const location = await segmentedLog();
  const log = await FileLog.open(location);
  const { code, stderr } = await seqlog(["trim", location, "--before", "50"]);
  expect(code).toBe(3);
  expect(stderr).toContain(`process ${process.pid} on`);
  expect(await seqlogJson(["trim", location, "--before", "50", "--dry-run"])).toMatchObject({
    removed: { records: 50 },
  });
  await log.close();
});

test("is for directory logs that are there, and needs a position", async () => {
  const single = newLogPath("a.log");
  await seqlog(["append", single], "a\n");
  expect((await seqlog(["trim", single, "--before", "end"])).stderr).toContain("is a single file");
  for (const dry of [[], ["--dry-run"]]) {
    expect((await seqlog(["trim", newLogPath(), "--before", "1", ...dry])).code).toBe(4);
  }
  expect((await seqlog(["trim", single])).stderr).toContain("required option '--before <position>'");
  expect((await seqlog(["trim", single, "--before", "soon"])).stderr).toContain("It must be a seq (42)");
});
