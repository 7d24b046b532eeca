/** What is known of a log's data before it is looked at. */
import { loadManifest } from "../log/manifest.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import { runSync } from "../storage/plan.ts";
import { kindOfLog } from "./log-argument.ts";

/**
 * The name of the codec in a log's MANIFEST; null where there is none, and in a single file, which has no place
 * for it. Of a log on servers it is not asked: its records are shown as those of a log without a codec.
 */
export function codecOf(location: string): string | null {
  if (kindOfLog(location) !== "directory") return null;
  return runSync(loadManifest(nodeStorage, location))?.codec ?? null;
}
