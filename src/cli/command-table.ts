/**
 * The commands by name. Only the one that is run is loaded, so that `seqlog --help` does not wait for
 * the library.
 */
import type { DefineCommand } from "./cli-context.ts";

/** A command before it was loaded. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Of those that people need most, which \`seqlog help\` shows. */
  readonly example?: string;
  readonly load: () => Promise<DefineCommand>;
}

/** In the order of the help. */
export const commandTable: readonly CommandEntry[] = [
  {
    name: "append",
    summary: "append lines, NDJSON or length-framed records",
    example: "some-program | seqlog append ./events",
    load: async () => (await import("./append.ts")).defineAppend,
  },
  {
    name: "cat",
    summary: "print records",
    example: "seqlog cat ./events --since 1h --where status=500",
    load: async () => (await import("./cat.ts")).defineCat,
  },
  {
    name: "tail",
    summary: "print the last records, and follow new ones with -f",
    example: "seqlog tail -f ./events",
    load: async () => (await import("./tail.ts")).defineTail,
  },
  {
    name: "get",
    summary: "print one record by its seq or id",
    example: "seqlog get ./events 42 --json",
    load: async () => (await import("./get.ts")).defineGet,
  },
  {
    name: "stats",
    summary: "count records, bytes and segments",
    example: "seqlog stats ./events",
    load: async () => (await import("./stats.ts")).defineStats,
  },
  {
    name: "consumers",
    summary: "list durable consumers, and say where they go on",
    example: "seqlog consumers list ./events",
    load: async () => (await import("./consumers.ts")).defineConsumers,
  },
  {
    name: "serve",
    summary: "serve logs and streams over HTTP",
    example: "seqlog serve ./data",
    load: async () => (await import("./serve.ts")).defineServe,
  },
  {
    name: "export",
    summary: "write records as NDJSON, CSV or length-framed bytes",
    example: "seqlog export ./events --since 1d -o events.ndjson",
    load: async () => (await import("./export.ts")).defineExport,
  },
  {
    name: "import",
    summary: "append the records of NDJSON, CSV or length-framed bytes",
    load: async () => (await import("./import.ts")).defineImport,
  },
  {
    name: "trim",
    summary: "remove old records, in whole segments",
    example: "seqlog trim ./events --before 30d --dry-run",
    load: async () => (await import("./trim.ts")).defineTrim,
  },
  {
    name: "verify",
    summary: "check every byte; exit code 1 when there is damage",
    example: "seqlog verify ./events && echo whole",
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
    name: "promote",
    summary: "copy a log into a stream of NATS JetStream",
    load: async () => (await import("./promote.ts")).definePromote,
  },
  {
    name: "mirror",
    summary: "keep a stream of NATS JetStream in step with a log",
    load: async () => (await import("./mirror.ts")).defineMirror,
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
  {
    name: "completion",
    summary: "print a script that completes commands in bash, zsh or fish",
    load: async () => (await import("./completion.ts")).defineCompletion,
  },
  {
    name: "help",
    summary: "print the commands that people need most, or all about one",
    load: async () => (await import("./help.ts")).defineHelp,
  },
];
