/** Codecs: what a program appends and reads, instead of bytes. */
import { SeqlogError } from "../errors.ts";
import type { Seq } from "../numbers.ts";

/** Turns values into stored bytes and back. Both directions are synchronous. */
export interface Codec<In, Out = In> {
  /** Kept in the log's MANIFEST; a log is opened with the codec of its name, or with none. */
  readonly name: string;
  /** Throws a `TypeError` for what it cannot store. */
  encode(value: In): Uint8Array | string;
  /** Throws for bytes that it did not make. */
  decode(bytes: Uint8Array): Out;
}

/** The synchronous part of Standard Schema v1 (https://standardschema.dev), which Zod, Valibot, ArkType and others implement. */
export interface StandardSchema<I = unknown, O = I> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown, ...rest: never[]) => unknown;
    readonly types?: { readonly input: I; readonly output: O } | undefined;
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Stores values as JSON. With a schema, `append` takes its input type, checks it and stores the
 * input as it is; reading checks again and gives the schema's output.
 *
 * @example
 * ```ts
 * import { json, openLog } from "seqlog";
 *
 * const log = await openLog("./orders", { codec: json<{ item: string; amount: number }>() });
 * const { seq } = await log.append({ item: "tea", amount: 3 });
 * console.log((await log.get(seq))?.data.item);
 * await log.close();
 * ```
 */
export function json<T = unknown>(): Codec<T>;
export function json<I, O>(schema: StandardSchema<I, O>): Codec<I, O>;
export function json(schema?: StandardSchema): Codec<unknown> {
  if (schema !== undefined) checkSchema(schema);
  return {
    name: "json",
    encode(value) {
      if (schema !== undefined) validate(schema, value);
      const encoded = JSON.stringify(value) as string | undefined;
      if (encoded === undefined) throw new TypeError(`${typeof value} has no JSON form; nothing was appended`);
      // JSON.stringify escapes lone surrogates, so the text is well-formed.
      return encoded;
    },
    decode(bytes) {
      const value: unknown = JSON.parse(utf8.decode(bytes));
      return schema === undefined ? value : validate(schema, value);
    },
  };
}

/**
 * Stores bytes, and refuses text: for logs of one binary format. The difference from a log without a
 * codec is that the log's MANIFEST says so, and that a string is a mistake instead of its UTF-8.
 *
 * @example
 * ```ts
 * import { binary, openLog } from "seqlog";
 *
 * const log = await openLog("./frames", { codec: binary() });
 * const { seq } = await log.append(new Uint8Array([1, 2, 3]));
 * console.log((await log.get(seq))?.data.length);
 * await log.close();
 * ```
 */
export function binary(): Codec<Uint8Array> {
  return {
    name: "binary",
    encode(value) {
      if (!(value instanceof Uint8Array))
        throw new TypeError(`binary() stores a Uint8Array, got ${kindOf(value)}; nothing was appended`);
      return value;
    },
    decode: (bytes) => bytes,
  };
}

/** Stores strings as UTF-8. */
export function text(): Codec<string> {
  return {
    name: "text",
    encode(value) {
      if (typeof value !== "string")
        throw new TypeError(`text() stores strings, got ${typeof value}; nothing was appended`);
      return value;
    },
    decode: (bytes) => utf8.decode(bytes),
  };
}

function kindOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return (value as object).constructor?.name ?? "object";
}

/** A schema may be a function too, as ArkType's are. */
function checkSchema(schema: StandardSchema): void {
  const standard = (schema as Partial<StandardSchema> | null)?.["~standard"];
  if (typeof standard?.validate === "function" && standard.version === 1) return;
  throw new TypeError(
    `json() takes a schema that implements Standard Schema v1 (it has a "~standard" property), got ${kindOf(schema)}`,
  );
}

function validate(schema: StandardSchema, value: unknown): unknown {
  const result = schema["~standard"].validate(value) as
    | { issues?: undefined; value: unknown }
    | { issues: readonly { message: string; path?: readonly unknown[] | undefined }[] }
    | Promise<unknown>;
  if (typeof (result as Partial<Promise<unknown>>).then === "function") {
    // Nobody waits for it any more; its failure must not end the process.
    (result as Promise<unknown>).then(undefined, () => undefined);
    throw new TypeError(
      `the ${schema["~standard"].vendor} schema validates asynchronously; a log needs a synchronous one`,
    );
  }
  const settled = result as Exclude<typeof result, Promise<unknown>>;
  if (settled.issues === undefined) return settled.value;
  const issues = settled.issues.map(({ message, path }) =>
    path?.length ? `${path.map(keyOf).join(".")}: ${message}` : message,
  );
  throw new TypeError(`the schema refuses this value: ${issues.join("; ")}`);
}

function keyOf(segment: unknown): string {
  return String(typeof segment === "object" && segment !== null && "key" in segment ? segment.key : segment);
}

/** Wraps a codec's `decode` so that its refusal names the record. */
export function decoderOf<Out>(codec: Codec<never, Out> | undefined): (bytes: Uint8Array, seq: Seq) => Out {
  if (codec === undefined) return (bytes) => bytes as Out;
  return (bytes, seq) => {
    try {
      return codec.decode(bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new SeqlogError(
        "SEQLOG_INVALID_DATA",
        `record ${seq} is whole, but the codec ${codec.name} refuses its ${bytes.length} bytes: ${reason}. Its bytes are in error.facts.bytes`,
        { seq, bytes, reason },
        { cause: error },
      );
    }
  };
}
