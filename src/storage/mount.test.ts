import { expect, test } from "vitest";
import { findMount } from "./mount.ts";

const mountinfo = [
  "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
  "30 22 0:26 / /dev/shm rw,nosuid shared:4 master:2 - tmpfs tmpfs rw,size=65536k",
  String.raw`31 22 8:1 / /mnt/my\040disk rw - xfs /dev/sda1 rw`,
  "32 22 8:2 / /mnt/twice rw - ext4 /dev/sdb1 rw",
  "33 32 0:30 / /mnt/twice rw - tmpfs cover rw",
  "",
].join("\n");

test.each([
  ["/", "ext4", "/"],
  ["/home/me", "ext4", "/"],
  ["/dev/shm", "tmpfs", "/dev/shm"],
  ["/dev/shm/a/b", "tmpfs", "/dev/shm"],
  ["/dev/shmem", "ext4", "/"],
  ["/mnt/my disk/log", "xfs", "/mnt/my disk"],
  ["/mnt/twice/log", "tmpfs", "/mnt/twice"],
])("%s lies on %s at %s", (path, type, point) => {
  expect(findMount(mountinfo, path)).toMatchObject({ type, point });
});

test("the device is told", () => {
  expect(findMount(mountinfo, "/mnt/my disk")).toEqual({ type: "xfs", source: "/dev/sda1", point: "/mnt/my disk" });
});

test("a list that says nothing of the path gives nothing", () => {
  expect(findMount("", "/home")).toBeUndefined();
  expect(findMount("nonsense\n", "/home")).toBeUndefined();
});
