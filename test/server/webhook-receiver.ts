/** A receiver of webhooks that ends with its test. */
import { type JsonWebKey, createPublicKey, verify } from "node:crypto";
import { type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** What came. */
export interface Received {
  readonly raw: string;
  readonly signature: string;
  readonly wake: {
    readonly subscription_id: string;
    readonly wake_id: string;
    readonly generation: number;
    readonly streams: readonly {
      readonly path: string;
      readonly acked_offset: string;
      readonly tail_offset: string;
      readonly has_pending: boolean;
    }[];
    readonly callback_url: string;
    readonly callback_token: string;
  };
}

export class WebhookReceiver {
  readonly url: string;
  readonly received: Received[] = [];
  #waiting: (() => void)[] = [];

  private constructor(server: Server) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  }

  /** @param answer answers one; default: taken, and not done with */
  static async start(answer: (received: Received, response: ServerResponse) => void = taken): Promise<WebhookReceiver> {
    const server = createServer((request, response) => {
      request.setEncoding("utf8");
      let raw = "";
      request.on("data", (text: string) => (raw += text));
      request.on("end", () => {
        const signature = String(request.headers["webhook-signature"]);
        const received = { raw, signature, wake: JSON.parse(raw) as Received["wake"] };
        receiver.received.push(received);
        for (const wake of receiver.#waiting.splice(0)) wake();
        answer(received, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const receiver = new WebhookReceiver(server);
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return receiver;
  }

  /** The one of a number, from 0. */
  async nth(number: number): Promise<Received> {
    while (this.received.length <= number) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.received[number] as Received;
  }
}

/** Takes it, and calls back later, if at all. */
export function taken(_: Received, response: ServerResponse): void {
  response.writeHead(200).end();
}

/** Takes it, and is done with it. */
export function done(_: Received, response: ServerResponse): void {
  response.writeHead(200).end('{"done":true}');
}

/** Whether a signature is right by the keys at a URL. */
export async function isSigned({ raw, signature }: Received, jwksUrl: string): Promise<boolean> {
  const { keys } = (await (await fetch(jwksUrl)).json()) as { keys: ({ kid: string } & JsonWebKey)[] };
  const [, seconds, kid, code] = /^t=(\d+),kid=([^,]+),ed25519=([\w-]+)$/.exec(signature) ?? [];
  const key = keys.find((each) => each.kid === kid);
  if (key === undefined) return false;
  const data = Buffer.from(`${seconds}.${raw}`);
  return verify(null, data, createPublicKey({ key, format: "jwk" }), Buffer.from(code as string, "base64url"));
}
