// Changes to the text of a timeline: each touches only the characters it must, so that comments, order and layout stay.
// Every function takes the text and what `parse` made of it and returns a new text.
import { EASE } from "./timeline_rules.js";

const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const FIELDS = ["value", "start", "end", "curve", "attack", "release"];

/** A number as it is written: three digits after the point are a thousandth of a second. */
export const written = (value) => String(Number(value.toFixed(3)) || 0);

function splice(text, changes) {
  for (const { from, to = from, put } of [...changes].sort((a, b) => b.from - a.from)) {
    text = text.slice(0, from) + put + text.slice(to);
  }
  return text;
}

// --- one key or item -------------------------------------------------------------------------------------------

const jsonName = (kind, what) => (kind === "track" && what === "start" ? "time" : what);
const asJson = (value) => (typeof value === "number" ? written(value) : JSON.stringify(value));

function changesOfText({ spans }, fields) {
  const out = [], after = (spans.end ?? spans.start)[1];
  const more = [];
  for (const what of FIELDS) {
    if (!(what in fields)) continue;
    const value = fields[what], put = typeof value === "number" ? written(value) : value;
    if (spans[what]) out.push({ from: spans[what][0], to: spans[what][1], put });
    else if (what === "value") out.push({ from: spans.at[0], put: `${put} ` });
    else if (what === "end") more.unshift(`-${put}`);
    else if (what === "curve" && put !== EASE) more.push(` ${put}`);
    else if (what === "attack" || what === "release") more.push(` ${what}=${put}`);
  }
  // What is new stands behind what is there: -end at the time, the others at the end of the key.
  const end = more[0]?.startsWith("-") ? more.shift() : "";
  const tail = spans.whole[1];
  if (end && more.length && tail === after) return [...out, { from: after, put: end + more.join("") }];
  if (end) out.push({ from: after, put: end });
  if (more.length) out.push({ from: tail, put: more.join("") });
  return out;
}

function changesOfJson(kind, { spans }, fields) {
  const out = [], more = [];
  for (const what of FIELDS) {
    if (!(what in fields)) continue;
    if (spans[what]) out.push({ from: spans[what][0], to: spans[what][1], put: asJson(fields[what]) });
    else more.push(`, "${jsonName(kind, what)}": ${asJson(fields[what])}`);
  }
  if (more.length) out.push({ from: spans.start[1], put: more.join("") });
  // Two changes at one place: the replaced number first, then what follows it.
  return out;
}

/** Sets `value`, `start`, `end`, `curve`, `attack` or `release` of keys: [{entry, key, fields}]. */
export function setKeys(text, doc, edits) {
  const changes = edits.flatMap(({ entry, key, fields }) =>
    doc.form === "json" ? changesOfJson(entry.kind, key, fields) : changesOfText(key, fields));
  return splice(text, changes);
}

/** Removes a key; a track's last key takes the track with it. */
export function removeKey(text, doc, entry, index) {
  const { keys } = entry;
  if (keys.length === 1) return removeEntry(text, doc, entry);
  const span = (i) => keys[i].spans.whole;
  const [from, to] = index ? [span(index - 1)[1], span(index)[1]] : [span(0)[0], span(1)[0]];
  const changes = [{ from, to, put: "" }];
  const left = keys.length === 2 ? span(1 - index)[1] : -1;
  // One keyframe alone needs its comma: without it, it would be an item.
  if (left >= 0 && doc.form === "text" && !/^\s*,/.test(text.slice(Math.max(left, to)))) {
    changes.push({ from: Math.max(left, to), put: "," });
  }
  return splice(text, changes);
}

/** Adds a keyframe {start, value, curve} to a track, where its time belongs. */
export function addKey(text, doc, entry, key) {
  const at = entry.keys.findIndex((each) => each.start > key.start);
  const put = doc.form === "json" ? keyJson(key) : keyText(key);
  const change = at < 0
    ? { from: entry.keys.at(-1).spans.whole[1], put: `, ${put}` }
    : { from: entry.keys[at].spans.whole[0], put: `${put}, ` };
  return splice(text, [change]);
}

// --- whole entries ---------------------------------------------------------------------------------------------

function keyText(key) {
  const end = key.end === null || key.end === undefined ? "" : `-${written(key.end)}`;
  const curve = !key.curve || key.curve === EASE ? "" : ` ${key.curve}`;
  const more = ["attack", "release"].filter((what) => (key[what] ?? null) !== null)
    .map((what) => ` ${what}=${written(key[what])}`).join("");
  return `${written(key.value)} @${written(key.start)}${end}${curve}${more}`;
}

function keyJson(key) {
  const curve = key.curve && key.curve !== EASE ? `, "curve": "${key.curve}"` : "";
  return `{"time": ${written(key.start)}, "value": ${written(key.value)}${curve}}`;
}

/** An entry {kind, name, keys} as text of its own. */
export function entryText({ kind, name, keys }) {
  const comma = kind === "track" && keys.length === 1 ? "," : "";
  return `${name} ${keys.map(keyText).join(", ")}${comma}`;
}

function entryJson({ kind, name, keys }) {
  if (kind === "track") return `{"name": "${name}", "keyframes": [${keys.map(keyJson).join(", ")}]}`;
  const fields = FIELDS.filter((what) => (keys[0][what] ?? null) !== null && keys[0][what] !== EASE);
  return `{"name": "${name}", ${fields.map((what) => `"${what}": ${asJson(keys[0][what])}`).join(", ")}}`;
}

const lineEnd = (text, from) => {
  const found = LINE_END.exec(text.slice(from));
  return found ? from + found.index : text.length;
};

function addJson(text, doc, entry) {
  const list = entry.kind === "track" ? "tracks" : "items", there = doc.top[list], put = entryJson(entry);
  if (there?.value.length) return splice(text, [{ from: there.value.at(-1).to, put: `,\n  ${put}` }]);
  if (there) return splice(text, [{ from: there.from + 1, put }]);
  const comma = doc.root.value.size ? "," : "";
  return splice(text, [{ from: doc.root.from + 1, put: `"${list}": [${put}]${comma}` }]);
}

/** Adds an entry {kind, name, keys} behind another one, or at the end. */
export function addEntry(text, doc, entry, after = null) {
  return doc.form === "json" ? addJson(text, doc, entry) : addText(text, entryText(entry), after);
}

function addText(text, put, after) {
  const body = text.trimEnd();
  const lines = LINE_END.test(body) || body.includes("#");
  if (!body) return put;
  if (after && !lines) return splice(text, [{ from: after.to, put: `; ${put}` }]);
  if (lines) {
    const at = after ? lineEnd(text, after.to) : body.length;
    const indent = after ? /^[ \t]*/.exec(text.slice(text.lastIndexOf("\n", after.from - 1) + 1))[0] : "";
    return splice(text, [{ from: at, put: `\n${indent}${put}` }]);
  }
  return body + (body.endsWith(";") ? " " : "; ") + put;
}

function removeJson(text, doc, entry) {
  const list = [doc.top.items, doc.top.tracks].find((each) => each?.value.some((one) => one.from === entry.from));
  const at = list.value.findIndex((one) => one.from === entry.from), all = list.value;
  if (all.length === 1) return splice(text, [{ from: entry.from, to: entry.to, put: "" }]);
  const [from, to] = at ? [all[at - 1].to, entry.to] : [entry.from, all[1].from];
  return splice(text, [{ from, to, put: "" }]);
}

/** Removes an entry and what parted it from the others; comments stay. */
export function removeEntry(text, doc, entry) {
  if (doc.form === "json") return removeJson(text, doc, entry);
  const begin = text.slice(0, entry.from), lineBegin = begin.length - /[^\n\r]*$/.exec(begin)[0].length;
  const behind = /^[ \t]*;[ \t]*/.exec(text.slice(entry.to));
  if (behind) return splice(text, [{ from: entry.from, to: entry.to + behind[0].length, put: "" }]);
  const ahead = /;[ \t]*$/.exec(text.slice(lineBegin, entry.from));
  if (ahead) return splice(text, [{ from: lineBegin + ahead.index, to: entry.to, put: "" }]);
  const to = lineEnd(text, entry.to);
  if (text.slice(entry.to, to).trim()) return splice(text, [{ from: entry.from, to: entry.to, put: "" }]);
  // Alone in its line: the line goes.
  const next = LINE_END.exec(text.slice(to))?.[0].length ?? 0;
  const from = next || !lineBegin ? lineBegin : begin.slice(0, lineBegin).replace(/(\r\n|\n|\r)$/, "").length;
  return splice(text, [{ from, to: to + next, put: "" }]);
}

/** Sets `length`; null takes the setting away. */
export function setLength(text, doc, seconds) {
  const there = doc.entries.find((entry) => entry.kind === "setting" && entry.name === "length");
  const put = seconds === null ? "null" : written(seconds);
  if (there && (seconds !== null || doc.form === "json")) {
    return splice(text, [{ from: there.span[0], to: there.span[1], put }]);
  }
  if (seconds === null) return there ? removeEntry(text, doc, there) : text;
  if (doc.form === "json") {
    const comma = doc.root.value.size ? "," : "";
    return splice(text, [{ from: doc.root.from + 1, put: `"duration": ${put}${comma}` }]);
  }
  return addText(text, `length ${put}`, null);
}

/** A copy of an entry, `seconds` later. */
export function later(entry, seconds) {
  const keys = entry.keys.map(({ value, start, end, curve, attack, release }) => ({
    value, start: start + seconds, end: end === null ? null : end + seconds, curve, attack, release,
  }));
  return { kind: entry.kind, name: entry.name, keys };
}
