// Changes to the text of a timeline: each touches only the characters it must, so that comments, order and layout stay.
// Every function takes the text and what `parse` made of it and returns a new text.
import { EASE } from "./timeline_rules.js";

const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const FIELDS = ["value", "start", "end", "curve", "attack", "release"];

/** A number as it is written: three digits after the point are a thousandth of a second. */
export const written = (value) => String(Number(value.toFixed(3)) || 0);

/** Changes {from, to, put} made at once; they must not overlap. What is put at one place keeps its order. */
function splice(text, changes) {
  const out = [];
  let at = 0;
  for (const { from, to = from, put } of [...changes].sort((a, b) => a.from - b.from)) {
    out.push(text.slice(at, from), put);
    at = to;
  }
  return out.join("") + text.slice(at);
}

/** The same for a list parted by commas: what takes away the spans of `gone` and what parts them from the others. */
function cut(spans, gone) {
  const changes = [];
  for (let n = 0; n < spans.length; n++) {
    if (!gone.has(n)) continue;
    let last = n;
    while (gone.has(last + 1)) last++;
    if (n) changes.push({ from: spans[n - 1][1], to: spans[last][1], put: "" });
    else changes.push({ from: spans[0][0], to: spans[last + 1]?.[0] ?? spans[last][1], put: "" });
    n = last;
  }
  return changes;
}

// --- one key or item -------------------------------------------------------------------------------------------

const jsonName = (kind, what) => (kind === "track" && what === "start" ? "time" : what);
const asJson = (value) => (typeof value === "number" ? written(value) : JSON.stringify(value)); // null is as if not there

/** Takes `attack=0.2` away, with the blanks before it. */
function unsaid(text, what, [from, to]) {
  const ahead = text.slice(Math.max(from - 200, 0), from), said = new RegExp(`\\s*${what}\\s*=\\s*$`).exec(ahead);
  return { from: from - said[0].length, to, put: "" };
}

function changesOfText(text, { spans }, fields) {
  const out = [], after = (spans.end ?? spans.start)[1];
  const more = [];
  for (const what of FIELDS) {
    if (!(what in fields)) continue;
    const value = fields[what], put = typeof value === "number" ? written(value) : value;
    if (value === null) {
      if (spans[what]) out.push(unsaid(text, what, spans[what]));
    } else if (spans[what]) out.push({ from: spans[what][0], to: spans[what][1], put });
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

const changesOf = (text, doc, edits) => edits.flatMap(({ entry, key, fields }) =>
  doc.form === "json" ? changesOfJson(entry.kind, key, fields) : changesOfText(text, key, fields));

/** Sets `value`, `start`, `end`, `curve`, `attack` or `release` of keys: [{entry, key, fields}]; null for the last two
 *  takes them away. */
export const setKeys = (text, doc, edits) => splice(text, changesOf(text, doc, edits));

/** Where keys {start, value, curve} go into a track. */
function changesOfKeys(doc, entry, keys) {
  const put = doc.form === "json" ? keyJson : keyText;
  return [...keys].sort((a, b) => a.start - b.start).map((key) => {
    const next = entry.keys.find((each) => each.start > key.start);
    return next
      ? { from: next.spans.whole[0], put: `${put(key)}, ` }
      : { from: entry.keys.at(-1).spans.whole[1], put: `, ${put(key)}` };
  });
}

/** Adds a keyframe to a track, where its time belongs. */
export const addKey = (text, doc, entry, key) => splice(text, changesOfKeys(doc, entry, [key]));

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

/** Where the line of a place ends. */
function lineEnd(text, from) {
  while (from < text.length && !LINE_END.test(text[from])) from++;
  return from;
}

function additionsToJson(doc, entries) {
  const changes = [], fresh = [];
  for (const list of ["items", "tracks"]) {
    const put = entries.filter((entry) => (entry.kind === "track") === (list === "tracks")).map(entryJson);
    const there = doc.top[list];
    if (!put.length) continue;
    if (there?.value.length) changes.push({ from: there.value.at(-1).to, put: put.map((each) => `,\n  ${each}`).join("") });
    else if (there) changes.push({ from: there.from + 1, put: put.join(",\n  ") });
    else fresh.push(`"${list}": [${put.join(",\n  ")}]`);
  }
  if (fresh.length) changes.push({ from: doc.root.from + 1, put: fresh.join(", ") + (doc.root.value.size ? ", " : "") });
  return changes;
}

/** Where a text has room for something new: behind `after`, or at the end. */
function additionToText(text, puts, after) {
  const body = text.trimEnd(), lines = LINE_END.test(body) || body.includes("#");
  if (!body) return { from: 0, to: text.length, put: puts.join("; ") };
  if (after && !lines) return { from: after.to, put: puts.map((put) => `; ${put}`).join("") };
  if (!lines) return { from: body.length, to: text.length, put: (body.endsWith(";") ? " " : "; ") + puts.join("; ") };
  const indent = after ? /^[ \t]*/.exec(text.slice(lineBegin(text, after.from)))[0] : "";
  return { from: after ? lineEnd(text, after.to) : body.length, put: puts.map((put) => `\n${indent}${put}`).join("") };
}

/** Adds entries {kind, name, keys} behind another one, or at the end; with `edits` as of `setKeys`, and `keys`
 *  [{entry, keys}] for tracks that are there, all at once. */
export function addAll(text, doc, entries, after = null, { edits = [], keys = [] } = {}) {
  const changes = [...changesOf(text, doc, edits), ...keys.flatMap((each) => changesOfKeys(doc, each.entry, each.keys))];
  if (entries.length && doc.form === "json") changes.push(...additionsToJson(doc, entries));
  else if (entries.length) changes.push(additionToText(text, entries.map(entryText), after));
  return splice(text, changes);
}

/** Adds one entry. */
export const addEntry = (text, doc, entry, after = null) => addAll(text, doc, [entry], after);

/** Where the line of a place begins. */
function lineBegin(text, from) {
  while (from > 0 && !LINE_END.test(text[from - 1])) from--;
  return from;
}

/** Changes that take some entries of one line of text away; a line of nothing else goes wholly. */
function cutLine(text, line, gone) {
  const spans = line.map(({ from, to }) => [from, to]);
  const from = lineBegin(text, spans[0][0]), to = lineEnd(text, spans.at(-1)[1]);
  const around = text.slice(from, spans[0][0]) + text.slice(spans.at(-1)[1], to);
  if (gone.size < line.length || /[^\s;]/.test(around)) return cut(spans, gone);
  const next = LINE_END.exec(text.slice(to, to + 2))?.[0].length ?? 0;
  const before = text.slice(from - 2, from) === "\r\n" ? 2 : 1;
  return [{ from: next || !from ? from : from - before, to: to + next, put: "" }];
}

/** Takes keys out of a track. A single keyframe of a text needs a comma: without one, it would be an item. */
function cutKeys(text, doc, { keys, to }, gone) {
  const spans = keys.map((key) => key.spans.whole), left = spans.filter((_, n) => !gone.has(n));
  if (left.length > 1 || doc.form === "json") return cut(spans, gone);
  return [{ from: spans[0][0], to, put: `${text.slice(...left[0])},` }];
}

/** Removes keys: a Map of entries to a Set of the numbers of their keys. Entries of which nothing is left go wholly, with
 *  what parted them from others; comments stay. */
export function removeAll(text, doc, gone) {
  const whole = (entry) => gone.has(entry) && gone.get(entry).size === (entry.keys?.length ?? 0);
  const changes = [...gone].filter(([entry]) => !whole(entry)).flatMap(([entry, keys]) => cutKeys(text, doc, entry, keys));
  const numbers = (list, isGone) => new Set(list.flatMap((each, n) => (isGone(each) ? [n] : [])));
  if (doc.form === "json") {
    const starts = new Set([...gone.keys()].filter(whole).map(({ from }) => from));
    for (const list of [doc.top.items?.value ?? [], doc.top.tracks?.value ?? []]) {
      changes.push(...cut(list.map(({ from, to }) => [from, to]), numbers(list, ({ from }) => starts.has(from))));
    }
    return splice(text, changes);
  }
  const lines = new Map();
  for (const entry of doc.entries) if (!lines.get(entry.place.line)?.push(entry)) lines.set(entry.place.line, [entry]);
  for (const line of lines.values()) {
    const some = numbers(line, whole);
    if (some.size) changes.push(...cutLine(text, line, some));
  }
  return splice(text, changes);
}

/** Removes an entry. */
export const removeEntry = (text, doc, entry) => removeAll(text, doc, new Map([[entry, new Set(entry.keys?.keys())]]));

/** Removes a key; a track's last key takes the track with it. */
export const removeKey = (text, doc, entry, index) => removeAll(text, doc, new Map([[entry, new Set([index])]]));

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
  return splice(text, [additionToText(text, [`length ${put}`], null)]);
}
