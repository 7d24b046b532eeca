/** The reference server of the Durable Streams protocol for Node.js, with a directory, so that it is file-backed. */
import { startServer } from "../lib/server-process.mjs";
import { versionOf } from "../lib/package-version.mjs";

/** @throws where it cannot be loaded */
export const probe = () => import("@durable-streams/server");

export const about = {
  name: "@durable-streams/server",
  version: versionOf("@durable-streams/server"),
  guarantee:
    "one fdatasync of the stream's file for all appends that wait, before their answers; offsets and producers in LMDB",
  isDurable: true,
};

export const serve = (dir) => startServer("reference-server.mjs", dir);
