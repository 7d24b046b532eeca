/** A single file of 64 KiB and its record index, closed. */
import { closedFile } from "./logs.ts";
import { sweep } from "./sweep.ts";

sweep(closedFile, "sparse");
