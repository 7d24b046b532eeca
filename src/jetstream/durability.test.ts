import { describe, expect, test } from "vitest";
import { durabilityOf } from "./durability.ts";

const one = { replicas: 1, storage: "file", syncAlways: false, serverVersion: "2.9.10" } as const;

describe("what an acknowledgement is worth", () => {
  test("one replica is with the operating system, and the warning says what takes it and what to do", () => {
    const { durability, warning } = durabilityOf(one);
    expect(durability).toBe("os");
    expect(warning).toMatch(/one replica.*2\.9\.10.*power cut.*replicas: 3.*sync_interval: always/);
  });

  test("two replicas are no majority of anything, and not durable either", () => {
    expect(durabilityOf({ ...one, replicas: 2 })).toMatchObject({
      durability: "os",
      warning: expect.stringContaining("2 replicas") as string,
    });
  });

  test.each([3, 4, 5])("%i replicas are replicated, without a warning", (replicas) => {
    expect(durabilityOf({ ...one, replicas })).toEqual({ durability: "replicated", warning: undefined });
  });

  test("by the operator's word one replica is on the disk", () => {
    expect(durabilityOf({ ...one, syncAlways: true })).toEqual({ durability: "disk", warning: undefined });
  });

  test("memory is memory, however many replicas", () => {
    for (const replicas of [1, 3]) {
      const { durability, warning } = durabilityOf({ ...one, replicas, storage: "memory", syncAlways: true });
      expect(durability).toBe("memory");
      expect(warning).toMatch(/memory/);
    }
  });
});
