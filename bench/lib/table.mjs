/** A row as text for the terminal and as Markdown for docs/performance.md: the same cells. */
import { median, percent, short, spread } from "./figures.mjs";

const title = ({ row, size }) => `${row.title}, ${size.toLocaleString("en")} B`;

/** Ratios are to seqlog, the first contender, of the medians. */
function cellsOf(result) {
  const first = result.contenders.find(({ rounds }) => rounds !== undefined);
  return result.contenders.map(({ name, label, rounds, missing, isDurable }) => {
    if (missing !== undefined) return [name, label, "not measured", "", "", missing];
    const figure = median(rounds);
    const isCompared = result.isCompared !== false;
    const times = isCompared ? `${(figure / median(first.rounds)).toPrecision(3)} ×` : "";
    const apart = rounds.length > 1 ? percent(spread(rounds)) : "";
    return [name, label, `${short(figure)} ${result.unit}`, times, apart, isDurable ? "durable" : "NOT durable"];
  });
}

/** By the medians; that single rounds say otherwise is said. */
function verdict({ isReached, isInEachRound }, no) {
  if (isReached) return isInEachRound === false ? "reached, not in each round" : "reached";
  return isInEachRound === false ? `${no}, but in some rounds` : no;
}

function targetCells(target) {
  const { what, bound, value, unit, low, high, why } = target;
  if (value === undefined) return [what, bound, "not measured", why, "—"];
  const figure = (number) => number.toPrecision(3);
  const range = low === high ? "" : `${figure(low)} to ${figure(high)}`;
  return [what, bound, `${figure(value)} ${unit}`, range, verdict(target, "NOT reached")];
}

export function asText(result) {
  const lines = [`\n${title(result)}`];
  lines.push(...aligned(cellsOf(result).map((cells) => ["", ...cells])));
  lines.push(...aligned(result.targets.map((target) => ["  target", ...targetCells(target)])));
  for (const note of result.notes ?? []) lines.push(`  note: ${note}`);
  return lines.join("\n");
}

function aligned(rows) {
  const widths = [];
  for (const cells of rows) {
    for (const [i, cell] of cells.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((cells) => `  ${cells.map((cell, i) => cell.padEnd(widths[i])).join("  ")}`.trimEnd());
}

const line = (cells) => `| ${cells.join(" | ")} |`;

export function asMarkdown(result) {
  const lines = [`### ${title(result)}`, ""];
  lines.push(line(["store", "call", "median", "beside the first", "spread", "acknowledged"]));
  lines.push("|---|---|---:|---:|---:|---|");
  for (const cells of cellsOf(result)) lines.push(line(cells));
  if (result.notes?.length > 0)
    lines.push("", ...result.notes.map((note) => `${note[0].toUpperCase()}${note.slice(1)}.`));
  return `${lines.join("\n")}\n`;
}

/** The targets of all results in one table. */
export function targetsAsMarkdown(results) {
  const lines = [line(["row", "what", "at least / most", "median", "rounds", ""]), "|---|---|---|---:|---|---|"];
  for (const result of results) {
    for (const target of result.targets) {
      const cells = targetCells(target);
      if (target.value !== undefined) cells[4] = verdict(target, "**not reached**");
      lines.push(line([title(result), ...cells]));
    }
  }
  return `${lines.join("\n")}\n`;
}

export function guaranteesAsMarkdown(results) {
  const known = new Map();
  for (const { contenders } of results) {
    for (const { name, version, guarantee, missing } of contenders) {
      if (missing === undefined) known.set(name, [name, version, guarantee]);
      else if (!known.has(name)) known.set(name, [name, "—", `not measured: ${missing}`]);
    }
  }
  const lines = [line(["store", "version", "acknowledges"]), "|---|---|---|"];
  for (const cells of known.values()) lines.push(line(cells));
  return `${lines.join("\n")}\n`;
}
