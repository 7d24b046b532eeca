import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { nodeMachine } from "../storage/node-machine.ts";
import { parseCount, parsePosition, parseSeqOrId, parseStart, parseTime } from "./position.ts";

const id = "01890a5d-ac96-774b-bcce-b302099a8057";

/** Which of the texts are refused with this message. */
function refused(parse: (text: string) => unknown, texts: readonly string[], message: RegExp): string[] {
  return texts.filter((text) => {
    try {
      parse(text);
      return false;
    } catch (error) {
      return error instanceof InvalidArgumentError && message.test(error.message);
    }
  });
}

test("a position is a seq, an id, a time, start or end", () => {
  expect(parsePosition("42")).toBe(42);
  expect(parsePosition("start")).toBe("start");
  expect(parsePosition("end")).toBe("end");
  expect(parsePosition(`id:${id.toUpperCase()}`)).toEqual({ id });
  expect(parsePosition("2026-05-01T10:00:00Z")).toEqual(new Date("2026-05-01T10:00:00Z"));
});

test("what is none of these is refused", () => {
  const texts = ["", "-1", "1.5", "9007199254740992", "id:42", "id:", id, "yesterday", "2026-13-01", "0x10"];
  expect(refused(parsePosition, texts, /must be a seq/)).toEqual(texts);
});

test("a time is a date, a moment, or how long ago", () => {
  expect(parseTime("2026-05-01")).toEqual(new Date("2026-05-01"));
  expect(parseTime("2026-05-01 10:00:30.5+02:00")).toEqual(new Date("2026-05-01T08:00:30.500Z"));
  const units = { "500ms": 500, "30s": 30_000, "10m": 600_000, "2h": 7_200_000, "1d": 86_400_000, "1w": 604_800_000 };
  for (const [text, ms] of Object.entries(units)) {
    const before = nodeMachine.clock.now();
    const time = parseTime(text).getTime();
    expect(time).toBeGreaterThanOrEqual(before - ms);
    expect(time).toBeLessThanOrEqual(nodeMachine.clock.now() - ms);
  }
  expect(parseTime("99999w")).toEqual(new Date(0));
});

test("a number is not a time", () => {
  const texts = ["42", "10", "m", "10 m", "10y", "May 1"];
  expect(refused(parseTime, texts, /must be a time/)).toEqual(texts);
});

test("-o is as in kcat", () => {
  expect(parseStart("beginning")).toBe("start");
  expect(parseStart("end")).toBe("end");
  expect(parseStart("7")).toBe(7);
  expect(parseStart("-10")).toEqual({ last: 10 });
  const texts = ["start", "-", "--1", "-x", "1.5"];
  expect(refused(parseStart, texts, /must be beginning/)).toEqual(texts);
});

test("get takes a seq or an id", () => {
  expect(parseSeqOrId("0")).toBe(0);
  expect(parseSeqOrId(`id:${id}`)).toEqual({ id });
  expect(() => parseSeqOrId(id)).toThrow(/id:UUID/);
});

test("a count is a whole number", () => {
  expect(parseCount("0")).toBe(0);
  const texts = ["-1", "1e3", "", "ten"];
  expect(refused(parseCount, texts, /whole number/)).toEqual(texts);
});
