/**
 * Dead letters: what is written into another log about a record that was tried too often. One JSON
 * object, whatever the codecs: as an object where the dead-letter log has the codec `json`, else as
 * its text. The record's bytes come back exactly.
 */
import type { DeadLetterLog } from "../log/consumer-contract.ts";
import { thrownText } from "./thrown-text.ts";

/** Where a dead letter came from. */
export interface DeadLetterOrigin {
  /** The id of its log, a UUID. */
  readonly log: string;
  readonly consumer: string;
  readonly seq: number;
  readonly id: string;
  /** When it was appended, in ISO 8601; null where ids hold no time. */
  readonly time: string | null;
}

/** What is stored. */
export interface DeadLetter {
  readonly origin: DeadLetterOrigin;
  /** How often it was delivered. */
  readonly attempts: number;
  /** What went wrong the last time. */
  readonly error: { readonly name: string; readonly message: string; readonly code?: string };
  /** How `data` holds the record's bytes: as the value that they are the JSON text of, as text, or in base64. */
  readonly encoding: "json" | "utf8" | "base64";
  readonly data: unknown;
}

/** A dead letter as `readDeadLetter` gives it. */
export interface ReadDeadLetter extends DeadLetter {
  /** The record's bytes as they were stored. */
  readonly bytes: Uint8Array;
}

/** The record that is given up. */
export interface GivenUp {
  readonly origin: DeadLetterOrigin;
  readonly attempts: number;
  readonly error: unknown;
  readonly bytes: Uint8Array;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The dead letter of a record. @param codec the name of its log's codec */
export function deadLetterOf({ origin, attempts, error, bytes }: GivenUp, codec: string | null): DeadLetter {
  return { origin, attempts, error: describe(error), ...encode(bytes, codec) };
}

function encode(bytes: Uint8Array, codec: string | null): Pick<DeadLetter, "encoding" | "data"> {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { encoding: "base64", data: Buffer.from(bytes).toString("base64") };
  }
  const value = codec === "json" ? valueOf(text) : undefined;
  return value === undefined ? { encoding: "utf8", data: text } : { encoding: "json", data: value };
}

/** The value of a JSON text that comes back from it byte for byte: 1.0 and 1 are the same value. */
function valueOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

function describe(error: unknown): DeadLetter["error"] {
  if (error === undefined) return { name: "Error", message: "it was refused without an error" };
  if (!(error instanceof Error)) return { name: "Error", message: thrownText(error) };
  const { code } = error as { code?: unknown };
  const name = String(error.name);
  const message = thrownText(error);
  return typeof code === "string" ? { name, message, code } : { name, message };
}

/**
 * Checks that a log can take dead letters.
 * @throws {TypeError}
 */
export function checkDeadLetterLog(log: DeadLetterLog, location: string): DeadLetterLog {
  if (typeof log?.append !== "function" || typeof log.flush !== "function") {
    throw new TypeError("deadLetter must be a log");
  }
  if (log.location === location) throw new TypeError("a log cannot be the deadLetter of its own consumer");
  const { codec } = log;
  if (codec !== undefined && codec !== "json" && codec !== "text") {
    throw new TypeError(
      `deadLetter must be a log of json(), of text() or of bytes; its codec is ${JSON.stringify(codec)}`,
    );
  }
  return log;
}

/**
 * Appends a dead letter; resolves when it is durable, whatever the durability mode of that log. One
 * that is too large for it is written in its smallest form, and the record's bytes come back all the same.
 *
 * @throws {RangeError} when that is too large as well
 */
export async function bury(log: DeadLetterLog, letter: DeadLetter): Promise<void> {
  const append = (what: DeadLetter): Promise<unknown> =>
    log.append((log.codec === "json" ? what : JSON.stringify(what)) as never);
  try {
    await append(letter);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const smallest = smallestOf(letter);
    try {
      await append(smallest);
    } catch (again) {
      throw again instanceof RangeError ? tooLarge(log, smallest, again) : again;
    }
  }
  await log.flush();
}

/** What is kept of an error's text where there is no room: the record's bytes matter more. */
const shortText = 1000;

/** Characters that JSON escapes take up to six bytes each as text; in base64 it is always four for three. */
function smallestOf(letter: DeadLetter): DeadLetter {
  const { name, message, code } = letter.error;
  const error = { name: shortened(name), message: shortened(message) };
  const short = { ...letter, error: code === undefined ? error : { ...error, code: shortened(code) } };
  const bytes = decode(letter.encoding, letter.data) as Uint8Array;
  const inBase64: DeadLetter = { ...short, encoding: "base64", data: Buffer.from(bytes).toString("base64") };
  return bytesOf(inBase64) < bytesOf(short) ? inBase64 : short;
}

function shortened(text: string): string {
  return text.length <= shortText ? text : `${text.slice(0, shortText).toWellFormed()}… (${text.length} characters)`;
}

function bytesOf(letter: DeadLetter): number {
  return Buffer.byteLength(JSON.stringify(letter));
}

function tooLarge({ location }: DeadLetterLog, letter: DeadLetter, cause: RangeError): RangeError {
  const { consumer, seq } = letter.origin;
  const needed = bytesOf(letter);
  return new RangeError(
    `the consumer ${JSON.stringify(consumer)} gave up record ${seq}, and its dead letter of ${needed} bytes is too large for ${location}. ` +
      `The record is not acknowledged, and will be delivered again: open that log with a maxRecordBytes of ${needed} or more, or have the consumer seek past the record`,
    { cause },
  );
}

/**
 * Reads a dead letter: the `data` of a record of the dead-letter log, as an object, as text, or as bytes.
 *
 * @throws {TypeError} when it is none
 *
 * @example
 * ```ts
 * import { json, openLog, readDeadLetter } from "seqlog";
 *
 * const orders = await openLog("./orders", { codec: json<{ item: string }>() });
 * const dead = await openLog("./dead-orders", { codec: json() });
 * const { seq } = await orders.append({ item: "lead balloon" });
 *
 * const consumer = await orders.consumer("shop", { deadLetter: dead, retry: { attempts: 2, backoffMs: 1 } });
 * const run = consumer.run(() => {
 *   throw new Error("sold out");
 * });
 * for await (const record of dead.read({ live: true, limit: 1 })) {
 *   const { origin, attempts, error, data, bytes } = readDeadLetter(record.data);
 *   console.log(origin.seq === seq, attempts, error.message, data, bytes.length); // true 2 sold out { item: 'lead balloon' } 23
 * }
 * await orders.close();
 * await run;
 * await dead.close();
 * ```
 */
export function readDeadLetter(data: unknown): ReadDeadLetter {
  const text = data instanceof Uint8Array ? utf8.decode(data) : data;
  const parsed: unknown = typeof text === "string" ? JSON.parse(text) : text;
  const letter = (typeof parsed === "object" && parsed !== null ? parsed : {}) as Partial<DeadLetter>;
  const { origin, attempts, error, encoding } = letter;
  if (typeof origin !== "object" || typeof attempts !== "number" || typeof error !== "object") {
    throw new TypeError("this is no dead letter: origin, attempts or error is missing");
  }
  const bytes = decode(encoding, letter.data);
  if (bytes === undefined) throw new TypeError(`this dead letter has an unknown encoding: ${String(encoding)}`);
  return { ...(letter as DeadLetter), bytes };
}

function decode(encoding: unknown, data: unknown): Uint8Array | undefined {
  if (encoding === "json") return new Uint8Array(Buffer.from(JSON.stringify(data)));
  if (encoding === "utf8") return new Uint8Array(Buffer.from(String(data)));
  if (encoding === "base64") return new Uint8Array(Buffer.from(String(data), "base64"));
  return undefined;
}
