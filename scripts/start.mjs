/**
 * `npm start`: the log at work on ./data. Appends what is piped in, or a real sample, then shows
 * what is there. Run it twice and the log has grown.
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
Every record above is on the disk. Next:
  npx seqlog tail -f data/log          follow it (append from another terminal: echo hello | npx seqlog append data/log)
  npx seqlog demo crash                kill a writer ten times and see that nothing acknowledged is lost
  npx seqlog --help`);
