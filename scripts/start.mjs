/**
 * `npm start`: the log at work on ./data. Appends what is piped in, or a real sample, shows what is
 * there, and then serves it until it is interrupted. Run it twice and the log has grown.
 */
import { spawnSync } from "node:child_process";
import { fstatSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const sample = "examples/dpkg.log";

/** Runs a command of the CLI as a person would, and shows it. Ends with its exit code when it fails. */
function seqlog(args, stdin = "ignore", capture = false) {
  console.log(`\n$ seqlog ${args.join(" ")}`);
  const stdio = [stdin, capture ? "pipe" : "inherit", "inherit"];
  const done = spawnSync(process.execPath, ["dist/cli/main.js", ...args], { cwd: root, stdio, encoding: "utf8" });
  if (capture) process.stdout.write(done.stdout);
  if (done.status !== 0) process.exit(done.status ?? 1);
  return done.stdout;
}

function isPiped() {
  const stat = fstatSync(0, { throwIfNoEntry: false });
  return stat !== undefined && (stat.isFIFO() || stat.isFile() || stat.isSocket());
}

const piped = isPiped() ? JSON.parse(seqlog(["append", "data/log", "--json"], "inherit", true)).count : 0;
if (piped === 0) {
  console.log(`\nNothing was piped in, so here is a real sample: ${sample}, a Debian package log.`);
  seqlog(["append", "data/log", "--file", sample]);
}
seqlog(["stats", "data/log"]);
seqlog(["tail", "data/log", "-n", "5", "--format", "%s  %t  %d"]);
seqlog(["verify", "data/log"]);
console.log(`
Every record above is on the disk. Next, from another terminal:
  npx seqlog tail -f data/log          follow it (append: echo hello | npx seqlog append data/log)
  npx seqlog demo crash                kill a writer ten times and see that nothing acknowledged is lost
  npx seqlog --help
  curl http://127.0.0.1:7700/v1/logs   what the server below has
  curl -X PUT -H 'content-type: application/json' -d '[{"hello":"world"}]' http://127.0.0.1:7700/v1/stream/new
  curl -N 'http://127.0.0.1:7700/v1/stream/new?offset=-1&live=sse'

$ seqlog serve data`);
// In this process, so that it ends as the server does.
process.argv = [process.argv[0], "seqlog", "serve", "data"];
process.chdir(root);
await import("../dist/cli/main.js");
