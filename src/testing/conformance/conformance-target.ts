/** What the conformance suite needs of the log under test: how to open it, and, where that is possible, how to end its writer. */
import type { Codec } from "../../log/codec.ts";
import type { Log } from "../../log/log.ts";
import type { Retention } from "../../log/retention.ts";

/** Options that the suite opens a log with. */
export interface ConformanceOpenOptions {
  /** As the option of `openLog`. */
  readonly maxPendingBytes?: number;
}

/**
 * A kind of log, for {@link logConformance}. The suite gives each case a name of its own (letters,
 * digits and hyphens), and opens a name again only after it closed, or crashed, the log before.
 *
 * Where the log removes records in larger units than one, the unit must be well below 16 KiB, so
 * that a trim is seen: a directory log is opened with `segmentBytes: 1024`.
 */
export interface ConformanceTarget {
  /** Opens the log of this name for writing; makes an empty one where there is none. */
  open(name: string, options: ConformanceOpenOptions): Promise<Log>;
  /** As `open`, with a codec. */
  openWithCodec<In, Out>(name: string, codec: Codec<In, Out>): Promise<Log<In, Out>>;
  /** As `open`, with the option `retention`. Without it those cases are left out. */
  openRetaining?(name: string, retention: Retention): Promise<Log>;
  /** Opens the log of this name for reading alone, beside its writer. Without it those cases are left out. */
  openReader?(name: string): Promise<Log>;
  /**
   * Ends the writer without closing it, in the hardest way the target can: a power cut, a SIGKILL.
   * `open` then finds what that left. Without it those cases are left out.
   */
  crash?(name: string, log: Log): Promise<void>;
  /** Removes the log of this name, which is closed. Called once at the end of each case. */
  destroy?(name: string): Promise<void>;
  /** Bytes of data in the largest record that `open`'s logs take. Without it those cases are left out. */
  readonly maxRecordBytes?: number;
}
