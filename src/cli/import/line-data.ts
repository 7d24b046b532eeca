/** From a line of NDJSON to the data of a record. */
import { checkJson } from "../ndjson-splitter.ts";
import { dataOfLine } from "./exported-data.ts";

const byteOrderMark = Buffer.from("\uFEFF");
const whiteSpace = new Set(Buffer.from(" \t\r"));

/** The line's JSON, as it stands there, without the white space around it. */
export function lineAsData(line: Uint8Array, number: number): Uint8Array {
  const json = trimLine(line, number);
  checkJson(json, "line", number);
  return json;
}

/** A line of `seqlog export`. */
export function exportedLine(line: Uint8Array, number: number): Uint8Array {
  return dataOfLine(checkJson(trimLine(line, number), "line", number), number);
}

/** Some programs end lines with CR LF, or begin a file with a byte order mark. */
function trimLine(line: Uint8Array, number: number): Uint8Array {
  let start = number === 1 && byteOrderMark.equals(line.subarray(0, byteOrderMark.length)) ? byteOrderMark.length : 0;
  let end = line.length;
  while (start < end && whiteSpace.has(line[start] as number)) start++;
  while (start < end && whiteSpace.has(line[end - 1] as number)) end--;
  return line.subarray(start, end);
}
