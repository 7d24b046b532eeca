/**
 * async-append-only-log, the log of SSB. Appends are acknowledged from memory; `onDrain` tells when
 * the blocks of 64 KiB were written and synced, one by one. It waits `writeTimeout` before each
 * block: 250 ms by default, 1 ms here.
 */
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { versionOf } from "../lib/package-version.mjs";

const openOffsetLog = createRequire(import.meta.url)("async-append-only-log");

export const about = {
  name: "async-append-only-log",
  version: versionOf("async-append-only-log"),
  guarantee: "onDrain: one fsync for each block of 64 KiB",
  isDurable: true,
};

export async function open(dir) {
  const folder = join(dir, "append-only");
  mkdirSync(folder, { recursive: true });
  const log = openOffsetLog(join(folder, "log"), { writeTimeout: 1 });
  await new Promise((resolve) => log.onDrain(resolve));
  const append = (data) =>
    new Promise((resolve, reject) => {
      log.append(data, (error) => (error ? reject(error) : log.onDrain(resolve)));
    });
  const stream = (write) =>
    new Promise((resolve, reject) => {
      const end = (error) => (error && error !== true ? reject(error) : resolve());
      log.stream({ offsets: false, values: true }).pipe({ paused: false, write, end, abort: end });
    });
  async function scanEach() {
    let records = 0;
    let bytes = 0;
    await stream((data) => {
      records++;
      bytes += data.length;
    });
    return { records, bytes };
  }

  return {
    append,
    appendMany: append,
    load: append,
    scanEach,
    // It knows byte offsets, no numbers.
    async get(number) {
      let at = 0;
      let found;
      await stream((data) => {
        if (at++ === number) found = Buffer.from(data);
      });
      return found;
    },
    async count() {
      const { records } = await scanEach();
      return records;
    },
    close: () => new Promise((resolve) => log.close(resolve)),
  };
}
