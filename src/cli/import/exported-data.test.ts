import { expect, test } from "vitest";
import { dataOfLine, decodeBase64 } from "./exported-data.ts";

function dataOf(line: string): string {
  return Buffer.from(dataOfLine(line, 7)).toString("latin1");
}

test("each of the three kinds gives its bytes", () => {
  expect(dataOf('{"seq":0,"id":"x","time":null,"data":{"n": 1.0}}')).toBe('{"n": 1.0}');
  expect(dataOf('{"data":12345678901234567890}')).toBe("12345678901234567890");
  expect(dataOf(String.raw`{"text":"a\u0000\n\""}`)).toBe('a\0\n"');
  expect(dataOf('{"base64":"/wD+"}')).toBe("\xff\0\xfe");
  expect(dataOf('{"text":""}')).toBe("");
  expect(dataOf('{"base64":""}')).toBe("");
});

test("what export does not write is refused with its line", () => {
  const cases: readonly (readonly [line: string, message: RegExp])[] = [
    ['{"seq":0}', /^line 7 is no line of `seqlog export`.* here is none$/],
    ["[1]", /here is none/],
    ["null", /here is none/],
    ['"data"', /here is none/],
    ['{"__proto__":{"data":1}}', /here is none/],
    ['{"data":1,"text":"1"}', /here is data and text/],
    ['{"text":1}', /^line 7: "text" is not a string of well-formed text$/],
    [String.raw`{"text":"\ud800"}`, /well-formed text/],
    ['{"base64":"/w"}', /^line 7: "base64" is not a string of base64$/],
    ['{"base64":"_w=="}', /base64/],
    ['{"base64":"/w==\\n"}', /base64/],
    ['{"base64":null}', /base64/],
  ];
  for (const [line, message] of cases) expect(() => dataOfLine(line, 7)).toThrow(message);
});

test("base64 is taken only as it is written", () => {
  expect(decodeBase64("AQI=")).toEqual(Buffer.from([1, 2]));
  for (const text of ["AQI", "AQJ=", "AQ I=", "AQI=="]) expect(decodeBase64(text)).toBeUndefined();
});
