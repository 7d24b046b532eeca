/** Many readers of one stream's server-sent events, as cheap as they can be: what is measured is the server. */
import { get } from "node:http";
import { path } from "./http-load.mjs";

/** What stands once in each message, and nowhere else. */
const mark = Buffer.from('"n":');

class EventReader {
  messages = 0;
  #request;
  #wanted = Infinity;
  #reached;
  #failed;
  /** What may be the beginning of a mark. */
  #rest = Buffer.alloc(0);

  constructor(url, onConnected) {
    this.#request = get(`${url}${path}?offset=-1&live=sse`, { agent: false }, (response) => {
      onConnected();
      response.on("data", (piece) => this.#take(piece));
      response.on("error", () => undefined);
    });
    this.#request.on("error", (error) => this.#failed?.(error));
  }

  #take(piece) {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let from = 0;
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, from)) {
      this.messages++;
      from = at + mark.length;
    }
    this.#rest = bytes.subarray(Math.max(from, bytes.length - mark.length + 1));
    if (this.messages >= this.#wanted) this.#reached();
  }

  has(count) {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#wanted = count;
      this.#reached = resolve;
      if (this.messages >= count) resolve();
    });
  }

  close() {
    this.#failed = undefined;
    this.#request.destroy();
  }
}

/** Resolves when all have their answer begun. */
export async function openReaders(url, count) {
  const readers = [];
  await new Promise((resolve) => {
    let connected = 0;
    for (let i = 0; i < count; i++) readers.push(new EventReader(url, () => ++connected === count && resolve()));
  });
  return {
    all: (messages) => Promise.all(readers.map((reader) => reader.has(messages))),
    counts: () => readers.map((reader) => reader.messages),
    close: () => readers.forEach((reader) => reader.close()),
  };
}
