/** `export --format`: records as other programs read them, and as `seqlog import` does. */
import type { Output } from "../output.ts";
import { printableJson, printableText } from "../printable.ts";
import { recordFormat, type RecordFormat } from "../record-format.ts";
import { isoTime } from "../record-time.ts";
import { storedData, toBase64 } from "./stored-data.ts";

export const exportFormats = ["ndjson", "csv", "frames"] as const;

export type ExportFormatName = (typeof exportFormats)[number];

/** How records are written, and what comes before the first. */
export interface ExportFormat {
  readonly head: string;
  readonly write: RecordFormat;
}

/** @param codec the name of the log's codec */
export function exportFormat(name: ExportFormatName, codec: string | null, output: Output): ExportFormat {
  const { isTerminal } = output;
  switch (name) {
    case "ndjson":
      return { head: "", write: ndjson(codec, isTerminal) };
    case "csv":
      return { head: csvLine(csvHead, isTerminal), write: csv(isTerminal) };
    case "frames":
      return { head: "", write: recordFormat("binary", output) };
  }
}

/** One object a line; the record is its last member, under the name that says what it is. */
function ndjson(codec: string | null, isTerminal: boolean): RecordFormat {
  return (view, output) => {
    const { seq, id, time } = view.record;
    const head = JSON.stringify({ seq, id, time: isoTime(time) ?? null }).slice(0, -1);
    const { kind, text } = storedData(view, codec);
    const line = kind === "json" ? `${head},"data":${text}}` : `${head},"${kind}":${JSON.stringify(text)}}`;
    output.line(isTerminal ? printableJson(line) : line);
  };
}

const csvHead = "seq,id,time,encoding,data";

/** What RFC 4180 has no place for even inside quotes. */
const notInCsv = /(?![\t\r\n\u0080-\u009f])\p{Cc}/u;

/** Lines end as RFC 4180 has it, but on a terminal. */
function csvLine(row: string, isTerminal: boolean): string {
  return isTerminal ? `${printableText(row)}\n` : `${row}\r\n`;
}

/** No field but the data can hold anything that needs quotes. */
function csv(isTerminal: boolean): RecordFormat {
  return (view, output) => {
    const { seq, id, time } = view.record;
    // The codec makes no difference: JSON is text here.
    const { kind, text } = storedData(view, "text");
    const isText = kind === "text" && !notInCsv.test(text);
    const data = isText ? quoted(text) : toBase64(view.bytes);
    const row = `${seq},${id},${isoTime(time) ?? ""},${isText ? "utf8" : "base64"},${data}`;
    output.put(csvLine(row, isTerminal));
  };
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
