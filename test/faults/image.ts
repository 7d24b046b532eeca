/** The files of a simulated disk as values, to begin many runs with the same ones and to tell states apart. */
import { createHash } from "node:crypto";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedDiskOptions } from "../../src/testing/simulated-disk.ts";

/** Path to bytes. Empty directories are left out. */
export type Image = ReadonlyMap<string, Uint8Array>;

/** What the disk's files hold, as reads return it or as a power cut leaves it that takes all it can. */
export function imageOf(disk: SimulatedDisk, from: "cache" | "medium" = "cache"): Image {
  const image = new Map<string, Uint8Array>();
  const add = (directory: string): void => {
    for (const name of disk.list(directory === "" ? "/" : directory)) {
      const path = `${directory}/${name}`;
      const bytes = disk.readFile(path, from);
      if (bytes !== undefined) image.set(path, bytes);
      else if (disk.readFile(path) === undefined) add(path);
    }
  };
  add("");
  return image;
}

/** A disk with these files, all durable. */
export function diskOf(image: Image, options: SimulatedDiskOptions): SimulatedDisk {
  const disk = new SimulatedDisk(options);
  for (const [path, bytes] of image) disk.writeFile(path, bytes);
  return disk;
}

/** The same text for disks with the same files, in the page cache and on the medium, and the same names not synced. */
export function keyOf(disk: SimulatedDisk): string {
  const hash = createHash("sha1");
  for (const { kind, path, fault } of disk.log.toReversed()) {
    if (kind === "fsyncDirectory" && fault === undefined) break;
    if (kind === "unlink" || kind === "rename") hash.update(`${kind} ${path}\0`);
  }
  for (const from of ["cache", "medium"] as const) {
    for (const [path, bytes] of imageOf(disk, from)) hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("base64");
}
