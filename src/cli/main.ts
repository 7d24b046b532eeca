#!/usr/bin/env node
/** The `seqlog` command. */
import { runCli } from "./run-cli.ts";
import { standardOutput } from "./standard-output.ts";
import { tellWarnings } from "./tell-warnings.ts";

tellWarnings(process);

// Not process.exit(): output that was not taken yet would be cut off.
void runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: standardOutput(process.stdout, "standard output"),
  stderr: standardOutput(process.stderr, "standard error"),
}).then((exitCode) => {
  process.exitCode = exitCode;
});
