import { expect, test } from "vitest";
import { SimulatedDisk } from "../../testing/simulated-disk.ts";
import { nextCursor } from "./cursor.ts";

test("it is the number of the 20 seconds since the protocol's epoch", async () => {
  const disk = new SimulatedDisk({ startMs: Date.UTC(2024, 9, 9) + 60_000 });
  const machine = disk.boot();
  expect(nextCursor(machine, undefined)).toBe("3");
  await disk.clock.advance(20_000);
  expect(nextCursor(machine, undefined)).toBe("4");
  expect(nextCursor(machine, "3")).toBe("4");
  expect(nextCursor(machine, "nonsense")).toBe("4");
});

test("a client's never goes back, nor stays, and never goes ahead by more than an hour", () => {
  const machine = new SimulatedDisk({ startMs: Date.UTC(2024, 9, 9) + 60_000 }).boot();
  for (const sent of ["3", "4", "1000"]) {
    for (let i = 0; i < 100; i++) {
      const ahead = Number(nextCursor(machine, sent)) - Number(sent);
      expect(ahead).toBeGreaterThanOrEqual(1);
      expect(ahead).toBeLessThanOrEqual(180);
    }
  }
});
