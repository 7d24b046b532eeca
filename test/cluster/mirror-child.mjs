/** Mirrors a log and says how far it is; for a test that kills it. */
import { mirror } from "seqlog/jetstream";

const [directory, location, replicas] = process.argv.slice(2);
await mirror(directory, location, {
  replicas: Number(replicas),
  onProgress: (nextSeq) => process.stdout.write(`${nextSeq}\n`),
});
