/** What cannot be stored, or what the log's codec could not read again, is refused before anything of it is stored. */
import { checkJson } from "../ndjson-splitter.ts";
import { inputFault } from "../record-splitter.ts";
import { decodeUtf8 } from "./decode-utf8.ts";
import type { CheckData } from "./import-reader.ts";

/** @param part what messages call what the data comes from: line, row, frame */
export function checkData(part: string, maxBytes: number, codec: string | null): CheckData {
  return (data, number) => {
    if (data.length > maxBytes) {
      throw inputFault(
        `${part} ${number} makes a record of ${data.length} bytes; one record holds at most ${maxBytes}`,
        { [part]: number, length: data.length, maxRecordBytes: maxBytes },
      );
    }
    if (codec === "json") checkJson(data, part, number);
    if (codec === "text" && decodeUtf8(data) === undefined) {
      throw inputFault(`${part} ${number} is not UTF-8, and the log's codec is text`, { [part]: number });
    }
  };
}
