/** A directory log of 64 KiB in three segments, closed: two of them sealed. */
import { closedDirectory } from "./logs.ts";
import { sweep, sweepManifest } from "./sweep.ts";

sweep(() => closedDirectory(3), "sparse");
sweepManifest(() => closedDirectory(3));
