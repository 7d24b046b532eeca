/** Stands between clients and a server, and loses or holds what they say to each other when a test wants it. */
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

/** One client's connection, and the one made for it. */
export class ProxyLink {
  /** Whether what the server says is lost. */
  isDeaf = false;
  readonly #client: Socket;
  readonly #server: Socket;
  #held: Buffer[] | undefined;

  constructor(
    client: Socket,
    server: Socket,
    said: (text: string, link: ProxyLink) => void,
    answered: (data: Buffer) => Buffer,
  ) {
    this.#client = client;
    this.#server = server;
    for (const socket of [client, server]) {
      socket.setNoDelay();
      socket.on("error", () => {});
    }
    client.on("data", (data: Buffer) => {
      said(data.toString("latin1"), this);
      if (this.#held === undefined) server.write(data);
      else this.#held.push(data);
    });
    server.on("data", (data: Buffer) => {
      if (!this.isDeaf) client.write(answered(data));
    });
    // What is held comes to the server whatever became of its client.
    client.on("close", () => {
      if (this.#held === undefined) server.destroy();
    });
    server.on("close", () => client.destroy());
  }

  /** From what the client is saying on, all waits for `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    for (const data of this.#held ?? []) this.#server.write(data);
    this.#held = undefined;
  }

  /** To the client it looks as if the connection was lost. */
  cut(): void {
    this.#client.destroy();
  }

  end(): void {
    this.#client.destroy();
    this.#server.destroy();
  }
}

export class NatsProxy {
  readonly links: ProxyLink[] = [];
  /** Told what clients say before it goes on. */
  said: (text: string, link: ProxyLink) => void = () => {};
  /** What clients hear of what the server says. */
  answered: (data: Buffer) => Buffer = (data) => data;
  readonly #server: Server;

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const link = new ProxyLink(
        client,
        connect(target, "127.0.0.1"),
        (text, from) => this.said(text, from),
        (data) => this.answered(data),
      );
      this.links.push(link);
    });
  }

  /** @param target the port of a server on this machine */
  static async start(target: number): Promise<NatsProxy> {
    const proxy = new NatsProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.links) link.end();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
