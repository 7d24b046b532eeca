/** Medians, percentiles, and numbers as people read them. */

export function percentile(values, p) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * p;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at % 1);
}

export const median = (values) => percentile(values, 0.5);

/** Three digits that matter: 1,234,567 is 1.23 M. */
export function short(value) {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  if (value >= 1000) return value.toFixed(0);
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** How far the rounds lie apart, as a share of their median. */
export const spread = (values) => (Math.max(...values) - Math.min(...values)) / median(values);

export const percent = (share) => `${(share * 100).toFixed(0)} %`;
