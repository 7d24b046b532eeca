/** results/: a file for each run, and latest.json, the newest figures of every row, from which docs/performance.md is made. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { chart } from "./chart.mjs";
import { asMarkdown, guaranteesAsMarkdown, targetsAsMarkdown } from "./table.mjs";

const headlineSizes = new Set([256, 100]);
const folder = new URL("../results/", import.meta.url);
const latestPath = new URL("latest.json", folder);
const page = new URL("../../docs/performance.md", import.meta.url);
const picture = new URL("../../docs/performance.svg", import.meta.url);

const keyOf = ({ row, size }) => `${row.name} ${size}`;

/** @param run `{ date, machine, results }` */
export function storeRun(run, order) {
  mkdirSync(folder, { recursive: true });
  const text = `${JSON.stringify(run, undefined, 1)}\n`;
  const name = `${run.date.replaceAll(":", "").slice(0, 17)}-node${process.versions.node}.json`;
  writeFileSync(new URL(name, folder), text);
  // A row is one run in itself, so newer ones replace older ones of the same machine without the others being run again.
  const results = new Map();
  const before = existsSync(latestPath) ? readLatest() : undefined;
  const kept = before !== undefined && placeOf(before.machine) === placeOf(run.machine) ? before.results : [];
  const { date, rounds, seconds, machine } = run;
  const measured = { date, commit: machine.commit, rounds, seconds };
  for (const result of [...kept, ...run.results.map((result) => ({ ...result, measured }))])
    results.set(keyOf(result), result);
  const merged = [...results.values()].toSorted((a, b) => order.indexOf(a.row.name) - order.indexOf(b.row.name));
  const latest = { ...run, results: merged };
  writeFileSync(latestPath, `${JSON.stringify(latest, undefined, 1)}\n`);
  writeDocs(latest);
  return name;
}

const placeOf = ({ node, platform, cpu, fileSystem }) => JSON.stringify([node, platform, cpu, fileSystem]);

export const readLatest = () => JSON.parse(readFileSync(latestPath, "utf8"));

/** Fills what stands between the markers of docs/performance.md; the rest of the page is written by hand. */
export function writeDocs({ machine, results }) {
  const headline = results.filter(({ size }) => headlineSizes.has(size));
  const others = results.filter(({ size }) => !headlineSizes.has(size));
  const { fileSystem, node, platform, cpu, memoryGiB } = machine;
  const where = `Node.js ${node}, ${platform}, ${cpu}, ${memoryGiB} GiB; ${fileSystem.type} on ${fileSystem.source}.`;
  const runs = new Set(results.map(describeRun));
  let text = readFileSync(page, "utf8");
  text = filled(text, "machine", `${[where, "", ...runs].join("\n")}\n`);
  text = filled(text, "targets", targetsAsMarkdown(headline));
  text = filled(text, "guarantees", guaranteesAsMarkdown(results));
  text = filled(text, "rows", headline.map(asMarkdown).join("\n"));
  text = filled(text, "sizes", others.map(asMarkdown).join("\n"));
  writeFileSync(page, text);
  writeFileSync(picture, chart(headline));
}

/** Rows that were run apart name the run of their own. */
function describeRun({ measured: { date, commit, rounds, seconds } }, _, results) {
  const own = results.filter(({ measured }) => measured.date === date);
  const names = own.length === results.length ? "all rows" : [...new Set(own.map(({ row }) => row.name))].join(", ");
  return `- ${date.slice(0, 16).replace("T", " ")} UTC, commit ${commit} (+: with changes since), ${rounds} rounds of ${seconds} s: ${names}`;
}

function filled(text, name, content) {
  const [begin, end] = [`<!-- bench:${name} -->\n`, `<!-- /bench:${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for bench:${name}`);
  return text.slice(0, from + begin.length) + content + text.slice(to);
}
