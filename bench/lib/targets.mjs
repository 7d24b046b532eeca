/** What a row must reach. Told, never asserted: a figure is of one machine and one run. */
import { median, percentile } from "./figures.mjs";

/** Of the medians; what single rounds give, of figures taken within seconds of each other, says how far it can be trusted. */
export function ratio(results, of, to, atLeast) {
  const a = results.find(({ key }) => key === of);
  const b = results.find(({ key }) => key === to);
  if (a?.rounds === undefined || b?.rounds === undefined) return missing(`${of} / ${to}`, `≥ ${atLeast} ×`);
  const ratios = a.rounds.map((figure, round) => figure / b.rounds[round]);
  const value = median(a.rounds) / median(b.rounds);
  return {
    what: `${of} / ${to}`,
    bound: `≥ ${atLeast} ×`,
    value,
    unit: "×",
    low: percentile(ratios, 0),
    high: percentile(ratios, 1),
    isReached: value >= atLeast,
    isInEachRound: ratios.every((each) => each >= atLeast === value >= atLeast),
  };
}

export function atLeast(what, values, bound, unit) {
  return absolute(what, values, `≥ ${bound} ${unit}`, unit, (value) => value >= bound);
}

export function atMost(what, values, bound, unit) {
  return absolute(what, values, `≤ ${bound} ${unit}`, unit, (value) => value <= bound);
}

function absolute(what, values, bound, unit, isGood) {
  const value = median(values);
  return {
    what,
    bound,
    value,
    unit,
    low: percentile(values, 0),
    high: percentile(values, 1),
    isReached: isGood(value),
    isInEachRound: values.every((each) => isGood(each) === isGood(value)),
  };
}

const missing = (what, bound) => ({ what, bound, isReached: false, why: "one of the two could not run" });
