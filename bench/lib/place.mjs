/** Which file system a directory is on. A disk that is memory has no price for durability, so figures of it would be lies. */
import { readFileSync, realpathSync } from "node:fs";

const memory = new Set(["tmpfs", "ramfs", "devtmpfs"]);

/** @throws {Error} on a file system in memory */
export function fileSystemOf(directory) {
  const found = process.platform === "linux" ? mountOf(realpathSync(directory)) : undefined;
  if (found === undefined) return { type: "unknown", source: "unknown", mount: "unknown", options: "" };
  if (memory.has(found.type)) {
    throw new Error(
      `${directory} is on ${found.type} (mounted at ${found.mount}), which is memory and not a disk: name a directory on a disk with --dir`,
    );
  }
  return found;
}

/** The mount with the longest mount point above the path; of several at one point the last one hides the others. */
function mountOf(path) {
  let best;
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n")) {
    const [own, rest] = line.split(" - ");
    const [, , , , point, options] = own.split(" ");
    const [type, source] = rest.split(" ");
    const mount = point.replaceAll(/\\(\d{3})/gu, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    const isAbove = mount === "/" || path === mount || path.startsWith(`${mount}/`);
    if (isAbove && (best === undefined || mount.length >= best.mount.length)) best = { type, source, mount, options };
  }
  return best;
}
