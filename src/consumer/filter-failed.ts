/** What a loop or run ends with when its filter threw: the record would end each one after it, too. */
import { SeqlogError } from "../errors.ts";
import { asSeq } from "../numbers.ts";
import { thrownText } from "./thrown-text.ts";

/** @param cause what the filter threw */
export function filterFailed(
  location: string,
  consumer: string,
  seq: number,
  cause: unknown,
): SeqlogError<"SEQLOG_HANDLER_FAILED"> {
  return new SeqlogError(
    "SEQLOG_HANDLER_FAILED",
    `${location}: the filter of the consumer ${JSON.stringify(consumer)} failed with record ${seq}: ${thrownText(cause)}. A filter is not tried again, and has no dead letters; mend it, or have the consumer seek past the record, to ${seq + 1}`,
    { consumer, seq: asSeq(seq), attempts: 1 },
    { cause },
  );
}
