#!/usr/bin/env node
/** The `seqlog` command. */
import { runCli } from "./run-cli.ts";
import { tellWarnings } from "./tell-warnings.ts";

tellWarnings(process);

// Not process.exit(): output that was not taken yet would be cut off.
void runCli(process.argv.slice(2), process).then((exitCode) => {
  process.exitCode = exitCode;
});
