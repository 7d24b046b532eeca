/** Whether the server that answers for a stream leads it, or only thinks so. */
import type { StreamInfo } from "@nats-io/jetstream";

/**
 * A leader hears of each replica every second, and the others elect another one when they heard nothing
 * from it for four seconds at the least (nats-server's `hbInterval` and `minElectionTimeout`). So one that
 * heard of a majority within this time is the only leader.
 */
const heardNs = 3e9;

/**
 * One that was cut off from the others, or paused, and is back answers from what it had, until it hears
 * of its successor. That would leave out what was acknowledged meanwhile. For the moment between what it
 * hears first from the others, still of before, and that, it is believed.
 * @throws {Error} when it has not heard of a majority, itself included; to be asked again
 */
export function checkLeads({ config, cluster }: Pick<StreamInfo, "config" | "cluster">): void {
  const { num_replicas: replicas } = config;
  if (replicas <= 1) return;
  const heard = cluster?.replicas?.filter(({ active, offline }) => offline !== true && active < heardNs) ?? [];
  if (heard.length + 1 > replicas / 2) return;
  throw new Error(
    `${cluster?.leader ?? "a server"} says that it leads the stream, and has not heard of a majority of its ${replicas} replicas lately`,
  );
}
