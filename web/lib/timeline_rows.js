// Which track each entry of a timeline has, and the frame in which its values are drawn.
import { BEATS, EXPRESSIONS, rangeOf } from "./timeline_names.js";
import { untilOf } from "./timeline_rules.js";

/** What kind of thing a name is: "feeling", "gesture", "turn" of the head, or "channel". */
export function sortOf(name) {
  if (name in BEATS) return "gesture";
  if (EXPRESSIONS.includes(name)) return "feeling";
  return rangeOf(name).unit ? "turn" : "channel";
}

/** Values from the lower to the upper edge of a track. Head channels show what is used, with room around it. */
function frameOf(name, values) {
  const { high, unit } = rangeOf(name);
  if (!unit) return { low: 0, high: 1 };
  const least = high > 10 ? 5 : 0.1, round = high > 10 ? 1 : 0.01;
  const edge = (most) => Math.min(high, Math.max(least, Math.ceil((1.4 * most) / round) * round));
  return { low: -edge(Math.max(...values.map((value) => -value))), high: edge(Math.max(...values)) };
}

/** Smallest step of a value that a drag or an arrow makes, and the larger one. */
export function stepsOf(name) {
  const { high, unit } = rangeOf(name);
  if (!unit) return { fine: 0.01, step: 0.05, large: 0.2 };
  return high > 10 ? { fine: 0.1, step: 1, large: 5 } : { fine: 0.01, step: 0.02, large: 0.1 };
}

/** Tracks in the order of the text: {name, sort, kind, entries: [index], low, high}. Items of one name share a track
 *  as long as they do not overlap; each line of keys has its own. */
export function rowsOf(doc) {
  const rows = [];
  doc.entries.forEach((entry, index) => {
    if (entry.kind === "setting") return;
    const free = entry.kind === "item" && rows.find((row) => row.kind === "item" && row.name === entry.name &&
      row.entries.every((other) => apart(doc.entries[other], entry)));
    if (free) free.entries.push(index);
    else rows.push({ name: entry.name, sort: sortOf(entry.name), kind: entry.kind, entries: [index] });
  });
  for (const row of rows) {
    const values = row.entries.flatMap((index) => doc.entries[index].keys.map((key) => key.value));
    Object.assign(row, frameOf(row.name, values));
  }
  return rows;
}

function apart(a, b) {
  const [one, two] = [a.keys[0], b.keys[0]];
  return untilOf(a.name, one) <= two.start || untilOf(b.name, two) <= one.start;
}

/** Seconds between marks of a ruler, at least `pixels` apart. */
export function tickOf(perSecond, pixels = 56) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];
  return steps.find((step) => step * perSecond >= pixels) ?? 1200;
}

/** A time near one of `others` or on the grid of tenths; `reach` is how near, in seconds. */
export function snap(time, others, reach) {
  let best = Math.round(time * 10) / 10, least = Math.min(Math.abs(best - time), reach);
  if (Math.abs(best - time) > reach) best = time;
  for (const other of others) {
    // Other keys win over the grid, which is everywhere.
    const far = Math.abs(other - time);
    if (far <= reach && far <= least + reach / 2) [best, least] = [other, Math.max(0, far - reach / 2)];
  }
  return best;
}
