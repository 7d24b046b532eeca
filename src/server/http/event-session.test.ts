import { expect, test } from "vitest";
import { SimulatedDisk } from "../../testing/simulated-disk.ts";
import { Catalog } from "../streams/catalog.ts";
import { type EventSessionOptions, runEventSession } from "./event-session.ts";
import { limitsOf } from "./limits.ts";

const ttlMs = 3_000;

/** Runs one reader of events of a stream with a TTL, who waits for 7 s and leaves. */
async function withReader(
  touchedBy: (touch: () => void) => () => void,
  work: (catalog: Catalog, pause: (ms: number) => Promise<void>, session: Promise<void>) => Promise<void>,
): Promise<void> {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  machine.storage.makeDirectorySync("/data");
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => void machine.clock.after(ms, resolve, { keepAlive: true }));
  await disk.runUntil(
    (async () => {
      const catalog = Catalog.ofDirectory(machine, "/data", { maxOpenLogs: 10, maxRecordBytes: 1024 });
      await catalog.streams?.create({
        path: "a",
        contentType: "text/plain",
        ttlSeconds: ttlMs / 1000,
        expiresAt: undefined,
        isClosed: false,
        body: new Uint8Array(0),
        fork: undefined,
      });
      const { source, touch, release } = await catalog.read("a");
      let leave = (): void => undefined;
      const options: EventSessionOptions = {
        machine,
        limits: limitsOf({ heartbeatMs: 30_000 }),
        source,
        form: "text",
        from: 0,
        cursor: undefined,
        closing: new AbortController().signal,
        touch: touchedBy(touch),
      };
      let ends = 0;
      const sink = {
        write: () => true as const,
        end: () => void ends++,
        onClose: (call: () => void) => (leave = call),
      };
      const session = runEventSession(options, sink).finally(release);
      await pause(7_000);
      expect(catalog.find("a")).toBeDefined();
      leave();
      await work(catalog, pause, session);
      expect(ends).toBe(1);
      await catalog.close();
    })(),
  );
  expect(machine.openFiles).toBe(0);
}

test("a stream lives for its TTL from when the reader of its events leaves", () =>
  withReader(
    (touch) => touch,
    async (catalog, pause, session) => {
      await session;
      await pause(ttlMs - 1);
      expect(catalog.find("a")).toBeDefined();
      await pause(1);
      expect(catalog.find("a")).toBeUndefined();
    },
  ));

test("a reader who leaves follows no more, also where that cannot be noted", () => {
  let touches = 0;
  return withReader(
    (touch) => () => {
      if (touches++ > 0) throw new Error("the disk is full");
      touch();
    },
    async (catalog, pause, session) => {
      await expect(session).rejects.toThrow("the disk is full");
      await pause(ttlMs);
      expect(catalog.find("a")).toBeUndefined();
    },
  );
});
