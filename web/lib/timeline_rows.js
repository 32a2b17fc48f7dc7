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
function frameOf(name, keys) {
  const { high, unit } = rangeOf(name);
  if (!unit) return { low: 0, high: 1 };
  const least = high > 10 ? 5 : 0.1, round = high > 10 ? 1 : 0.01;
  const edge = (most) => Math.min(high, Math.max(least, Math.ceil((1.4 * most) / round) * round));
  const most = (sign) => keys.reduce((all, { value }) => Math.max(all, sign * value), 0);
  return { low: -edge(most(-1)), high: edge(most(1)) };
}

/** Smallest step of a value that a drag or an arrow makes, and the larger one. */
export function stepsOf(name) {
  const { high, unit } = rangeOf(name);
  if (!unit) return { fine: 0.01, step: 0.05, large: 0.2 };
  return high > 10 ? { fine: 0.1, step: 1, large: 5 } : { fine: 0.01, step: 0.02, large: 0.1 };
}

const MOST = 50; // tracks of one name that are searched for room
const made = new WeakMap(); // the tracks of a timeline are asked for at every drawing

/** Tracks in the order of the text: {name, sort, kind, entries: [index], low, high}. Items of one name share a track
 *  as long as they do not overlap; each line of keys has its own. */
export function rowsOf(doc) {
  if (!made.has(doc)) made.set(doc, makeRows(doc));
  return made.get(doc);
}

function makeRows(doc) {
  const rows = [], items = new Map();
  doc.entries.forEach((entry, index) => {
    if (entry.kind === "setting") return;
    const row = { name: entry.name, sort: sortOf(entry.name), kind: entry.kind, entries: [index] };
    if (entry.kind === "item") {
      if (!items.has(entry.name)) items.set(entry.name, []);
      const known = items.get(entry.name), [key] = entry.keys, end = untilOf(entry.name, key);
      const free = known.slice(0, MOST).find((each) => takes(each, key.start, end));
      if (free) return free.row.entries.push(index);
      known.push({ row, starts: [key.start], ends: [end] });
    }
    rows.push(row);
  });
  for (const row of rows) Object.assign(row, frameOf(row.name, row.entries.flatMap((index) => doc.entries[index].keys)));
  return rows;
}

/** Whether a track has room for a time, which then is taken; its times are kept in their order. */
function takes({ starts, ends }, from, to) {
  let low = 0, high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] < from) low = middle + 1;
    else high = middle;
  }
  if (ends[low - 1] > from || starts[low] < to) return false;
  starts.splice(low, 0, from);
  ends.splice(low, 0, to);
  return true;
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
