/** Promotes a log, and says so at each step that it takes; for a test that kills it. */
import { promote } from "seqlog/jetstream";

const [directory, location, replicas] = process.argv.slice(2);
const report = await promote(directory, location, {
  replicas: Number(replicas),
  onProgress: ({ doing, records }) => process.stdout.write(`${doing} ${records}\n`),
});
process.stdout.write(`done ${report.records} ${report.copied}\n`);
