/** From a CSV row to the data of a record. */
import { quoteName } from "../printable.ts";
import { inputFault } from "../record-splitter.ts";
import { UsageError } from "../usage-error.ts";
import type { CsvRow } from "./csv-rows.ts";
import { decodeUtf8 } from "./decode-utf8.ts";
import { decodeBase64 } from "./exported-data.ts";

/** @param row counts from 1, without the header */
export type RowData = (row: CsvRow, number: number) => Uint8Array;

/** The row as a JSON object of strings, its members in the order of the columns. */
export function rowAsObject(header: readonly string[]): RowData {
  const keys = header.map((name) => `${JSON.stringify(name)}:`);
  return (row, number) => {
    checkCount(header, row, number);
    const members = row.fields.map((field, i) => {
      const text = decodeUtf8(field);
      if (text === undefined) throw faultAt(header, i, row, number, "is not UTF-8");
      return `${keys[i]}${JSON.stringify(text)}`;
    });
    return Buffer.from(`{${members.join(",")}}`);
  };
}

/** The bytes of one column. */
export function rowColumn(header: readonly string[], name: string): RowData {
  const at = columnOf(header, name);
  return (row, number) => {
    checkCount(header, row, number);
    return row.fields[at] as Uint8Array;
  };
}

/** A row of `seqlog export`. */
export function exportedRow(header: readonly string[]): RowData {
  const encodingAt = columnOf(header, "encoding");
  const dataAt = columnOf(header, "data");
  return (row, number) => {
    checkCount(header, row, number);
    const encoding = decodeUtf8(row.fields[encodingAt] as Uint8Array);
    const data = row.fields[dataAt] as Uint8Array;
    if (encoding === "utf8") return data;
    if (encoding !== "base64") throw faultAt(header, encodingAt, row, number, "must be utf8 or base64");
    const bytes = decodeBase64(Buffer.from(data).toString("latin1"));
    if (bytes === undefined) throw faultAt(header, dataAt, row, number, "is not base64");
    return bytes;
  };
}

function columnOf(header: readonly string[], name: string): number {
  const at = header.indexOf(name);
  if (at < 0) {
    const names = header.map(quoteName).join(", ");
    throw new UsageError(`there is no column ${quoteName(name)}; the header has ${names}`, "INVALID_INPUT", { header });
  }
  return at;
}

function checkCount(header: readonly string[], { fields, line }: CsvRow, row: number): void {
  if (fields.length === header.length) return;
  const count = fields.length === 1 ? "1 field" : `${fields.length} fields`;
  throw inputFault(`row ${row} (line ${line}) has ${count}; the header has ${header.length}`, {
    line,
    row,
    fields: fields.length,
    expected: header.length,
  });
}

function faultAt(header: readonly string[], at: number, { line }: CsvRow, row: number, what: string): UsageError {
  const column = at + 1;
  return inputFault(`row ${row} (line ${line}), column ${column} ${quoteName(header[at] as string)} ${what}`, {
    line,
    row,
    column,
  });
}
