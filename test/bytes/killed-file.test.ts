/** A single file whose writer was killed. */
import { killedFile } from "./logs.ts";
import { sweep } from "./sweep.ts";

sweep(killedFile, "sparse");
