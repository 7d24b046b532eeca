/** `openLog`: picks the kind of log by its location. */
import type { Codec } from "./log/codec.ts";
import { FileLog } from "./log/file-log.ts";
import type { FileOpenOptions } from "./log/file-open-options.ts";

/**
 * Opens the log at a location: a directory path, or a `file:` URL object. Makes one where there is
 * none (not with `readOnly` or `create: false`).
 *
 * @throws {TypeError} for another `scheme://`
 * @throws as {@link FileLog.open}
 *
 * @example
 * ```ts
 * import { json, openLog } from "seqlog";
 *
 * const log = await openLog("./events", { codec: json<{ hello: string }>() });
 * const { seq, id, time } = await log.append({ hello: "world" });
 * console.log(seq, id, time);
 * for await (const record of log.read({ from: seq })) console.log(record.data.hello);
 * await log.close();
 * ```
 */
export function openLog<I, O>(
  location: string | URL,
  options: FileOpenOptions & { readonly codec: Codec<I, O> },
): Promise<FileLog<I, O>>;
export function openLog(
  location: string | URL,
  options?: FileOpenOptions & { readonly codec?: undefined },
): Promise<FileLog>;
export function openLog<I, O>(
  location: string | URL,
  options: FileOpenOptions & { readonly codec?: Codec<I, O> | undefined } = {},
): Promise<FileLog<I, O>> {
  return FileLog.open(location, options as FileOpenOptions & { readonly codec: Codec<I, O> });
}
