/** Appends over HTTP: connections that each send the next message when the one before is answered. */
import { connect } from "node:net";

export const path = "/v1/stream/events";
const json = { "content-type": "application/json" };

/** A message of about so many bytes. */
export function messageOf(n, size) {
  const empty = JSON.stringify({ n, text: "" });
  return JSON.stringify({ n, text: "x".repeat(Math.max(0, size - empty.length)) });
}

/**
 * One connection, as cheap as it can be: what is measured is the server, and whatever the load takes is a
 * part of every request (40 to 50 µs; an HTTP client such as undici takes 80 to 90). It understands the
 * answers to appends alone, which have a short body or none.
 */
class Connection {
  #socket;
  #host;
  #answer = "";
  #resolve;
  #reject;

  static async open(url) {
    const { hostname, port, host } = new URL(url);
    const connection = new Connection();
    connection.#host = host;
    connection.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise((resolve, reject) => connection.#socket.once("connect", resolve).once("error", reject));
    connection.#socket.on("data", (piece) => connection.#take(piece));
    connection.#socket.on("error", (error) => connection.#reject?.(error));
    connection.#socket.on("close", () => connection.#reject?.(new Error("the server closed the connection")));
    return connection;
  }

  /** Resolves when the answer is whole. @throws when it is not a success */
  post(body) {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(
        `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    });
  }

  #take(piece) {
    this.#answer += piece.latin1Slice(0, piece.length);
    if (!isWhole(this.#answer)) return;
    const answer = this.#answer;
    this.#answer = "";
    if (answer.startsWith("HTTP/1.1 2")) this.#resolve();
    else this.#reject(new Error(`POST ${path}: ${answer}`));
  }

  close() {
    this.#reject = undefined;
    this.#socket.destroy();
  }
}

function isWhole(answer) {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  if (answer.startsWith("HTTP/1.1 204")) return true;
  const head = answer.slice(0, end).toLowerCase();
  if (head.includes("transfer-encoding: chunked")) return answer.endsWith("\r\n0\r\n\r\n");
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0;
  return answer.length >= end + 4 + Number(length);
}

export async function createStream(url) {
  const { ok, status } = await fetch(`${url}${path}`, { method: "PUT", headers: json });
  if (!ok) throw new Error(`PUT ${path}: ${status}`);
}

/**
 * @param isOver told the number of the next message
 * @param options.first the number of the first message
 * @param options.reset each request on a connection of its own, which a server that is busy for long cannot find idle
 * @returns how many were acknowledged, and in which time
 */
export async function appendOver(url, connections, size, isOver, { first = 0, reset = false } = {}) {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(url)));
  try {
    let next = first;
    const start = performance.now();
    await Promise.all(
      open.map(async (_, i) => {
        while (!isOver(next)) {
          if (reset) {
            open[i].close();
            open[i] = await Connection.open(url);
          }
          await open[i].post(messageOf(next++, size));
        }
      }),
    );
    return { count: next - first, seconds: (performance.now() - start) / 1000 };
  } finally {
    for (const connection of open) connection.close();
  }
}

/** The numbers of all messages, page after page. */
export async function readNumbers(url) {
  const numbers = [];
  for (let offset = "-1"; ;) {
    const response = await fetch(`${url}${path}?offset=${offset}`);
    for (const { n } of await response.json()) numbers.push(n);
    if (response.headers.get("stream-up-to-date") === "true") return numbers;
    offset = response.headers.get("stream-next-offset");
  }
}
