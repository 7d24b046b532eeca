/** What an acknowledgement of a stream's server is worth, said as it is. */
import type { LogCapabilities } from "../log/log.ts";

/** What can be known of a stream. */
export interface StreamDurability {
  readonly replicas: number;
  readonly storage: "file" | "memory";
  /** The operator's word that every server has `sync_interval: always`; clients cannot ask for it. */
  readonly syncAlways: boolean;
  readonly serverVersion: string;
}

/** What is promised, and what is not. */
export interface DurabilityPromise {
  readonly durability: LogCapabilities["durability"];
  /** Why it is less than durable; undefined when it is. */
  readonly warning: string | undefined;
}

/** Says what a stream's acknowledgement promises. */
export function durabilityOf({ replicas, storage, syncAlways, serverVersion }: StreamDurability): DurabilityPromise {
  if (storage === "memory") {
    return { durability: "memory", warning: "the stream is kept in memory: a restart of its servers takes all of it" };
  }
  if (replicas >= 3) return { durability: "replicated", warning: undefined };
  if (syncAlways) return { durability: "disk", warning: undefined };
  return {
    durability: "os",
    warning:
      `the stream has ${replicas === 1 ? "one replica" : `${replicas} replicas`}, and nats-server ${serverVersion} acknowledges before ` +
      "it is on the disk unless its sync_interval is `always` (by default it is written there every two minutes): a power cut or a crash of the system takes acknowledged records. " +
      "Use replicas: 3, or set sync_interval: always on the server and say so with syncAlways: true",
  };
}
