/** What a server tells of its streams, to be compared with what it tells later. */
import { createHash } from "node:crypto";
import type { SentAgain } from "./recorded-requests.ts";

/** What a server says of one stream. */
export interface StreamCopy {
  readonly head: string;
  /** The pieces that a reader is given from the beginning on: offsets, ETags and a hash of the bytes. */
  readonly pieces: readonly string[];
  readonly bytes: number;
}

/** Headers that differ from answer to answer, or belong to the connection. */
const passedOver = new Set(["connection", "date", "keep-alive", "transfer-encoding", "content-length"]);

/** An answer without its body. */
function told(response: Response): string {
  const headers = [...response.headers].filter(([name]) => !passedOver.has(name));
  return [String(response.status), ...headers.map(([name, value]) => `${name}: ${value}`)].join("\n");
}

/** All of one stream. */
export async function copyOf(url: string): Promise<StreamCopy> {
  const head = told(await fetch(url, { method: "HEAD" }));
  const pieces: string[] = [];
  let bytes = 0;
  for (let offset = "-1"; ;) {
    const response = await fetch(`${url}?offset=${offset}`);
    const body = new Uint8Array(await response.arrayBuffer());
    bytes += response.ok ? body.length : 0;
    pieces.push(`${told(response)}\n${createHash("sha256").update(body).digest("hex")}`);
    const next = response.headers.get("stream-next-offset");
    if (!response.ok || next === null || response.headers.get("stream-up-to-date") === "true") break;
    offset = next;
  }
  return { head, pieces, bytes };
}

/** The answer to an append that was sent before. */
export async function answerAgain(baseUrl: string, { path, headers, body }: SentAgain): Promise<string> {
  const response = await fetch(baseUrl + path, { method: "POST", headers: [...headers] as [string, string][], body });
  await response.arrayBuffer();
  return `${path}\n${told(response)}`;
}
