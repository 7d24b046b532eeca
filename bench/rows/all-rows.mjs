/** The rows in the order of the report. */
import { appendRows } from "./append-rows.mjs";
import { consumerRows } from "./consumer-row.mjs";
import { diskRows } from "./disk-row.mjs";
import { getRows } from "./get-row.mjs";
import { httpRows } from "./http-rows.mjs";
import { largeRows } from "./large-rows.mjs";
import { liveRows } from "./live-rows.mjs";
import { memoryRows } from "./memory-row.mjs";
import { promoteRows } from "./promote-rows.mjs";
import { scanRows } from "./scan-rows.mjs";

export const allRows = [
  ...appendRows,
  ...scanRows,
  ...getRows,
  ...consumerRows,
  ...liveRows,
  ...largeRows,
  ...memoryRows,
  ...diskRows,
  ...promoteRows,
  ...httpRows,
];
