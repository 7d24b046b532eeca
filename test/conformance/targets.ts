/** What the conformance suite is run on. */
import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileOpenOptions, type Log, openLog } from "../../src/index.ts";
import { type ConformanceTarget, SimulatedDisk, type SimulatedMachine } from "../../src/testing/index.ts";

const maxRecordBytes = 500_000;

/** Small segments: many cases roll, and trims take effect. */
const segmentBytes = 1024;

/** Directory logs on the real disk. A crash leaves the files as they are at that moment, as the end of the process would. */
export function fileTarget(options: FileOpenOptions = {}): ConformanceTarget & { end(): void } {
  const directory = mkdtempSync(join(tmpdir(), "seqlog-conformance-"));
  const at = (name: string): string => join(directory, name);
  const settings: FileOpenOptions = { segmentBytes: 4096, maxRecordBytes, ...options };
  return {
    maxRecordBytes,
    open: (name, more) => openLog(at(name), { ...settings, ...more }),
    openWithCodec: (name, codec) => openLog(at(name), { ...settings, codec }),
    openRetaining: (name, retention) => openLog(at(name), { ...settings, retention }),
    openReader: (name) => openLog(at(name), { readOnly: true }),
    async crash(name, log) {
      cpSync(at(name), at(`${name}-crashed`), { recursive: true });
      await log.close();
      rmSync(at(name), { recursive: true });
      renameSync(at(`${name}-crashed`), at(name));
    },
    async destroy(name) {
      rmSync(at(name), { recursive: true, force: true });
    },
    end: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Directory logs on a simulated disk; a crash is a power cut that loses all that may be lost, a reader another process. */
export function simulatedTarget(
  options: FileOpenOptions = {},
  disk: SimulatedDisk = new SimulatedDisk({ keepLog: false }),
): ConformanceTarget & { readonly disk: SimulatedDisk } {
  let machine: SimulatedMachine = disk.boot();
  const settings = (): FileOpenOptions => ({ segmentBytes, maxRecordBytes, ...options, machine });
  return {
    disk,
    maxRecordBytes,
    open: (name, more) => openLog(`/${name}`, { ...settings(), ...more }),
    openWithCodec: (name, codec) => openLog(`/${name}`, { ...settings(), codec }),
    openRetaining: (name, retention) => openLog(`/${name}`, { ...settings(), retention }),
    openReader: (name) => openLog(`/${name}`, { readOnly: true, machine: disk.boot() }),
    async crash() {
      disk.crash({ keep: 0 });
      machine = disk.boot();
    },
  };
}

/** Directory logs whose reads all go through a read-only follower of the writer. */
export function followedTarget(options: FileOpenOptions = {}): ConformanceTarget & { end(): void } {
  const { open, openWithCodec, crash: _crash, openReader: _openReader, ...inner } = fileTarget(options);
  return {
    ...inner,
    async open(name, more) {
      const writer = await open(name, more);
      return override(writer, readsOf(await openLog(writer.location, { readOnly: true }), writer));
    },
    async openWithCodec(name, codec) {
      const writer = await openWithCodec(name, codec);
      return override(writer, readsOf(await openLog(writer.location, { readOnly: true, codec }), writer));
    },
  };
}

/** The reading half of a log that writes through `writer` and reads through `reader`. */
function readsOf(reader: Log<never, unknown>, writer: Log<never, unknown>): Partial<Log<never, unknown>> {
  const close = async (): Promise<void> => {
    await writer.close();
    await reader.close();
  };
  return {
    supports: { ...writer.supports, sync: false },
    get: (seq) => reader.get(seq),
    find: (id) => reader.find(id),
    seqAt: (time) => reader.seqAt(time),
    read: (options) => reader.read(options),
    readBatches: (options) => reader.readBatches(options),
    stats: () => reader.stats(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A log with some members replaced. */
export function override<L extends object>(log: L, members: object): L {
  return new Proxy(log, {
    get(target, key) {
      if (Object.hasOwn(members, key)) return Reflect.get(members, key);
      const value: unknown = Reflect.get(target, key);
      // Bound to the log itself: its private fields are not the proxy's.
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
