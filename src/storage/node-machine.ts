/** The real machine: disk, clock, randomness and who we are. */
import { randomFillSync } from "node:crypto";
import { hostname } from "node:os";
import { monotonicUs } from "./monotonic-clock.ts";
import { nodeStorage } from "./node-storage.ts";
import type { Clock, Machine } from "./storage.ts";

const nodeClock: Clock = {
  now: () => Date.now(),
  elapsedUs: monotonicUs,
  after(ms, call, options) {
    const timer = setTimeout(call, ms);
    if (!options.keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** The {@link Machine} that this process runs on. */
export const nodeMachine: Machine = {
  storage: nodeStorage,
  clock: nodeClock,
  random: { fill: (target) => void randomFillSync(target) },
  owner: { pid: process.pid, host: hostname() },
  isAlive(pid) {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      // EPERM: it lives, under another user.
      return (error as NodeJS.ErrnoException).code === "EPERM";
    }
  },
};
