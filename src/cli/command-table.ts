/**
 * The commands by name. Only the one that is run is loaded, so that `seqlog --help` does not wait for
 * the library.
 */
import type { DefineCommand } from "./cli-context.ts";

/** A command before it was loaded. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<DefineCommand>;
}

/** In the order of the help. */
export const commandTable: readonly CommandEntry[] = [
  {
    name: "append",
    summary: "append lines, NDJSON or length-framed records",
    load: async () => (await import("./append.ts")).defineAppend,
  },
  {
    name: "cat",
    summary: "print records",
    load: async () => (await import("./cat.ts")).defineCat,
  },
  {
    name: "tail",
    summary: "print the last records, and follow new ones with -f",
    load: async () => (await import("./tail.ts")).defineTail,
  },
  {
    name: "get",
    summary: "print one record by its seq or id",
    load: async () => (await import("./get.ts")).defineGet,
  },
  {
    name: "stats",
    summary: "count records, bytes and segments",
    load: async () => (await import("./stats.ts")).defineStats,
  },
  {
    name: "verify",
    summary: "check every byte; exit code 1 when there is damage",
    load: async () => (await import("./verify.ts")).defineVerify,
  },
  {
    name: "repair",
    summary: "put right what can be put right without losing a byte",
    load: async () => (await import("./repair.ts")).defineRepair,
  },
  {
    name: "salvage",
    summary: "get every intact record out of a damaged log, into a new one",
    load: async () => (await import("./salvage.ts")).defineSalvage,
  },
  {
    name: "rebuild-index",
    summary: "write the record index again from the records",
    load: async () => (await import("./rebuild-index.ts")).defineRebuildIndex,
  },
  {
    name: "reset",
    summary: "remove every record (needs --yes)",
    load: async () => (await import("./reset.ts")).defineReset,
  },
  {
    name: "bench",
    summary: "measure what a disk gives, and say what limits it",
    load: async () => (await import("./bench.ts")).defineBench,
  },
  {
    name: "demo",
    summary: "see the log survive: `seqlog demo crash`",
    load: async () => (await import("./demo.ts")).defineDemo,
  },
];
