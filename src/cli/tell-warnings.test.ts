import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { durabilityOf } from "../jetstream/durability.ts";
import { tellWarnings } from "./tell-warnings.ts";

/** A process, and what was told by its own listener and on standard error. */
function newProcess() {
  const told: string[] = [];
  const written: string[] = [];
  const stderr = { write: (text: string) => written.push(text) };
  const process = Object.assign(new EventEmitter(), { stderr }) as unknown as NodeJS.Process;
  process.on("warning", ({ message }) => told.push(message));
  return { process, told, written };
}

function notDurable(): Error {
  const { warning } = durabilityOf({ replicas: 1, storage: "file", syncAlways: false, serverVersion: "2.9.10" });
  return Object.assign(new Error(`nats://a:4222/x: ${warning}`), { code: "SEQLOG_NOT_DURABLE" });
}

test("a log that is not durable is a note, and names what there is at a shell", () => {
  const { process, told, written } = newProcess();
  tellWarnings(process);
  process.emit("warning", notDurable());
  expect(told).toEqual([]);
  expect(written).toHaveLength(1);
  expect(written[0]).toMatch(/^seqlog: note: nats:\/\/a:4222\/x: the stream has one replica.* --replicas 3 .*\n$/);
  expect(written[0]).not.toMatch(/syncAlways|replicas: 3/);
});

test("other warnings stay what they are", () => {
  const { process, told, written } = newProcess();
  tellWarnings(process);
  process.emit("warning", new Error("of node"));
  expect([told, written]).toEqual([["of node"], []]);
});

test("one that prints no warnings goes on printing none", () => {
  const { process, written } = newProcess();
  process.removeAllListeners("warning");
  tellWarnings(process);
  process.emit("warning", notDurable());
  expect(written).toEqual([]);
});
