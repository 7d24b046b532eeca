/** Lines and rows that `seqlog export` wrote: from what they say back to the bytes that were exported. */
import { inputFault } from "../record-splitter.ts";
import { rawMember } from "./raw-member.ts";

/**
 * The data of an exported line.
 * @param json a JSON value
 */
export function dataOfLine(json: string, line: number): Uint8Array {
  const value = JSON.parse(json) as unknown;
  const members = typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  const kinds = (["data", "text", "base64"] as const).filter((name) => Object.hasOwn(members, name));
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const found = kinds.length === 0 ? "none" : kinds.join(" and ");
    throw inputFault(
      `line ${line} is no line of \`seqlog export\`: it has one of "data", "text" and "base64", and here is ${found}`,
      { line },
    );
  }
  if (kind === "data") return Buffer.from(rawMember(json, "data") as string);
  const text = (members as Readonly<Record<string, unknown>>)[kind];
  const data = typeof text !== "string" ? undefined : kind === "text" ? encodeText(text) : decodeBase64(text);
  if (data === undefined) {
    const wanted = kind === "text" ? "well-formed text" : "base64";
    throw inputFault(`line ${line}: "${kind}" is not a string of ${wanted}`, { line });
  }
  return data;
}

/** The bytes of base64 as it is written by `export`, with its padding; undefined when it is something else. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  // Buffer passes over whatever is not base64.
  return bytes.toString("base64") === text ? bytes : undefined;
}

/** Undefined for lone surrogates, which would be stored as something else. */
function encodeText(text: string): Uint8Array | undefined {
  return text.isWellFormed() ? Buffer.from(text) : undefined;
}
