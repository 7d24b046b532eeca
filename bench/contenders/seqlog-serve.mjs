/** `seqlog serve` with its defaults. */
import { startServer } from "../lib/server-process.mjs";
import { about as seqlog } from "./seqlog.mjs";

export const about = {
  name: "seqlog serve",
  version: seqlog.version,
  guarantee: "one O_DSYNC write for all appends to a stream that wait, before their answers",
  isDurable: true,
};

export const serve = (dir) => startServer("seqlog-server.mjs", dir);
