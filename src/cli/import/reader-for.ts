/** Which reader an import wants. */
import { defaultMaxRecordBytes } from "../../segment/log-writer.ts";
import { FrameSplitter } from "../frame-splitter.ts";
import { LineSplitter } from "../line-splitter.ts";
import { checkData } from "./check-data.ts";
import { type CheckData, checked, type ImportReader, PartReader } from "./import-reader.ts";
import { exportedLine, lineAsData } from "./line-data.ts";

export const importFormats = ["ndjson", "csv", "frames"] as const;

/** What the command line says about the input. */
export interface InputOptions {
  readonly format: (typeof importFormats)[number];
  readonly exported: boolean;
  readonly column: string | undefined;
  readonly delimiter: string;
  /** So many records at the start are passed over. */
  readonly skip: number;
}

const maxBytes = defaultMaxRecordBytes;
/** An exported record is longer than its data: a control character in JSON takes six bytes. */
const maxExportedBytes = 6 * maxBytes + 1024;

/** @param codec the name of the log's codec, which the data has to suit */
export async function readerFor(options: InputOptions, codec: string | null): Promise<ImportReader> {
  const check = (part: string): CheckData => checkData(part, maxBytes, codec);
  switch (options.format) {
    case "ndjson": {
      const lines = new LineSplitter(options.exported ? maxExportedBytes : maxBytes);
      const dataOf = options.exported ? exportedLine : lineAsData;
      return new PartReader(lines, checked(dataOf, check("line")), options.skip);
    }
    case "csv": {
      const { csvReader } = await import("./csv-reader.ts");
      return csvReader(options, maxExportedBytes, check("row"));
    }
    case "frames":
      return new PartReader(
        new FrameSplitter(maxBytes),
        checked((frame) => frame, check("frame")),
        options.skip,
      );
  }
}
