/** The options of a consumer, checked and complete. */
import { type OptionNames, refuseUnknownOptions } from "../known-options.ts";
import type { CheckpointPolicy, CheckpointStore, ConsumerOptions, DeadLetterLog } from "../log/consumer-contract.ts";
import type { LogRecord } from "../segment/log-record.ts";
import { checkLimit } from "../segment/log-writer.ts";
import type { Position } from "../segment/positions.ts";
import type { ConsumedLog } from "./consumed-log.ts";
import { checkDeadLetterLog } from "./dead-letter.ts";
import { RetryPolicy, longestMs } from "./retry-policy.ts";

/** How a consumer works. */
export interface ConsumerSettings<Out> {
  readonly from: Position;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly ackWaitMs: number;
  readonly retry: RetryPolicy;
  readonly deadLetter: DeadLetterLog | undefined;
  filter?(record: LogRecord<Out>): boolean;
  readonly policy: CheckpointPolicy;
  readonly store: CheckpointStore | undefined;
}

const names: OptionNames<ConsumerOptions> = {
  from: true,
  maxInFlight: true,
  maxInFlightBytes: true,
  ackWaitMs: true,
  retry: true,
  deadLetter: true,
  filter: true,
  checkpoint: true,
  store: true,
};

/** @throws {TypeError}, {RangeError} */
export function checkedConsumerOptions<Out>(
  options: ConsumerOptions<Out>,
  { machine, view }: ConsumedLog<Out>,
): ConsumerSettings<Out> {
  refuseUnknownOptions<ConsumerOptions<Out>>("consumer", options, names);
  const { from = "start", checkpoint: policy = "every", deadLetter, filter, store } = options;
  if (policy !== "every") {
    if (typeof policy !== "object" || policy?.intervalMs === undefined) {
      throw new TypeError(`checkpoint must be "every" or { intervalMs }, got ${JSON.stringify(policy)}`);
    }
    checkLimit(policy.intervalMs, 0, "checkpoint.intervalMs", 1, 3_600_000);
  }
  if (filter !== undefined && typeof filter !== "function") throw new TypeError("filter must be a function");
  if (store !== undefined && typeof store?.load !== "function") throw new TypeError("store must have a load()");
  const most = Number.MAX_SAFE_INTEGER;
  return {
    from,
    maxInFlight: checkLimit(options.maxInFlight, 1000, "maxInFlight", 1, 1_000_000),
    maxInFlightBytes: checkLimit(options.maxInFlightBytes, 64 * 1024 * 1024, "maxInFlightBytes", 1, most),
    ackWaitMs: checkLimit(options.ackWaitMs, 30_000, "ackWaitMs", 1, longestMs),
    retry: new RetryPolicy(options.retry ?? {}, machine.random),
    deadLetter: deadLetter === undefined ? undefined : checkDeadLetterLog(deadLetter, view.location),
    ...(filter === undefined ? {} : { filter }),
    policy,
    store,
  };
}
