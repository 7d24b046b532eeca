/** The frame that a body becomes. */
import { type JsonMessages, splitJson } from "../frame/json-messages.ts";
import type { Frame, ProducerPlace } from "../frame/frame.ts";
import { isJsonType } from "./content-type.ts";
import { Refusal } from "./refusal.ts";

/** What comes with a body. */
export interface FrameParts {
  readonly close: boolean;
  readonly producer?: ProducerPlace | undefined;
  readonly streamSeq?: string | undefined;
}

const nothing = new Uint8Array(0);
const noLengths = new Uint32Array(0);

/**
 * A frame of a whole body. JSON is checked, and one level of an array taken apart.
 * @param charge told what it takes in memory beside the body
 * @throws {Refusal} when a JSON stream's body is not JSON; whatever `charge` throws
 */
export function frameOf(
  body: Uint8Array,
  contentType: string,
  parts: FrameParts,
  charge?: (bytes: number) => void,
): Frame {
  const { close, producer, streamSeq } = parts;
  const isJson = isJsonType(contentType);
  const messages: JsonMessages | undefined = isJson && body.length > 0 ? split(body, charge) : undefined;
  return {
    close,
    producer,
    streamSeq,
    lengths: messages?.lengths ?? (isJson ? noLengths : undefined),
    payload: messages?.payload ?? (isJson ? nothing : body),
  };
}

function split(body: Uint8Array, charge: ((bytes: number) => void) | undefined): JsonMessages {
  try {
    return splitJson(body, charge);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal("bad-request", "INVALID_JSON", `the body is not JSON: ${error.message}`);
  }
}
