/** A record's data as text formats have it. Importing gives the same bytes again, whatever they are. */
import type { RecordView } from "../record-view.ts";
import { UsageError } from "../usage-error.ts";

/** `json` is the record's own text, on one line and without white space around it. */
export type StoredData =
  | { readonly kind: "json" | "text"; readonly text: string }
  | { readonly kind: "base64"; readonly text: string };

/** Escaped, every byte may take six, and no string of the runtime is longer than 512 Mi. */
const longestText = 64 * 1024 * 1024;

/**
 * What a record is: in a log of JSON its JSON, else JSON only where it is an object or an array, so that a
 * line of text that happens to read `42` stays text; then text where it is UTF-8.
 */
export function storedData(view: RecordView, codec: string | null): StoredData {
  const { bytes, text } = view;
  refuseTooLong(view);
  if (text === null) return { kind: "base64", text: toBase64(bytes) };
  return isJsonOfLog(view, codec) && fitsOneLine(text) ? { kind: "json", text } : { kind: "text", text };
}

/** The bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function isJsonOfLog(view: RecordView, codec: string | null): boolean {
  switch (codec) {
    case "json":
      return view.value !== undefined;
    case "text":
      return false;
    default:
      return typeof view.value === "object" && view.value !== null;
  }
}

/** White space inside a line is kept as it is; around it, and line ends, would not come back. */
function fitsOneLine(json: string): boolean {
  return !/^[ \t]|[\r\n]|[ \t]$/.test(json);
}

function refuseTooLong({ record: { seq }, bytes: { length } }: RecordView): void {
  if (length <= longestText) return;
  throw new UsageError(`record ${seq} has ${length} bytes, which is too long for a line of text: use --format frames`);
}
