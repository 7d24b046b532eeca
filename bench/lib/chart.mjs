/** The chart of docs/performance.md: for each row one bar a contender, the longest as wide as the chart. */
import { median, short } from "./figures.mjs";

const width = 860;
const barLeft = 275;
const barMost = 445;
const barHeight = 16;
const charted = new Set([
  "append-sync",
  "append",
  "callers-64",
  "batch-64",
  "callers-4096",
  "batch-4096",
  "read-batches",
  "read",
  "get-sync",
]);

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("`", "");

/** @param results of records of the headline size */
export function chart(results) {
  const parts = [];
  let y = 30;
  for (const { row, unit, contenders } of results.filter((result) => charted.has(result.row.name))) {
    parts.push(`<text x="10" y="${y}" class="title">${escaped(row.title)}</text>`);
    y += 8;
    const able = contenders.filter(({ rounds }) => rounds !== undefined);
    const most = Math.max(...able.map(({ rounds }) => median(rounds)));
    for (const { name, label, rounds, isDurable } of able) {
      const figure = median(rounds);
      const long = Math.max(1, (figure / most) * barMost);
      const kind = name === "seqlog" ? "own" : isDurable ? "peer" : "weak";
      const who = `${name}, ${label}`;
      const middle = y + barHeight - 4;
      const fitted = who.length > 42 ? `${who.slice(0, 41)}…` : who;
      parts.push(
        `<text x="${barLeft - 8}" y="${middle}" text-anchor="end">${escaped(fitted)}</text>`,
        `<rect x="${barLeft}" y="${y + 1}" width="${long.toFixed(1)}" height="${barHeight - 3}" class="${kind}"/>`,
        `<text x="${(barLeft + long + 6).toFixed(1)}" y="${middle}">${short(figure)} ${unit}</text>`,
      );
      y += barHeight;
    }
    y += 30;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" role="img" aria-label="records a second, by store">
<style>
  text { font: 11px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 13px; }
  .own { fill: #0a7d4f; }
  .peer { fill: #8c959f; }
  .weak { fill: #d0d7de; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .own { fill: #3fb950; }
    .weak { fill: #444c56; }
  }
</style>
${parts.join("\n")}
<text x="10" y="${y - 10}">Light bars: acknowledged before it is durable.</text>
</svg>
`;
}
