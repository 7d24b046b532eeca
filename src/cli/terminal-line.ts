/** How `tail` shows a record to a person: seq, how long ago, and its data on one line, JSON in colour. */
import pc from "picocolors";
import { nodeMachine } from "../storage/node-machine.ts";
import { decodeLossy, printableLine } from "./printable.ts";
import type { RecordFormat } from "./record-format.ts";
import { relativeTime } from "./record-time.ts";

/** Longer JSON is shown without colours, which nobody would look for in it. */
const colouredLength = 64 * 1024;

/** Keys (a string and its colon), strings, numbers, words. Unrolled, so that a long string needs no deep stack. */
const tokens = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d[\d.eE+-]*|true|false|null/g;

/** The format; colours where the terminal has them and NO_COLOR is not set. */
export function terminalLineFormat(useColours: boolean = pc.isColorSupported): RecordFormat {
  const paint = pc.createColors(useColours);
  const colourJson = (json: string): string =>
    json.length > colouredLength
      ? json
      : json.replace(tokens, (token: string, text: string | undefined, colon: string | undefined) => {
          if (text !== undefined) return colon === undefined ? paint.green(text) : paint.cyan(text) + colon;
          return /^[tfn]/.test(token) ? paint.magenta(token) : paint.yellow(token);
        });
  return (view, output) => {
    const { seq, time } = view.record;
    const when = relativeTime(time, nodeMachine.clock.now());
    const { json } = view;
    const data = json === undefined ? printableLine(decodeLossy(view.bytes)) : colourJson(json);
    output.line(`${paint.bold(String(seq).padStart(6))}  ${paint.dim(when.padStart(8))}  ${data}`);
  };
}
