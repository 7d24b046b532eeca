/** The reader for CSV. In a file of its own: it alone loads the library for it. */
import { CsvRows } from "./csv-rows.ts";
import { type CheckData, checked, type ImportReader, PartReader } from "./import-reader.ts";
import { exportedRow, type RowData, rowAsObject, rowColumn } from "./row-data.ts";

/** How rows are read. */
export interface CsvOptions {
  readonly delimiter: string;
  readonly exported: boolean;
  readonly column: string | undefined;
  readonly skip: number;
}

/** @param maxRowBytes without quotes */
export function csvReader(options: CsvOptions, maxRowBytes: number, check: CheckData): ImportReader {
  let rowData: RowData | undefined;
  // As soon as the header is there, also where no row follows.
  const rows = new CsvRows(maxRowBytes, options.delimiter, (header) => {
    rowData = rowDataFor(header, options);
  });
  const dataOf: RowData = (row, number) => (rowData as RowData)(row, number);
  return new PartReader(rows, checked(dataOf, check), options.skip);
}

function rowDataFor(header: readonly string[], { exported, column }: CsvOptions): RowData {
  if (exported) return exportedRow(header);
  return column === undefined ? rowAsObject(header) : rowColumn(header, column);
}
