/** The process that `seqlog demo crash` kills: callers that append at once and tell of each acknowledgement. */
import { FileLog } from "../index.ts";
import type { Output } from "./output.ts";

const callers = 8;

/** What a caller appends; the lengths differ, so that records end at any place of a page. */
function demoRecord(round: number, caller: number, count: number): string {
  return `round ${round} caller ${caller} record ${count} ${".".repeat((count * 37 + caller * 11) % 400)}`;
}

/** Whether a record is one that the demonstration wrote. */
export function isDemoRecord(text: string): boolean {
  const found = /^round (\d+) caller (\d+) record (\d+) /.exec(text);
  return found !== null && text === demoRecord(Number(found[1]), Number(found[2]), Number(found[3]));
}

/** Appends and prints `seq record` for each record acknowledged, until killed or nobody listens. */
export async function writeUntilKilled(directory: string, round: number, output: Output): Promise<void> {
  const log = await FileLog.open(directory);
  const call = async (caller: number): Promise<void> => {
    for (let count = 0; !output.closed; count++) {
      const record = demoRecord(round, caller, count);
      const { seq } = await log.append(record);
      output.line(`${seq} ${record}`);
      await output.flush();
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  await log.close();
}
