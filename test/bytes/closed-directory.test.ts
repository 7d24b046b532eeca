/** A directory log of 64 KiB in one segment, closed. */
import { closedDirectory } from "./logs.ts";
import { sweep, sweepManifest } from "./sweep.ts";

sweep(() => closedDirectory(), "dense");
sweepManifest(() => closedDirectory());
