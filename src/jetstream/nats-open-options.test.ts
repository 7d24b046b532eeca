import { describe, expect, test } from "vitest";
import { type NatsOpenOptions, checkedNatsOptions } from "./nats-open-options.ts";

describe("the options of a log on JetStream", () => {
  test("have defaults", () => {
    expect(checkedNatsOptions({})).toMatchObject({
      replicas: undefined,
      requireDurable: false,
      syncAlways: false,
      keyWindowMs: undefined,
      patienceMs: 60_000,
      create: true,
      readOnly: false,
    });
  });

  test.each([
    [{ replicas: 0 }, RangeError],
    [{ replicas: 6 }, RangeError],
    [{ patienceMs: 0 }, RangeError],
    [{ maxPendingBytes: -1 }, RangeError],
    [{ keyWindow: { ms: 10 } }, RangeError],
    [{ keyWindow: 7 }, TypeError],
    [{ keyWindow: { records: 5 } }, TypeError],
  ])("%j is refused", (options, kind) => {
    expect(() => checkedNatsOptions(options as NatsOpenOptions)).toThrow(kind);
  });

  test.each(["segmentBytes", "durability", "writes", "lock", "ids"])(
    "%s is of a directory log: refused, not ignored",
    (name) => {
      expect(() => checkedNatsOptions({ [name]: 1 })).toThrow(new RegExp(`^${name} is an option of a directory log`));
    },
  );
});
