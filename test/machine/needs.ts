/**
 * What these tests need from the machine. A test whose need is not met is left out with a loud word
 * on standard error; on a build machine (CI=true) it fails instead, unless another test that can
 * run there stands in for it.
 */
import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";
import { lastWords } from "../../scripts/nats/nats-cluster.mjs";

/** Something a machine may not have. */
export interface Need {
  readonly name: string;
  /** Why it is not there; undefined when it is. */
  readonly missing: string | undefined;
}

/** Tries a command; the need is met when it ends as it should. */
function probe(name: string, command: readonly string[], wanted = 0): Need {
  const [program = "", ...args] = command;
  // Debian's nats-server and ip are where not everybody's PATH goes.
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const { status, signal, error, stderr } = spawnSync(program, args, { encoding: "utf8", env });
  if (status === wanted) return { name, missing: undefined };
  const reason = error?.message ?? (stderr.trim() || `it ended with ${status ?? signal}`);
  return { name, missing: `\`${command.join(" ")}\`: ${reason}` };
}

/** A shell under strace whose `cd` is made to fail says so with its exit code. */
export const strace: Need = probe(
  "strace that can inject faults",
  ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=chdir:error=EIO", "sh", "-c", "cd / || exit 7"],
  7,
);

/** A limit on the size of files that is lifted from outside. */
export const fileSizeLimit: Need = probe("ulimit -f and prlimit", [
  "bash",
  "-c",
  "ulimit -S -f 64 && prlimit --pid $$ --fsize=unlimited:",
]);

/** What a log on JetStream lives on. */
export const natsServer: Need = probe("nats-server", ["nats-server", "--version"]);

/** Networks of their own for servers, whose cables can be pulled. */
export const networkNamespaces: Need = probe("network namespaces (root, iproute2)", [
  "sh",
  "-c",
  "ip netns add seqlog-$$ && ip netns exec seqlog-$$ true && ip netns del seqlog-$$",
]);

/** What may do the work of a need that is not met. */
interface StandIn {
  /** What it shows less. */
  readonly name: string;
  readonly needs: readonly Need[];
}

/** The body of a test that needs something. */
export function onlyWith(
  needs: readonly Need[],
  body: () => Promise<void>,
  standIn?: StandIn,
): (context: TestContext) => Promise<void> {
  const missing = needs.filter((need) => need.missing !== undefined);
  if (missing.length === 0) {
    return async (context) => {
      // A refusal of a server can be understood by what it said alone.
      if (needs.includes(natsServer)) context.onTestFailed(() => void process.stderr.write(lastWords()));
      await body();
    };
  }
  const why = missing.map((need) => `${need.name} is missing (${need.missing})`).join("; ");
  const isStoodInFor = standIn?.needs.every((need) => need.missing === undefined) === true;
  const instead = isStoodInFor ? ` Instead: ${standIn.name}.` : "";
  return async (context) => {
    process.stderr.write(`\n*** LEFT OUT: ${context.task.name}\n*** ${why}.${instead}\n\n`);
    if (process.env["CI"] === "true" && !isStoodInFor) {
      throw new Error(`on a build machine nothing is left out, and here ${why}`);
    }
    context.skip(why);
  };
}
