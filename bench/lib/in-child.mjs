/** Runs a script in a process of its own and gives its answer; what it says on the way goes to `onStep`. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export function inChild(script, input, onStep = () => {}) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), [JSON.stringify(input)]);
    let answer;
    child.on("message", (message) => {
      if (message.step === undefined) answer = message;
      else onStep(message.step);
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (answer === undefined || code !== 0) reject(new Error(`${script} ended with ${signal ?? code}`));
      else resolve(answer);
    });
  });
}
