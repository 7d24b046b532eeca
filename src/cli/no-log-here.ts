/** What a person is told where LOG is no log: what is there, and what to do. */
import * as path from "node:path";
import { nodeStorage } from "../storage/node-storage.ts";

/** How many names are told. */
const most = 5;

/** Behind `there is no log here`; empty where nothing is known. */
export function adviceWhereNoLogIs(location: string): string {
  try {
    return adviceAt(location);
  } catch {
    return "";
  }
}

function adviceAt(location: string): string {
  const kind = nodeStorage.statSync(location)?.kind;
  if (kind === undefined) {
    const beside = logsIn(path.dirname(location));
    const logs = beside.length === 0 ? "" : `. Logs beside it: ${named(beside)}`;
    return `, nor anything else; \`seqlog append\` makes one${logs}`;
  }
  if (kind !== "directory") return "";
  const logs = logsIn(location);
  if (logs.length > 0) return `, but logs in it: ${named(logs)}`;
  const names = nodeStorage.listSync(location);
  return names.length === 0
    ? ": the directory is empty; `seqlog append` makes one"
    : `: the directory holds other files (${named(names)})`;
}

function logsIn(directory: string): string[] {
  return nodeStorage
    .listSync(directory)
    .filter((name) => nodeStorage.statSync(path.join(directory, name))?.kind === "directory")
    .filter((name) => nodeStorage.statSync(path.join(directory, name, "MANIFEST")) !== undefined);
}

function named(names: readonly string[]): string {
  const more = names.length - most;
  const told = names.toSorted().slice(0, most).join(", ");
  return more > 0 ? `${told} and ${more} more` : told;
}
