/** The built library, from the copy that the run made of dist/ when it began: a build in the meantime changes nothing. */
import { pathToFileURL } from "node:url";

export const loadSeqlog = () => import(pathToFileURL(process.env.SEQLOG_BENCH_DIST).href);
