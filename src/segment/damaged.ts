/** The error for invalid bytes. */
import { SeqlogError } from "../errors.ts";
import { asOffset, asSeq } from "../numbers.ts";

/** Names the place, what was found there, and what to do. */
export function damaged(file: string, offset: number, reason: string, seq?: number): SeqlogError<"SEQLOG_DAMAGED"> {
  const record = seq === undefined ? "" : `, record ${seq}`;
  return new SeqlogError(
    "SEQLOG_DAMAGED",
    `${file}: damaged at offset ${offset}${record}: ${reason}. Nothing was changed. Run \`seqlog verify\` for the whole extent, and keep a copy of the files`,
    { file, offset: asOffset(offset), ...(seq === undefined ? {} : { seq: asSeq(seq) }), reason },
  );
}
