/** The messages of a piece of a JSON stream. */
import type { Piece } from "../../src/server/streams/source.ts";

export function messagesOfPiece({ parts }: Piece): unknown[] {
  return JSON.parse(`[${parts.map((part) => Buffer.from(part).toString("utf8")).join(",")}]`) as unknown[];
}
