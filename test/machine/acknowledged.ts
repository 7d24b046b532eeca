/** What was acknowledged, held against what a log gives back. */
import { FileLog, type FileOpenOptions, verify } from "../../src/index.ts";

/** An acknowledged record: `start` padded to `length` with x. */
export interface Acknowledged {
  readonly seq: number;
  readonly id: string;
  readonly segment: string;
  readonly offset: number;
  readonly start: string;
  readonly length: number;
}

/** How a record was acknowledged, or is found, as one line. */
function lineOf({ seq, id, segment, offset }: Omit<Acknowledged, "start" | "length">, data: string): string {
  return `${seq} ${id} ${segment} ${offset} ${data}`;
}

/** Reads the whole log and says everything that is not as it must be; `records` is how many there are. */
export async function compare(
  log: FileLog,
  acknowledged: readonly Acknowledged[],
): Promise<{ readonly problems: string[]; readonly records: number }> {
  const problems: string[] = [];
  const wanted = new Map<number, string>();
  for (const ack of acknowledged) {
    if (wanted.has(ack.seq)) problems.push(`record ${ack.seq} was acknowledged twice`);
    wanted.set(ack.seq, lineOf(ack, ack.start.padEnd(ack.length, "x")));
  }
  let nextSeq = 0;
  for await (const record of log.read()) {
    if (record.seq !== nextSeq) problems.push(`record ${record.seq} comes where ${nextSeq} should`);
    nextSeq = record.seq + 1;
    const data = Buffer.from(record.bytes).toString();
    if (!/^[\w-]+\.\d+\.x*$/.test(data)) problems.push(`record ${record.seq} is nobody's: ${data.slice(0, 60)}`);
    const line = wanted.get(record.seq);
    const found = lineOf(record, data);
    if (line !== undefined && line !== found) problems.push(`acknowledged as ${line}, found as ${found}`);
    wanted.delete(record.seq);
  }
  for (const seq of wanted.keys()) problems.push(`acknowledged record ${seq} is not there`);
  if (nextSeq !== log.nextSeq) problems.push(`the log ends at ${nextSeq}, and says ${log.nextSeq}`);
  return { problems, records: nextSeq };
}

/**
 * Opens a log whose writer has ended: everything acknowledged must be there as it was, the log must
 * take new records, and `verify` must find nothing. Returns what is wrong, and how many records were found.
 */
export async function reopen(
  path: string,
  acknowledged: readonly Acknowledged[],
  options: FileOpenOptions = {},
): Promise<{ readonly problems: string[]; readonly records: number }> {
  const log = await FileLog.open(path, options);
  let found: { readonly problems: string[]; readonly records: number };
  try {
    found = await compare(log, acknowledged);
    const { seq } = await log.append("reopened.0.");
    if (seq !== found.records) found.problems.push(`the next record got the seq ${seq}, not ${found.records}`);
  } finally {
    await log.close();
  }
  const report = await verify(path);
  if (!report.ok) found.problems.push(`verify found ${JSON.stringify(report.damage)}`);
  return found;
}
