/** Fills docs/performance.md and draws its chart from results/latest.json, without measuring. */
import { readLatest, writeDocs } from "./lib/results.mjs";

writeDocs(readLatest());
