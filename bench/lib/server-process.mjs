/** A server in a process of its own. It says where it listens in one line of JSON, `{"url"}`, on its standard output. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * @param program the name of one of children/
 * @returns `url`, and `kill`, which ends it with SIGKILL
 */
export async function startServer(program, directory) {
  const path = fileURLToPath(new URL(`../children/${program}`, import.meta.url));
  const child = spawn(process.execPath, [path, directory], { stdio: ["ignore", "pipe", "inherit"] });
  const leave = () => child.kill("SIGKILL");
  process.once("exit", leave);
  const ended = once(child, "close").then(() => process.off("exit", leave));
  for await (const line of createInterface({ input: child.stdout })) {
    // The reference server has other things to say as well.
    if (!line.startsWith("{")) continue;
    // What it says later is nobody's to read, and must not fill the pipe.
    child.stdout.resume();
    const kill = async () => {
      leave();
      await ended;
    };
    return { url: JSON.parse(line).url, kill };
  }
  throw new Error(`${program} ended before it listened`);
}
