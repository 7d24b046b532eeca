/** Where something is on this machine. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Two letters and more before `://`: a scheme, not a drive. */
const scheme = /^([a-z][a-z0-9+.-]+):\/\//i;

/**
 * The absolute path that a user gave as text or as a `file:` URL object.
 * @throws {TypeError} for anything else
 */
export function localPath(location: string | URL, what: string): string {
  if (location instanceof URL) {
    if (location.protocol !== "file:") {
      throw new TypeError(`${what} must be a path or a file: URL, got a ${location.protocol} URL`);
    }
    return fileURLToPath(location);
  }
  if (typeof location !== "string" || location === "") {
    throw new TypeError(
      `${what} must be a path or a file: URL, got ${location === "" ? "an empty string" : typeof location}`,
    );
  }
  if (location.includes("\0")) throw new TypeError(`${what} must not contain a NUL character`);
  const found = scheme.exec(location);
  if (found !== null) {
    throw new TypeError(
      `${what} ${JSON.stringify(location)} has the scheme ${found[1]}://, which this version cannot open; give a path`,
    );
  }
  return resolve(location);
}
