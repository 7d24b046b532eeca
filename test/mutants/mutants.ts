/**
 * Named ways to get the product wrong, each as an edit of its source. `npm run test:mutants` builds
 * each one apart and shows that the checks catch it; the product itself has no switch for any.
 */
import type { Mutant } from "./mutant.ts";
import { mutantsOfConsumers } from "./mutants-of-consumers.ts";
import { mutantsOfLogs } from "./mutants-of-logs.ts";
import { mutantsOfStreams } from "./mutants-of-streams.ts";

/** All of them. */
export const mutants: readonly Mutant[] = [
  ...mutantsOfLogs,
  ...mutantsOfConsumers.map((mutant) => ({ ...mutant, lookIn: "consumers" }) as const),
  ...mutantsOfStreams.map((mutant) => ({ ...mutant, lookIn: "streams" }) as const),
];
