/**
 * seqlog: a durable, sequential record log for Node.js.
 *
 * @module
 */
export {
  type CheckpointFacts,
  SeqlogError,
  type SeqlogErrorCode,
  type SeqlogErrorFacts,
  seqlogErrorCodes,
} from "./errors.ts";
export type { Offset, Seq, SeqLike } from "./numbers.ts";
export { type LogAt, openLog, type OpenOptionsAt } from "./open.ts";
export type { NatsLogin, NatsOpenOptions } from "./jetstream/nats-open-options.ts";
export type {
  AppendMessage,
  DeliveryMessage,
  DiagnosticsMessages,
  RecoveryMessage,
  RollMessage,
  SyncMessage,
} from "./diagnostics.ts";

export { FileLog } from "./log/file-log.ts";
export type { FileOpenOptions, OpenOptions } from "./log/file-open-options.ts";
export type { DirectoryRecovery } from "./log/open-directory.ts";
export type { HeldBack, Protector, Retention, RetentionStats } from "./log/retention.ts";
export type { Durability } from "./log/directory-writer.ts";
export type {
  Appended,
  AppendBatchOptions,
  AppendedRange,
  AppendOptions,
  DataOut,
  FileAppended,
  Log,
  LogCapabilities,
  LogStats,
  TrimOptions,
  TrimResult,
} from "./log/log.ts";
export type {
  Checkpoint,
  CheckpointPolicy,
  CheckpointStore,
  Consumer,
  ConsumerInfo,
  ConsumerLag,
  ConsumerOptions,
  ConsumerSeek,
  DeadLetterLog,
  Delivery,
  DeliveryHandler,
  RetryOptions,
  RunOptions,
  ForceOptions,
  SeekOptions,
} from "./log/consumer-contract.ts";
export { type DeadLetter, type DeadLetterOrigin, readDeadLetter, type ReadDeadLetter } from "./consumer/dead-letter.ts";
export { binary, type Codec, json, type StandardSchema, text } from "./log/codec.ts";
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

export type { ReadableLog, ReadStreamOptions } from "./streams/record-source.ts";
export type { WritableLog, WriteStreamOptions } from "./streams/record-sink.ts";
export { type RecordReadable, toNodeReadable } from "./streams/to-node-readable.ts";
export { toNodeWritable } from "./streams/to-node-writable.ts";
export { toReadableStream } from "./streams/to-readable-stream.ts";
export { toWritableStream } from "./streams/to-writable-stream.ts";

export type { WriteMode } from "./segment/in-place-writes.ts";
export { LogReader, type LogReaderOptions } from "./segment/log-reader.ts";
export { LogRecord, RecordBatch } from "./segment/log-record.ts";
export { LogWriter, type LogWriterOptions, type RecoveryReport } from "./segment/log-writer.ts";
export type { Position, RangeOptions, ReadOptions } from "./segment/positions.ts";
export { RecordIndex } from "./segment/record-index.ts";

export type { Clock, FileStat, Machine, OpenMode, Random, Storage, StorageFile, Watch } from "./storage/storage.ts";
export type { LockKind } from "./storage/writer-lock.ts";
