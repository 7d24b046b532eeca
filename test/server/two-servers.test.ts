/** Two servers on one simulated directory: what one of them may say while the other is not done. */
import { expect, test } from "vitest";
import { failWith } from "../../src/testing/fault-plan.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import { header } from "../../src/server/http/protocol-headers.ts";
import { type Reply, StreamServer, servedDirectory } from "../sim/stream-server.ts";

/** Runs both on a disk. */
async function withTwo(
  work: (first: StreamServer, second: StreamServer, disk: SimulatedDisk) => Promise<void>,
): Promise<void> {
  const disk = new SimulatedDisk();
  const [first, second] = [new StreamServer(disk.boot()), new StreamServer(disk.boot())];
  await disk.runUntil(work(first, second, disk));
}

function shown(reply: Reply | undefined): string {
  return reply === undefined ? "no answer" : `${reply.status} ${reply.code}`;
}

test("a stream that could not be made durable is durable before the other server shows it", () =>
  withTwo(async (first, second, disk) => {
    await first.send("PUT", "other");
    const streams = `${servedDirectory}/__ds/streams`;
    first.machine.faults.on({ kind: "fsyncDirectory", path: streams }, failWith("EIO"));
    expect(shown(await first.send("PUT", "a", { body: "[1]" }))).toBe("500 SEQLOG_IO");
    expect(shown(await second.send("GET", "a"))).toBe("200 ");
    disk.crash({ keep: 0 });
    expect((await new StreamServer(disk.boot()).send("GET", "a"))?.body).toEqual([1]);
  }));

test("an offset that a server cannot see is not called wrong while another one writes the stream", () =>
  withTwo(async (first, second) => {
    await first.send("PUT", "a", { body: "[1]" });
    const appended = await first.send("POST", "a", { body: "[2]" });
    const query = `?offset=${appended?.headers[header.nextOffset]?.replace("2_", "3_")}`;
    expect(shown(await second.send("GET", "a", { query }))).toBe("503 BUSY");
    // Who writes it knows, and when it is closed everybody does.
    expect(shown(await first.send("GET", "a", { query }))).toBe("410 OFFSET_BEYOND");
    await first.close();
    expect(shown(await second.send("GET", "a", { query }))).toBe("410 OFFSET_BEYOND");
  }));
