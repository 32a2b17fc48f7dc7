// What a timeline may hold, as engine/motion/timeline.py checks it, in the same order and words.
import { BEATS, CURVES, HEAD, findName, nearName, rangeOf } from "./timeline_names.js";

export const MAX_SECONDS = 3600, MAX_ITEMS = 20_000, ITEM_SECONDS = 2, MAX_FPS = 1000, EASE = "ease_in_out";
export const EXAMPLE = "happy 0.8 @0.5-2.0 ease_out; blink @1.2";

/** A mistake: what, why and remedy in words; `place` is where in the text, {from, to, line, column}, or null. `about`
 *  says which part of an item is wrong, and `key` which of its keyframes. */
export class TimelineError extends Error {
  constructor(what, why, remedy, place = null) {
    super(`${what}: ${why}. ${remedy}.`);
    Object.assign(this, { what, why, remedy, place });
  }

  /** The same mistake at a place; a place it already has stays. */
  at(place) {
    this.place ??= place;
    return this;
  }
}

/** A number as Python's ":g" writes it: six digits, no zeros at the end. */
export function short(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value < 0 ? "-inf" : "inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponent] = value.toExponential(5).split("e");
  if (exponent < -4 || exponent >= 6) {
    const digits = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }
  const plain = value.toFixed(Math.max(0, 5 - Number(exponent)));
  return plain.includes(".") ? plain.replace(/\.?0+$/, "") : plain;
}

/** `label` says which item it is; a function makes it only when it is needed. */
function bad(label, about, what, why, remedy) {
  const said = typeof label === "function" ? label() : label;
  return Object.assign(new TimelineError(`${said}: ${what}`, why, remedy), { about });
}

/** Seconds in 0 to 3600, or a mistake. */
export function checkTime(value, label, what) {
  if (value >= 0 && value <= MAX_SECONDS) return;
  const why = value < 0 ? "times count from 0" : `a timeline lasts at most ${MAX_SECONDS} seconds`;
  throw bad(label, what, `the ${what} ${short(value)} is out of range`, why, "Give seconds from 0 to 3600");
}

function checkValue(name, value, label) {
  const { low, high, unit } = rangeOf(name);
  if (value >= low && value <= high) return;
  throw bad(
    label, "value", `the value ${short(value)} of '${name}' is out of range`, `it must lie in ${low} to ${high}${unit}`,
    unit ? "Use a smaller value" : "Use 1 for full",
  );
}

function known(name, curve, label) {
  const found = findName(name);
  if (found === null) {
    const near = nearName(name);
    throw bad(
      label, "name", `unknown preset or channel '${name}'`, "the names are those of the menu 'Add'",
      near ? `Perhaps '${near}' is meant` : "Use one of these",
    );
  }
  if (!CURVES.includes(curve)) {
    const near = nearName(curve, CURVES);
    throw bad(
      label, "curve", `unknown curve '${curve}'`, `known are ${CURVES.join(", ")}`,
      near ? `Perhaps '${near}' is meant` : `Use ${EASE}`,
    );
  }
  return found;
}

/** The name of an item as we spell it; throws if anything about the item is wrong. */
export function checkItem(item, label) {
  const name = known(item.name, item.curve, label);
  checkTime(item.start, label, "start");
  if (item.end !== null) {
    checkTime(item.end, label, "end");
    if (item.end <= item.start) {
      throw bad(
        label, "end", `it ends at ${short(item.end)}, not after its start at ${short(item.start)}`, "an item needs time",
        `Write '@${short(item.start)}-${short(item.start + 1)}', say`,
      );
    }
  }
  for (const what of ["attack", "release"]) {
    const seconds = item[what];
    if (seconds !== null && !(seconds >= 0 && seconds <= 60)) {
      throw bad(
        label, what, `the ${what} ${short(seconds)} is out of range`, "it must lie in 0 to 60 seconds", "Use 0.35",
      );
    }
  }
  checkValue(name, item.value, label);
  return name;
}

/** The same for keyframes, which must ascend. */
export function checkTrack(name, keys, label) {
  if (!keys.length) {
    throw bad(label, "keys", "it has no keyframes", "a track needs at least one", "Add one or remove the track");
  }
  let before = -1, found = name;
  for (const key of keys) {
    try {
      found = checkItem({ ...key, name, end: null, attack: null, release: null }, label);
      if (key.start <= before) {
        throw bad(
          label, "start", `the keyframe at ${short(key.start)} comes after the one at ${short(before)}`,
          "keyframes must ascend in time", "Sort them and give each time once",
        );
      }
    } catch (error) {
      throw Object.assign(error, { key });
    }
    before = key.start;
  }
  return found;
}

/** A whole number from 0, or a mistake. */
export function checkSeed(value, label) {
  if (value >= 0 && value < 2 ** 64 && Number.isInteger(value)) return value;
  throw bad(label, "seed", `the seed ${value} is not possible`, "it must be a whole number from 0", "Use 0");
}

/** What concerns the timeline as a whole. */
export function checkWhole(entries, settings) {
  const place = (key) => entries.find((entry) => entry.kind === "setting" && entry.name === key)?.place ?? null;
  const count = entries.filter((entry) => entry.kind !== "setting").length;
  if (count > MAX_ITEMS) {
    throw new TimelineError(
      "The timeline is too large", `it has ${count} items, at most ${MAX_ITEMS} are possible`, "Split it",
    );
  }
  const { idle, fps, length } = settings;
  if (!(idle >= 0 && idle <= 2)) {
    throw new TimelineError(
      `The idle amount ${short(idle)} is out of range`, "it must lie in 0 to 2", "Use 1, or off", place("idle"),
    );
  }
  if (fps !== null && !(fps > 0 && fps <= MAX_FPS)) {
    throw new TimelineError(
      `The frame rate ${short(fps)} is out of range`, `it must lie in 0 to ${MAX_FPS}`, "Use 25", place("fps"),
    );
  }
  if (length !== null) {
    try {
      checkTime(length, "Timeline", "length");
    } catch (error) {
      throw error.at(place("length"));
    }
  }
}

/** Where an item ends, said or not. */
export const untilOf = (name, key) => key.end ?? key.start + (BEATS[name] ?? ITEM_SECONDS);

/** Whether a value must be given. */
export const isHead = (name) => HEAD.includes(name.toLowerCase());

/** The last end of all items and tracks, or the length that is set. */
export function durationOf(entries, settings) {
  if (settings.length !== null) return settings.length;
  let last = 0;
  for (const entry of entries) {
    if (entry.kind === "item") last = Math.max(last, untilOf(entry.name, entry.keys[0]));
    if (entry.kind === "track") last = Math.max(last, entry.keys.at(-1).start);
  }
  return last;
}
