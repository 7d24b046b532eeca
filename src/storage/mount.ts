/** Finds in Linux's list of mounts the one that a path lies on. Pure; see proc_pid_mountinfo(5). */

/** One mounted file system. */
export interface Mount {
  /** As the kernel names it: `ext4`, `xfs`, `tmpfs`, … */
  readonly type: string;
  /** Usually the device: `/dev/sda1`. */
  readonly source: string;
  /** Where it is mounted. */
  readonly point: string;
}

/** @param path absolute, and without links */
export function findMount(mountinfo: string, path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const line of mountinfo.split("\n")) {
    // The number of fields before the dash varies.
    const [own = "", rest = ""] = line.split(" - ");
    const point = unescape(own.split(" ")[4] ?? "");
    const [type = "", source = ""] = rest.split(" ");
    const isAbove = point !== "" && (point === "/" || path === point || path.startsWith(`${point}/`));
    // The longest; of several at one point the last one hides the others.
    if (isAbove && (best === undefined || point.length >= best.point.length)) {
      best = { type, source: unescape(source), point };
    }
  }
  return best;
}

/** Space, tab, line feed and backslash are written in octal. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8)));
}
