/**
 * The names of streams. A name is the part of a URL behind `/v1/stream/`, decoded. It never becomes a
 * file name; these rules keep names readable, and apart from what the protocol may want to put there.
 */

/** Bytes of UTF-8. */
const maxPathBytes = 1024;

/** The first segment that the protocol keeps for itself. */
export const reservedSegment = "__ds";

// C0, DEL and C1.
// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f-\u009f]/;

/** What is wrong with a decoded name, in words; undefined when it may be one. */
export function problemOfPath(path: string): string | undefined {
  if (!path.isWellFormed()) return "it is not well-formed Unicode";
  if (Buffer.byteLength(path) > maxPathBytes) return `it is longer than ${maxPathBytes} bytes`;
  if (control.test(path)) return "it holds a control character";
  const segments = path.split("/");
  if (segments.includes("")) return "a segment is empty";
  if (segments.some((segment) => segment === "." || segment === "..")) return 'a segment is "." or ".."';
  if (segments[0] === reservedSegment) return `names that begin with ${reservedSegment} are reserved`;
  return undefined;
}

/** Decodes the path of a URL. Undefined when it has other characters than a URL, or its percent signs do not stand for UTF-8. */
export function decodePath(encoded: string): string | undefined {
  if (!/^[\x21-\x7e]*$/.test(encoded)) return undefined;
  if (!encoded.includes("%")) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
