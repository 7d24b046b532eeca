import { mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { linesOf } from "../../test/crash/read-data.ts";
import { newPath, scratchDirectory } from "../../test/crash/scratch-directory.ts";
import { flipBit, overwrite } from "../../test/errors/directory-bytes.ts";
import { build, count, dataOf, names, salvaged, treeOf, unreadable, without } from "../../test/salvage/salvaged.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";
import { salvage } from "./salvage.ts";

const [first] = names;

describe("the way it works", () => {
  test("a record longer than a chunk is copied in pieces; no read is longer than a chunk, whatever a length says", async () => {
    const log = await FileLog.open(newPath());
    const long = Buffer.alloc(5 * 1024 * 1024 + 3, "long");
    log.appendSync("a");
    log.appendSync(long);
    log.appendSync(long);
    log.appendSync("b");
    const lines = await linesOf(log);
    await log.close();
    const file = join(log.location, `${first}.log`);
    let longest = 0;
    const machine = unreadable((_path, from, to) => ((longest = Math.max(longest, to - from)), false));
    expect((await salvaged(log.location, { machine })).lines).toEqual(lines);
    flipBit(file, 33 + 32 + 1_000_000);
    expect(dataOf((await salvaged(log.location, { machine })).lines)).toEqual(without(lines, 1));
    rmSync(file.replace(".log", ".idx"));
    overwrite(file, 33, Buffer.from([0, 0, 0, 0x40]));
    const report = await salvaged(log.location, { machine });
    expect(dataOf(report.lines)).toEqual(without(lines, 1));
    expect(report.missing).toEqual([expect.objectContaining({ offset: 33, end: 33 + 32 + long.length })]);
    expect(longest).toBeLessThanOrEqual(1024 * 1024);
  });

  test("many segments: the output rolls by itself and is in order", async () => {
    const { path, lines } = await build();
    const again = await salvaged(path);
    rmSync(join(again.out, "salvage.ndjson"));
    // A salvage of what was salvaged, and appended to.
    const report = await salvaged(again.out);
    expect(report.lines.slice(0, count)).toEqual(lines);
    expect(report.records).toBe(count + 1);
  });

  test("progress goes up to the end, and a signal ends it without making a log", async () => {
    const { path } = await build();
    const told: number[] = [];
    await salvaged(path, { onProgress: ({ bytes, totalBytes }) => told.push(bytes / totalBytes) });
    expect(told.at(-1)).toBe(1);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    const reason = new Error("enough");
    const out = newPath("out");
    const stop = new AbortController();
    const stopped = salvage(path, { out, signal: stop.signal, onProgress: () => stop.abort(reason) });
    await expect(stopped).rejects.toBe(reason);
    await expect(FileLog.open(out, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
  });

  test("a signal is heard while thousands of headers in damaged data are looked at", async () => {
    const path = newPath("a.log");
    const bytes = Buffer.alloc(1024 * 1024);
    for (let at = 0; at + 32 <= bytes.length; at += 32) {
      bytes.writeUInt32LE(bytes.length - at - 32, at);
      bytes.writeBigUInt64LE(BigInt(at), at + 4);
      bytes.writeUInt32LE(1, at + 12);
      bytes.set([0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1], at + 22);
    }
    writeFileSync(path, bytes);
    const reason = new Error("enough");
    const stop = new AbortController();
    let reads = 0;
    const machine = unreadable((file) => {
      if (file === path && ++reads === 100) stop.abort(reason);
      return false;
    });
    const stopped = salvage(path, { out: newPath("out"), signal: stop.signal, machine });
    await expect(stopped).rejects.toBe(reason);
    expect(reads).toBeLessThan(105);
    expect(await salvaged(path)).toMatchObject({ records: 0, missing: [{ offset: 0, end: bytes.length }] });
  });

  test("a full disk ends it without making a log", async () => {
    const { path } = await build();
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC"));
    const out = newPath("out");
    await expect(salvage(path, { out, machine })).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
    expect(readdirSync(out)).not.toContain("MANIFEST");
  });

  test("everything is synced before MANIFEST names it a log", async () => {
    const { path } = await build();
    const { machine, storage } = withFaults(nodeMachine);
    const out = newPath("out");
    await salvage(path, { out, machine });
    // Files with bytes, and the directory with names, that are not synced yet.
    const unsynced = new Set<string>();
    let renames = 0;
    for (const { kind, path: at } of storage.operations.entries) {
      if (!at.startsWith(out)) continue;
      if (kind === "write") unsynced.add(at);
      if (kind === "open" && !at.endsWith(".tmp")) unsynced.add(out);
      if (kind === "fsync" || kind === "fsyncDirectory") unsynced.delete(at);
      if (kind === "rename") {
        renames++;
        expect([...unsynced]).toEqual([]);
      }
    }
    expect(renames).toBe(1);
  });
});

describe("from where and to where", () => {
  test("an output that is not empty, or no directory, is refused, and left as it is", async () => {
    const { path } = await build();
    const out = scratchDirectory();
    writeFileSync(join(out, "mine"), "mine");
    const refused = { code: "SEQLOG_IO", facts: { path: out, errno: "EEXIST" } };
    await expect(salvage(path, { out })).rejects.toMatchObject(refused);
    await expect(salvage(path, { out: join(out, "mine") })).rejects.toMatchObject({ facts: { errno: "EEXIST" } });
    expect(readdirSync(out)).toEqual(["mine"]);
  });

  test("an output that is the input, or lies inside it, is refused, also behind a link", async () => {
    const { path } = await build();
    const before = treeOf(path);
    const link = newPath("link");
    symlinkSync(path, link);
    for (const out of [
      path,
      join(path, "out"),
      join(path, "a", "b"),
      link,
      join(link, "out"),
      join(path, "..", "log"),
    ]) {
      await expect(salvage(path, { out })).rejects.toBeInstanceOf(TypeError);
    }
    await expect(salvage(path, { out: "" })).rejects.toBeInstanceOf(TypeError);
    expect(treeOf(path)).toEqual(before);
  });

  test("an output inside the input is refused also where a link leads there", async () => {
    const { path } = await build();
    mkdirSync(join(path, "consumers", "deep"), { recursive: true });
    const before = treeOf(path);
    const link = newPath("link");
    symlinkSync(join(path, "consumers", "deep"), link);
    for (const out of [link, join(link, "new"), join(link, "new", "newer")]) {
      await expect(salvage(path, { out })).rejects.toBeInstanceOf(TypeError);
    }
    expect(treeOf(path)).toEqual(before);
    expect(readdirSync(join(path, "consumers", "deep"))).toEqual([]);
    // The other way round a link out of the input is none of it.
    symlinkSync(dirname(link), join(path, "consumers", "outside"));
    const elsewhere = newPath("elsewhere");
    const out = join(path, "consumers", "outside", basename(elsewhere));
    await expect(salvage(path, { out })).rejects.toBeInstanceOf(TypeError);
  });

  test("an empty directory beside the input will do, and a link to the input is followed", async () => {
    const { path } = await build();
    const link = newPath("link");
    symlinkSync(path, link);
    const out = `${path}-salvaged`;
    mkdirSync(out);
    onTestFinished(() => rmSync(out, { recursive: true }));
    expect(await salvage(link, { out })).toMatchObject({ ok: true, records: count });
  });

  test("where there is no log it says so, and makes nothing", async () => {
    const path = newPath();
    const out = newPath("out");
    await expect(salvage(path, { out })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
    mkdirSync(path);
    await expect(salvage(path, { out })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
    expect(() => statSync(out)).toThrow(/ENOENT/);
  });
});
