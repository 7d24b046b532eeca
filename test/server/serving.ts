/** Servers that end with their test, on a directory that goes with it. */
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { onTestFinished } from "vitest";
import { type HandlerSettings, type StreamHandler, createHandler } from "../../src/server/index.ts";

/** A handler that is closed with the test. */
export function handlerOf(dir: string, settings: HandlerSettings = {}): StreamHandler {
  const handler = createHandler({ dir, ...settings });
  onTestFinished(() => handler.close());
  return handler;
}

/** Serves with `node:http`; resolves with the URL. */
export async function listen(handler: StreamHandler): Promise<string> {
  const server = createServer(handler.node);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Sends bytes as they are, and resolves with all that comes until the other side closes. */
export async function sendRaw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let received = "";
    socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
    onTestFinished(() => void socket.destroy());
  });
}

/** The code in an answer that tells of an error. */
export async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}

/** Reads events until one of them says it, and leaves. */
export async function eventsUntil(response: Response, text: string): Promise<string> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const events = await readUntil(reader, text);
  await reader.cancel();
  return events;
}

/** Reads events until one of them says it. */
export async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, text: string): Promise<string> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  for (let last = ""; !last.includes(text);) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the events ended with ${JSON.stringify(last)}`);
    const piece = decoder.decode(value, { stream: true });
    pieces.push(piece);
    // It may be cut by the end of a piece.
    last = last.slice(-text.length) + piece;
  }
  return pieces.join("");
}

/** Reads what is left, until the other side ends it. */
export async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  let events = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return events;
    events += Buffer.from(value).toString();
  }
}
