/** The reference server on a directory; it says where it listens. */
import { DurableStreamTestServer } from "@durable-streams/server";

const server = new DurableStreamTestServer({ port: 0, dataDir: process.argv[2] });
process.stdout.write(`${JSON.stringify({ url: await server.start() })}\n`);
