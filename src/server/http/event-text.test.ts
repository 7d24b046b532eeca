import { describe, expect, test } from "vitest";
import { type EventForm, encodeEvents, eventFormOf } from "./event-text.ts";

const control = { cursor: "7", isUpToDate: true, isClosed: false };

function encoded(form: EventForm, ...parts: string[]): string {
  return Buffer.from(
    encodeEvents({ from: 0, next: 2, parts: parts.map((part) => Buffer.from(part)) }, form, control),
  ).toString();
}

/** The fields of an event as the standard has them read: one space after the colon is not part of a value. */
function dataOf(text: string): string {
  const [event = ""] = text.split("\n\n");
  return event
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, ""))
    .join("\n");
}

const token = `${"0".repeat(15)}2_${"0".repeat(16)}`;
const controlEvent = `event: control\ndata:{"streamNextOffset":"${token}","streamCursor":"7","upToDate":true}\n\n`;

test("JSON is an array of all messages of a piece", () => {
  expect(encoded("json", "1", '2,{"a":\n3}')).toBe(`event: data\ndata:[1,2,{"a":\ndata:3}]\n\n${controlEvent}`);
});

test("bytes are base64", () => {
  expect(dataOf(encoded("base64", "\u0000\u0001", "\u0002"))).toBe("AAEC");
});

describe("no text can end its event, or begin another", () => {
  test.each([
    "a\nb",
    "a\n\nevent: control\ndata: {}",
    "a\rb",
    "a\r\rb",
    "a\r\n\r\nid: 1",
    "\n",
    " leading",
    "  two",
    "data: x",
    "",
  ])("%j", (text) => {
    const bytes = encoded("text", `${text}|`);
    expect(dataOf(bytes)).toBe(`${text}|`.replaceAll(/\r\n|\r/g, "\n"));
    expect(bytes.endsWith(`|\n\n${controlEvent}`)).toBe(true);
    expect(bytes.match(/^event: /gm)).toHaveLength(2);
  });
});

test("an empty piece is a control event alone", () => {
  expect(encoded("text")).toBe(controlEvent);
});

test("the last control event has no cursor", () => {
  const closed = encodeEvents({ from: 2, next: 2, parts: [] }, "json", { ...control, isClosed: true });
  expect(Buffer.from(closed).toString()).toBe(
    `event: control\ndata:{"streamNextOffset":"${token}","streamClosed":true}\n\n`,
  );
});

test("a piece is encoded once for all who get the same", () => {
  const piece = { from: 0, next: 1, parts: [Buffer.from("1")] };
  const first = encodeEvents(piece, "json", control);
  expect(encodeEvents(piece, "json", { ...control })).toBe(first);
  expect(encodeEvents(piece, "json", { ...control, cursor: "8" })).not.toBe(first);
});

test("text goes as text, everything else as base64", () => {
  expect(eventFormOf("application/json; charset=utf-8", true)).toBe("json");
  expect(eventFormOf("TEXT/html", false)).toBe("text");
  expect(eventFormOf("application/octet-stream", false)).toBe("base64");
});

test.each(["\ufeffhello", "\ufeff", "a\ufeffb", "\ufeff\ufeff"])("a byte order mark stays: %j", (text) => {
  expect(dataOf(encoded("text", text))).toBe(text);
});
