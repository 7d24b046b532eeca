/** The version of an installed peer; not all of them export their package.json. */
import { readFileSync } from "node:fs";

export function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), "utf8")).version;
}
