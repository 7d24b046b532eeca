/**
 * `npm run cluster`: three nats-servers with JetStream on this machine, to try a log on more than
 * one. Prints where they are; Ctrl-C ends them. The data is temporary, unless a directory is named:
 * `npm run cluster -- ./cluster-data`.
 */
import { resolve } from "node:path";
import { NatsCluster } from "./nats/nats-cluster.mjs";

const [directory] = process.argv.slice(2);
const cluster = await NatsCluster.start(directory === undefined ? {} : { directory: resolve(directory) });
console.log(`${cluster.url}/my-log`);
console.error(`
Three servers with JetStream${directory === undefined ? ", their data temporary" : ` on ${resolve(directory)}`}; Ctrl-C ends them.
Any other name in place of my-log is another log.`);

const stop = async () => {
  await cluster.stop();
  process.exit();
};
process.once("SIGINT", stop);
process.once("SIGTERM", stop);
