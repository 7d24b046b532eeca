/**
 * Server-sent events of the protocol: an event `data` with a piece of the stream, and after each an
 * event `control` that says where it ends. Encoded once for all readers who are at the same place.
 */
import { isTextType } from "../streams/content-type.ts";
import { offsetToken } from "../streams/offset-token.ts";
import type { Piece } from "../streams/source.ts";

/** A byte order mark is part of what was appended, wherever it stands. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** What a control event says, beside where the piece ends. */
export interface Control {
  readonly cursor: string;
  readonly isUpToDate: boolean;
  readonly isClosed: boolean;
}

/** How a stream's data is written into events. */
export type EventForm = "json" | "text" | "base64";

/** The form for a content type: what is not text goes as base64. */
export function eventFormOf(contentType: string, isJson: boolean): EventForm {
  if (isJson) return "json";
  return isTextType(contentType) ? "text" : "base64";
}

/** Of the pieces that many readers are at. */
const encoded = new WeakMap<Piece, Map<string, Uint8Array>>();

/** The bytes of a piece's events; of an empty one the control event alone. */
export function encodeEvents(piece: Piece, form: EventForm, control: Control): Uint8Array {
  let known = encoded.get(piece);
  if (known === undefined) encoded.set(piece, (known = new Map()));
  const key = `${form} ${control.cursor} ${control.isUpToDate} ${control.isClosed}`;
  let bytes = known.get(key);
  if (bytes === undefined) {
    bytes = Buffer.from(dataEvent(piece, form) + controlEvent(piece.next, control));
    known.set(key, bytes);
  }
  return bytes;
}

function dataEvent({ parts }: Piece, form: EventForm): string {
  if (parts.length === 0) return "";
  if (form === "json") return event("data", `[${parts.map((part) => utf8.decode(part)).join(",")}]`);
  const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  return event("data", form === "text" ? utf8.decode(bytes) : Buffer.from(bytes).toString("base64"));
}

function controlEvent(next: number, { cursor, isUpToDate, isClosed }: Control): string {
  const said = isClosed
    ? { streamNextOffset: offsetToken(next), streamClosed: true }
    : { streamNextOffset: offsetToken(next), streamCursor: cursor, ...(isUpToDate ? { upToDate: true } : {}) };
  return event("control", JSON.stringify(said));
}

/** Any end of line would end the field, and could begin another one: each line is a field of its own. */
function event(name: string, text: string): string {
  const lines = text.split(/\r\n|\r|\n/);
  return `event: ${name}\n${lines.map(field).join("\n")}\n\n`;
}

/** One space after the colon is not part of the value: it is written where the value begins with one. */
function field(line: string): string {
  return line.startsWith(" ") ? `data: ${line}` : `data:${line}`;
}
