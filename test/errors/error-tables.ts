/** The tables of docs/errors.md, as the tests compare them with the code. */
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** The rows of the table under a heading, each as its cells by the names of the columns. */
export function tableUnder(heading: string): Record<string, string>[] {
  const [, section = ""] = page.split(`\n## ${heading}\n`);
  const lines = (section.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("|"));
  const [head = [], , ...rows] = lines.map((line) => cellsOf(line));
  return rows.map((cells) => Object.fromEntries(head.map((name, i) => [name, cells[i] ?? ""])));
}

function cellsOf(line: string): string[] {
  return line
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim());
}

/** All that stands in backticks in a cell. */
export function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? "");
}

/**
 * A pattern of the messages that a cell describes: `<n>` is a whole number, `<hex>` one in hex, any
 * other `<…>` anything.
 */
export function messagePattern(cell: string): RegExp {
  const text = cell.replace(/^(`+)(.*)\1$/, "$2");
  const parts = text.split(/(<\w+>)/).map((part) => {
    if (part === "<n>") return "\\d+";
    if (part === "<hex>") return "[0-9a-f]+";
    return /^<\w+>$/.test(part) ? ".+" : part.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`);
}
