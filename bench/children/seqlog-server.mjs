/** What `seqlog serve` is, from the copy of the build that the run made; it says where it listens. */
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const { serve } = await import(pathToFileURL(join(dirname(process.env.SEQLOG_BENCH_DIST), "server", "index.js")).href);
const { url } = await serve({ dir: process.argv[2], port: 0 });
process.stdout.write(`${JSON.stringify({ url })}\n`);
