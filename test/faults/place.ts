/** The two kinds of log, a directory and a single file, as the search opens, reads and appends to both. */
import { FileLog } from "../../src/log/file-log.ts";
import type { FileOpenOptions } from "../../src/log/file-open-options.ts";
import { LogReader } from "../../src/segment/log-reader.ts";
import type { LogRecord } from "../../src/segment/log-record.ts";
import { LogWriter } from "../../src/segment/log-writer.ts";
import { RecordIndex } from "../../src/segment/record-index.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import type { Found, FoundLog } from "./ledger.ts";

/** A log that is open for writing. */
export interface OpenPlace {
  readonly log?: FileLog;
  readonly writer?: LogWriter;
  append(payload: string): Promise<Partial<Found>>;
  readAll(): Promise<FoundLog>;
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Where a log is and what it is. */
export interface Place {
  readonly path: string;
  open(machine: SimulatedMachine, options?: FileOpenOptions): Promise<OpenPlace>;
  /** Reads it without writing. */
  look(machine: SimulatedMachine): Promise<FoundLog>;
}

/** One record as the search compares it. */
export function foundOf(record: LogRecord): Found {
  const { seq, id, segment, offset, bytes } = record;
  return { seq, id, segment, offset, payload: Buffer.from(bytes).toString() };
}

async function collect(records: AsyncIterable<LogRecord>): Promise<Found[]> {
  const found: Found[] = [];
  for await (const record of records) found.push(foundOf(record));
  return found;
}

async function readLog(log: FileLog): Promise<FoundLog> {
  const records = await collect(log.read());
  return { generation: log.generation, firstSeq: log.firstSeq, records };
}

/** A log in a directory. */
export function directoryPlace(path: string): Place {
  return {
    path,
    async open(machine, options = {}) {
      const log = await FileLog.open(path, { ...options, machine });
      return openDirectory(log);
    },
    async look(machine) {
      const log = await FileLog.open(path, { machine, readOnly: true });
      try {
        return await readLog(log);
      } finally {
        await log.close();
      }
    },
  };
}

/** A log that was opened in another way than by its place. */
export function openDirectory(log: FileLog): OpenPlace {
  return {
    log,
    append: (payload) => log.append(payload),
    readAll: () => readLog(log),
    reset: () => log.reset(),
    close: () => log.close(),
  };
}

/** A single file with its record index beside it. */
export function filePlace(path: string): Place {
  const look = async (machine: SimulatedMachine): Promise<FoundLog> => {
    const reader = await LogReader.open(path, { machine });
    try {
      return { generation: undefined, firstSeq: 0, records: await collect(reader.read()) };
    } finally {
      await reader.close();
    }
  };
  return {
    path,
    async open(machine) {
      const recordIndex = await RecordIndex.open(path.replace(/log$/, "idx"), { machine });
      let writer: LogWriter;
      try {
        writer = await LogWriter.open(path, recordIndex, { machine });
      } catch (error) {
        await recordIndex.close();
        throw error;
      }
      return {
        writer,
        append: async (payload) => ({ offset: await writer.append(payload) }),
        readAll: () => look(machine),
        reset: () => writer.reset(),
        close: async () => {
          try {
            await writer.close();
          } finally {
            await recordIndex.close();
          }
        },
      };
    },
    look,
  };
}
