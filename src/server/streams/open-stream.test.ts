import { expect, test } from "vitest";
import { scratchDirectory } from "../../../test/crash/scratch-directory.ts";
import { createLog } from "../../log/create-log.ts";
import { nodeMachine } from "../../storage/node-machine.ts";
import type { Machine } from "../../storage/storage.ts";
import { type Frame, frameCodecName } from "../frame/frame.ts";
import { OpenStream } from "./open-stream.ts";

const options = { maxRecordBytes: 1024 };

function frame(seq: number): Frame {
  const payload = Buffer.from(`message ${seq}`);
  return { close: false, producer: { id: "p", epoch: 0, seq }, streamSeq: String(seq), lengths: undefined, payload };
}

/** A machine of which one read of records can be held up. */
function withHeldRead(): { machine: Machine; hold(): { isHeld: Promise<void>; release: () => void } } {
  const { storage } = nodeMachine;
  let held: { readonly begun: () => void; readonly released: Promise<void> } | undefined;
  const openSync: typeof storage.openSync = (path, mode, settings) => {
    const file = storage.openSync(path, mode, settings);
    const read = file.read.bind(file);
    file.read = async (target, position) => {
      const waits = path.endsWith(".log") ? held : undefined;
      if (waits !== undefined) {
        held = undefined;
        waits.begun();
        await waits.released;
      }
      return read(target, position);
    };
    return file;
  };
  return {
    machine: { ...nodeMachine, storage: { ...storage, openSync } },
    hold() {
      let release = (): void => undefined;
      let begun = (): void => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const isHeld = new Promise<void>((resolve) => (begun = resolve));
      held = { begun, released };
      return { isHeld, release };
    },
  };
}

test("a look at another process's log that ends after the stream was opened to write forgets no producer", async () => {
  const directory = scratchDirectory();
  const { machine, hold } = withHeldRead();
  await createLog(nodeMachine, directory, { firstSeq: 0, codec: frameCodecName, records: [] });
  const stream = await OpenStream.open(machine, directory, options);
  const other = await OpenStream.open(nodeMachine, directory, options);
  for (const seq of [0, 1, 2]) expect(await other.append(frame(seq))).toMatchObject({ kind: "appended" });
  await other.close();

  const { isHeld, release } = hold();
  const looking = stream.refresh();
  await isHeld;
  expect(stream.isWriter).toBe(false);
  expect(await stream.append(frame(2))).toMatchObject({ kind: "duplicate", tail: 3 });
  release();
  await looking;
  expect(await stream.append(frame(2))).toMatchObject({ kind: "duplicate", tail: 3 });
  expect(await stream.append(frame(3))).toMatchObject({ kind: "appended", tail: 4 });
  await stream.close();
});
