/** A directory log of 64 KiB whose writer was killed. */
import { killedDirectory } from "./logs.ts";
import { sweep, sweepManifest } from "./sweep.ts";

sweep(killedDirectory, "sparse");
sweepManifest(killedDirectory);
