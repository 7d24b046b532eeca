/**
 * seqlog: a durable, sequential record log for Node.js.
 *
 * @module
 */
export { SeqlogError, type SeqlogErrorCode, type SeqlogErrorFacts, seqlogErrorCodes } from "./errors.ts";
export type { Offset, Seq, SeqLike } from "./numbers.ts";
export { openLog } from "./open.ts";

export { type DirectoryRecovery, FileLog, type FileOpenOptions, type OpenOptions } from "./log/file-log.ts";
export type { Durability } from "./log/directory-writer.ts";
export type {
  Appended,
  AppendedRange,
  AppendOptions,
  DataOut,
  FileAppended,
  Log,
  LogCapabilities,
  LogStats,
} from "./log/log.ts";
export { type Codec, json, type StandardSchema, text } from "./log/codec.ts";
export { type Damage, verify, type VerifyOptions, type VerifyReport } from "./log/verify.ts";
export {
  rebuildIndex,
  type RebuildReport,
  repair,
  type RepairChange,
  type RepairOptions,
  type RepairReport,
} from "./log/repair.ts";
export { salvage, type SalvageOptions, type SalvageReport } from "./log/salvage.ts";
export type { MissingRange } from "./log/salvage-report.ts";

export { LogReader, type LogReaderOptions } from "./segment/log-reader.ts";
export { LogRecord, RecordBatch } from "./segment/log-record.ts";
export { LogWriter, type LogWriterOptions, type RecoveryReport } from "./segment/log-writer.ts";
export type { Position, RangeOptions, ReadOptions } from "./segment/positions.ts";
export { RecordIndex } from "./segment/record-index.ts";

export type { Clock, FileStat, Machine, OpenMode, Random, Storage, StorageFile, Watch } from "./storage/storage.ts";
export type { LockKind } from "./storage/writer-lock.ts";
