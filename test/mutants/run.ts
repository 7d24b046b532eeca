/**
 * `npm run test:mutants`: builds the product once for each fault of mutants.ts and lets the checks
 * look for it. Fails when one survives, or when they find something in the product as it is.
 *
 *   npm run test:mutants                          all of them
 *   npm run test:mutants -- --only "short write"  those whose names hold this
 *   npm run test:mutants -- --in streams          those of logs, consumers or streams
 *   npm run test:mutants -- --histories 20000     look longer
 */
import { execFile, fork } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { applyEdits } from "./apply.ts";
import type { Finding } from "./check.ts";
import type { Mutant } from "./mutant.ts";
import { mutants } from "./mutants.ts";

/** 100 histories take a second: a check that says nothing for so long hangs. */
const patienceMs = 120_000;

const hanging = "its hanging";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    in: { type: "string", default: "" },
    histories: { type: "string", default: "4000" },
  },
});

async function build({ name, edits }: Mutant): Promise<string> {
  const directory = join(".cache", "mutants", name.replaceAll(/[^a-z]+/gi, "-"));
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const folder of ["src", "test/issues", "test/sim", "test/mutants"])
    cpSync(folder, join(directory, folder), { recursive: true });
  applyEdits(join(directory, "src"), edits);
  const tsconfig = {
    extends: "../../../tsconfig.sim.json",
    compilerOptions: {
      rootDir: ".",
      outDir: "out",
      noUnusedLocals: false,
      noUnusedParameters: false,
      allowUnreachableCode: true,
    },
    include: ["test/mutants/check.ts"],
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(tsconfig));
  await promisify(execFile)(process.execPath, ["node_modules/typescript/bin/tsc", "-p", directory]);
  return join(directory, "out", "test", "mutants", "check.js");
}

/** Lets the checks look at a build. Undefined when they found nothing. */
function look(program: string, lookIn: string): Promise<Finding | undefined> {
  return new Promise((resolve, reject) => {
    const child = fork(program, [values.histories, lookIn], { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    let found: Finding | undefined;
    const giveUp = (): void => {
      found = { by: hanging, message: `no sign of life for ${patienceMs / 1000} s` };
      child.kill("SIGKILL");
    };
    let timer = setTimeout(giveUp, patienceMs);
    child.on("message", (message: Finding | "alive") => {
      clearTimeout(timer);
      if (message === "alive") {
        timer = setTimeout(giveUp, patienceMs);
      } else {
        found = message;
        child.disconnect();
      }
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      if (found === undefined) reject(new Error(`${program} ended with ${code} and without an answer`));
      else resolve(found.by === "" ? undefined : found);
    });
  });
}

function kindOf({ lookIn }: Mutant): string {
  return lookIn ?? "logs";
}

async function examine(mutant: Mutant): Promise<boolean> {
  const found = await look(await build(mutant), kindOf(mutant));
  if (found?.by === hanging) throw new Error(`${mutant.name}: ${found.message}: that shows no broken promise`);
  const shown = found === undefined ? "SURVIVED" : `caught by ${found.by}: ${found.message.slice(0, 110)}`;
  const page = mutant.lookIn === "streams" ? "docs/server.md" : "docs/durability.md";
  console.log(`${mutant.name} (promise ${mutant.breaks} of ${page})\n    ${shown}`);
  return found !== undefined;
}

const chosen = mutants.filter(
  (mutant) => mutant.name.includes(values.only) && (values.in === "" || values.in === kindOf(mutant)),
);
if (chosen.length === 0) throw new Error(`there is no such mutant: ${JSON.stringify(values)}`);
const begun = performance.now();
const waiting = [...chosen];
let caught = 0;
const workers = Array.from({ length: availableParallelism() }, async () => {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    if (await examine(mutant)) caught++;
  }
});
const control = await look(await build({ name: "control", breaks: 0, edits: [] }), values.in);
console.log(`the product as it is: ${control === undefined ? "nothing found" : `${control.by}: ${control.message}`}`);
await Promise.all(workers);
console.log(`${caught} of ${chosen.length} mutants caught, ${Math.round((performance.now() - begun) / 1000)} s`);
if (caught < chosen.length || control !== undefined) process.exitCode = 1;
