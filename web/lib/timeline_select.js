// What is selected in a timeline, and what it comes to when it is moved, copied or removed together. Things have ids such
// as "3.1": the number of an entry in the text and of its key. Nothing here knows how it is drawn.
import { rangeOf } from "./timeline_names.js";
import { EASE, MAX_SECONDS, untilOf } from "./timeline_rules.js";
import { stepsOf } from "./timeline_rows.js";

export const LEAST = 0.02; // seconds of an item, and between keys

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const rounded = (time) => Number(clamp(time, 0, MAX_SECONDS).toFixed(3));

/** A value in the range of its name, on its grid. */
export function valued(name, value, fine) {
  const { low, high } = rangeOf(name), steps = stepsOf(name), step = fine ? steps.fine : steps.step;
  return Number(clamp(Math.round(value / step) * step, low, high).toFixed(3));
}

/** {entry, index, key, at, id} of an id, or null. */
export function thingOf(doc, id) {
  const [index, at] = (id ?? "").split(".").map(Number);
  const entry = doc.entries[index], key = entry?.keys?.[at];
  return key ? { entry, index, key, at, id } : null;
}

export const allIds = (doc) => doc.entries.flatMap((entry, index) => (entry.keys ?? []).map((_, at) => `${index}.${at}`));

/** {entry, key, fields} with what of `wanted` is new; none if nothing is. */
export function edit({ entry, key }, wanted) {
  const fields = Object.fromEntries(Object.entries(wanted).filter(([what, value]) => key[what] !== value));
  return Object.keys(fields).length ? [{ entry, key, fields }] : [];
}

/** [earliest, latest] seconds by which things can move together: not before 0, and keys stay between those beside them. */
export function roomOf(things) {
  const ids = new Set(things.map(({ id }) => id));
  let low = -Infinity, high = Infinity;
  for (const { entry, index, key, at } of things) {
    const before = ids.has(`${index}.${at - 1}`) ? null : entry.keys[at - 1];
    const after = ids.has(`${index}.${at + 1}`) ? null : entry.keys[at + 1];
    low = Math.max(low, (before ? before.start + LEAST : 0) - key.start);
    high = Math.min(high, (after ? after.start - LEAST : MAX_SECONDS) - (after ? key.start : (key.end ?? key.start)));
  }
  return [Math.min(low, 0), Math.max(high, 0)];
}

/** Edits that move things by seconds, as far as there is room. */
export function moved(things, seconds) {
  const by = clamp(seconds, ...roomOf(things));
  return things.flatMap((thing) => {
    const { start, end } = thing.key;
    return edit(thing, { start: rounded(start + by), ...(end === null ? {} : { end: rounded(end + by) }) });
  });
}

/** Edits that change values, each by `by(thing)`. */
export const raised = (things, by, fine) =>
  things.flatMap((thing) => edit(thing, { value: valued(thing.entry.name, thing.key.value + by(thing), fine) }));

/** Times near which something may stick: ends and keys of what is not selected, the playhead, the end of the sound. */
export function magnets({ doc, playhead, sound }, ids = new Set()) {
  const times = [0, playhead, ...(sound ? [sound.seconds] : [])];
  doc.entries.forEach((entry, index) => entry.keys?.forEach((key, at) => {
    if (ids.has(`${index}.${at}`)) return;
    times.push(key.start);
    if (entry.kind === "item") times.push(untilOf(entry.name, key));
  }));
  return times;
}

/** By entry, the numbers of the keys that are selected. */
export function byEntry(things) {
  const found = new Map();
  for (const { entry, at } of things) {
    if (found.has(entry)) found.get(entry).add(at);
    else found.set(entry, new Set([at]));
  }
  return found;
}

/** Things as entries of their own: of a track, only the keys that are selected. */
export const clipOf = (things) =>
  [...byEntry(things)].map(([entry, gone]) => ({ ...entry, keys: entry.keys.filter((_, at) => gone.has(at)) }));

/** [first, last] seconds of entries. */
export function spanOf(entries) {
  let first = Infinity, last = 0;
  for (const { kind, name, keys } of entries) {
    for (const key of keys) {
      first = Math.min(first, key.start);
      last = Math.max(last, kind === "item" ? untilOf(name, key) : key.start);
    }
  }
  return [first, last];
}

/** Entries, seconds later. */
export const later = (entries, seconds) => entries.map(({ kind, name, keys }) => ({
  kind, name, keys: keys.map(({ value, start, end, curve, attack, release }) => ({
    value, start: rounded(start + seconds), end: end === null ? null : rounded(end + seconds), curve, attack, release,
  })),
}));

/** How entries come into a timeline: new ones stay entries, keys go into the tracks of their name: {entries, edits, keys} as
 *  `addAll` takes them. A key that is already at that time gets the new value. */
export function joined(doc, clip) {
  const entries = [], edits = [], into = new Map();
  const near = (keys, start) => keys.find((other) => Math.abs(other.start - start) < LEAST);
  for (const each of clip) {
    const entry = each.kind === "track" && doc.entries.find((other) => other.kind === "track" && other.name === each.name);
    if (!entry) {
      entries.push(each);
      continue;
    }
    if (!into.has(entry)) into.set(entry, []);
    const fresh = into.get(entry);
    for (const key of each.keys) {
      const there = near(entry.keys, key.start);
      if (there) edits.push(...edit({ entry, key: there }, { value: key.value, curve: key.curve }));
      else if (!near(fresh, key.start)) fresh.push(key);
    }
  }
  return { entries, edits, keys: [...into].map(([entry, keys]) => ({ entry, keys })) };
}

/** The ids in a timeline of what was put into it: the last that fits each. */
export function idsOf(doc, clip) {
  const known = new Map();
  const name = (entry, key) => `${entry.kind} ${entry.name} ${key.start.toFixed(2)}`;
  doc.entries.forEach((entry, index) => entry.keys?.forEach((key, at) => known.set(name(entry, key), `${index}.${at}`)));
  return clip.flatMap((entry) => entry.keys.map((key) => known.get(name(entry, key)))).filter(Boolean);
}

/** A new entry as the menu adds it: a feeling or a gesture, or three keys of a channel. */
export function fresh(name, sort, start, beat) {
  const high = ["x", "y", "z"].includes(name) ? 0.1 : sort === "turn" ? 8 : 0.6;
  const key = (start, value, end = null) => ({ start: rounded(start), value, end: end && rounded(end), curve: EASE, attack: null, release: null });
  if (sort === "turn" || sort === "channel") {
    return { kind: "track", name, keys: [key(start, 0), key(start + 0.5, high), key(start + 1, 0)] };
  }
  return { kind: "item", name, keys: [beat ? key(start, 1) : key(start, 0.8, start + 2)] };
}
