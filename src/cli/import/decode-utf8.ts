/** Bytes as text, or nothing: what is not UTF-8 must be found, not replaced. */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Undefined when it is not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
