// How a value travels: the engine's curves and envelopes (engine/motion/curves.py), for drawing.
import { BEATS } from "./timeline_names.js";
import { untilOf } from "./timeline_rules.js";

const LANDED = 2.75, REBOUNDS = [[1, 0.5], [2, 0.25], [2.5, 0.125]];
const RISE = 0.35; // seconds of rise and fall, or less in short spans

function bounce(t) {
  const time = t * LANDED;
  let out = time * time;
  for (const [begin, half] of REBOUNDS) if (time >= begin) out = 1 - half ** 2 + (time - begin - half) ** 2;
  return Math.min(out, 1);
}

/** Progress 0 to 1 under a curve at a time 0 to 1. */
export function applyCurve(name, time) {
  const t = Math.min(Math.max(time, 0), 1);
  if (name === "ease_in") return t * t;
  if (name === "ease_out") return t * (2 - t);
  if (name === "ease_in_out") return t * t * (3 - 2 * t);
  return name === "bounce" ? bounce(t) : t;
}

/** Points [seconds, share of its value] of how an item comes and goes. */
export function pointsOfItem(name, key) {
  const begin = key.start, end = untilOf(name, key), length = end - begin, short = 0.4 * length;
  if (name in BEATS) return [[begin, 0], [begin + 0.3 * length, 1], [begin + 0.6 * length, 1], [end, 0]];
  const rise = key.attack ?? Math.min(RISE, short), fall = key.release ?? Math.min(RISE, short);
  const fit = Math.min(1, length / Math.max(rise + fall, 1e-9)), up = rise * fit, down = fall * fit;
  const steps = key.curve === "linear" ? 1 : 14;
  const points = [[begin, 0]];
  for (let i = 1; i <= steps; i++) points.push([begin + (up * i) / steps, applyCurve(key.curve, i / steps)]);
  for (let i = 0; i < 10; i++) points.push([end - down + (down * i) / 10, applyCurve("ease_in_out", 1 - i / 10)]);
  return [...points, [end, 0]];
}

/** Points [seconds, value] between the keys of a track, as far as they are in sight; about `step` seconds apart. */
export function pointsOfTrack(keys, from = -Infinity, to = Infinity, step = 0) {
  let first = 0;
  while (first + 1 < keys.length && keys[first + 1].start < from) first++;
  const points = [[keys[first].start, keys[first].value]];
  for (let n = first + 1; n < keys.length && keys[n - 1].start <= to; n++) {
    const a = keys[n - 1], b = keys[n], most = step ? Math.ceil((b.start - a.start) / step) : 24;
    const steps = b.curve === "linear" || a.value === b.value ? 1 : Math.min(Math.max(most, 1), 24);
    for (let i = 1; i <= steps; i++) {
      const share = applyCurve(b.curve, i / steps);
      points.push([a.start + ((b.start - a.start) * i) / steps, a.value + (b.value - a.value) * share]);
    }
  }
  return points;
}
