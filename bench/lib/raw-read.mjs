/** The raw speed of reading a log's segments: 1 MiB at a time into one buffer, nothing looked at. */
import { closeSync, openSync, readSync, readdirSync } from "node:fs";
import { join } from "node:path";

const piece = Buffer.alloc(1024 * 1024);

/** Bytes a second. */
export function rawReadRate(directory, seconds) {
  const segments = readdirSync(directory).filter((name) => name.endsWith(".log"));
  let bytes = 0;
  const start = performance.now();
  let now = start;
  do {
    for (const name of segments) {
      const fd = openSync(join(directory, name), "r");
      for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) bytes += read;
      closeSync(fd);
    }
    now = performance.now();
  } while (now - start < seconds * 1000);
  return bytes / ((now - start) / 1000);
}
