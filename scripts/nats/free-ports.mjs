/**
 * Ports that nobody listens on, below those that the system gives to outgoing connections: a server
 * that is killed and started again must find its own port free.
 */
import { createServer } from "node:net";

/** `count` ports on `host`; taken all at once, so that none is given twice. */
export async function freePorts(host, count) {
  const held = [];
  try {
    while (held.length < count) {
      const server = createServer();
      const port = 10_000 + Math.floor(Math.random() * 20_000);
      const isFree = await new Promise((resolve) => {
        server.once("error", () => resolve(false));
        server.listen({ host, port, exclusive: true }, () => resolve(true));
      });
      if (isFree) held.push({ server, port });
    }
    return held.map(({ port }) => port);
  } finally {
    await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  }
}
