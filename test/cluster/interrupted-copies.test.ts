/** `promote` and `mirror` over connections that are lost at the worst moments, and beside servers that fall silent. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { FileLog, openLog } from "../../src/index.ts";
import { mirror, promote } from "../../src/jetstream/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { NatsProxy } from "./nats-proxy.ts";
import { differenceFromLog } from "./same-as-log.ts";

const timeout = 240_000;
const waiting = { timeout: 120_000 };
const scratch = mkdtempSync(join(tmpdir(), "seqlog-interrupted-"));
let cluster: NatsCluster;

beforeAll(async () => {
  if (natsServer.missing === undefined) cluster = await NatsCluster.start({ servers: 1 });
});

afterAll(async () => {
  cluster?.heal(0);
  await cluster?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const onServer = (body: () => Promise<void>) => onlyWith([natsServer], body);

function port(): number {
  return Number(cluster.addresses[0]?.split(":")[1]);
}

test(
  "a mirror that had nothing to do for longer than it is patient outlives a lost connection",
  { timeout },
  onServer(async () => {
    await using proxy = await NatsProxy.start(port());
    await using log = await FileLog.open(join(scratch, "idle"));
    await log.append("a");
    const stop = new AbortController();
    const patienceMs = 5000;
    let reached = 0;
    const onProgress = (nextSeq: number): void => void (reached = nextSeq);
    const options = { patienceMs, signal: stop.signal, onProgress };
    const ended = mirror(log.location, `${proxy.url}/idle`, options).catch((error: unknown) => error);
    await vi.waitUntil(() => reached === 1, waiting);
    await wait(patienceMs + 500);
    for (const link of proxy.links) link.cut();
    await vi.waitUntil(() => proxy.links.length > 1, waiting);
    await log.append("b");
    // Before it is there the mirror may end.
    const done = new Error("done");
    await Promise.race([ended, vi.waitUntil(() => reached === 2, waiting)]);
    stop.abort(done);
    expect(await ended).toBe(done);
    expect(await differenceFromLog(log.location, cluster.addresses, "idle")).toBeUndefined();
  }),
);

test(
  "what an earlier attempt sent and comes late is nobody else's",
  { timeout },
  onServer(async () => {
    await using proxy = await NatsProxy.start(port());
    await using log = await FileLog.open(join(scratch, "late"));
    for (let i = 0; i < 16; i++) await log.appendBatch(Array.from({ length: 512 }, () => "x".repeat(2000)));
    // The first attempt sends all that it may, and all of it is under way when the connection is lost;
    // it comes while the second one, which is lost sooner, is being given up.
    let sent = 0;
    let cuts = 0;
    proxy.said = (said, link) => {
      if (!said.includes("HPUB late") && !(link === proxy.links[0] && sent > 0)) return;
      if (link === proxy.links[0]) {
        link.hold();
        sent += said.length;
        if (sent > 7 * 1024 * 1024 && cuts === 0) {
          cuts = 1;
          link.cut();
        }
      } else if (cuts === 1) {
        cuts = 2;
        link.hold();
        link.cut();
        proxy.links[0]?.release();
      }
    };
    const report = await promote(log.location, `${proxy.url}/late`);
    expect(cuts).toBe(2);
    expect(report.records).toBe(16 * 512);
    expect(await differenceFromLog(log.location, cluster.addresses, "late")).toBeUndefined();
  }),
);

test(
  "the signal ends promote, a read and an open at once, with its reason, while the servers are silent",
  { timeout },
  onServer(async () => {
    const location = `${cluster.url}/silent`;
    await using log = await FileLog.open(join(scratch, "silent"));
    await log.appendBatch(Array.from({ length: 20_000 }, (_, i) => `record ${i} ${"x".repeat(500)}`));
    const reason = new Error("enough");
    const promoting = new AbortController();
    const promoted = promote(log.location, location, {
      signal: promoting.signal,
      onProgress: ({ doing, records }) => {
        if (doing !== "copying" || records < 1000 || promoting.signal.aborted) return;
        cluster.cut(0);
        promoting.abort(reason);
      },
    });
    await expect(promoted).rejects.toBe(reason);
    cluster.heal(0);
    await promote(log.location, location);

    await using stream = await openLog(location);
    cluster.cut(0);
    const reading = new AbortController();
    const read = (async () => {
      for await (const _record of stream.read({ signal: reading.signal }));
    })();
    const opening = new AbortController();
    const opened = openLog(location, { signal: opening.signal });
    const ended = Promise.allSettled([read, opened]);
    await wait(300);
    reading.abort(reason);
    opening.abort(reason);
    for (const result of await ended) expect(result.status === "rejected" && result.reason).toBe(reason);
    cluster.heal(0);
  }),
);

test(
  "a stream that gives no more while it is compared is an error after patience, and no difference",
  { timeout },
  onServer(async () => {
    const location = `${cluster.url}/compared`;
    await using log = await FileLog.open(join(scratch, "compared"));
    await log.appendBatch(Array.from({ length: 20_000 }, (_, i) => `record ${i} ${"x".repeat(500)}`));
    const promoted = promote(log.location, location, {
      patienceMs: 1500,
      onProgress: ({ doing }) => {
        if (doing === "comparing") cluster.cut(0);
      },
    });
    const message = expect.stringMatching(/no message \d+ for 1\.5 s/) as unknown;
    await expect(promoted).rejects.toMatchObject({ code: "SEQLOG_IO", message });
    cluster.heal(0);
  }),
);
