/** Appends over HTTP: connections that each send the next message when the one before is answered. */
import { Client } from "undici";

export const path = "/v1/stream/events";
const json = { "content-type": "application/json" };

/** A message of about so many bytes. */
export function messageOf(n, size) {
  const empty = JSON.stringify({ n, text: "" });
  return JSON.stringify({ n, text: "x".repeat(Math.max(0, size - empty.length)) });
}

/** @throws when the answer is not a success */
async function send(client, method, body, { reset = false } = {}) {
  const answer = await client.request({ path, method, headers: json, body, reset });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode}`);
}

/** Calls with so many connections, and closes them. */
async function connected(url, count, call) {
  const clients = Array.from({ length: count }, () => new Client(url, { pipelining: 1 }));
  try {
    return await call(clients);
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
}

export const createStream = (url) => connected(url, 1, ([client]) => send(client, "PUT"));

/**
 * @param isOver told the number of the next message
 * @param options.first the number of the first message
 * @param options.reset each request on a connection of its own, which a server that is busy for long cannot find idle
 * @returns how many were acknowledged, and in which time
 */
export async function appendOver(url, connections, size, isOver, { first = 0, reset = false } = {}) {
  return connected(url, connections, async (clients) => {
    let next = first;
    const start = performance.now();
    await Promise.all(
      clients.map(async (client) => {
        while (!isOver(next)) await send(client, "POST", messageOf(next++, size), { reset });
      }),
    );
    return { count: next - first, seconds: (performance.now() - start) / 1000 };
  });
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
