// The JSON form of a timeline: a reader that knows where each value stands and stops where Python's does.
import {
  EASE, TimelineError, checkItem, checkSeed, checkTrack,
} from "./timeline_rules.js";
import { nearName } from "./timeline_names.js";

const FORMAT = "troupe-timeline", DEEPEST = 200;
const TOP = ["format", "version", "fps", "duration", "seed", "idle", "items", "tracks"];
const ITEM = ["name", "value", "start", "end", "curve", "attack", "release"];
const KEY = ["time", "value", "curve"];
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = { null: null, true: true, false: false };

/** Where an offset is: lines and columns count from 1, columns in characters. */
export function placeOf(text, from, to = from + 1) {
  const start = text.lastIndexOf("\n", from - 1) + 1;
  const line = text.slice(0, from).split("\n").length;
  return { from, to, line, column: [...text.slice(start, from)].length + 1 };
}

/** Values as {type, value, from, to}; a list's value is such values, an object's a Map of them. */
class Scanner {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  fail(message, at = this.at) {
    const place = placeOf(this.text, at);
    const why = `line ${place.line}, column ${place.column}: ${message}`;
    throw new TimelineError("The timeline is not valid JSON", why, "Correct it there", place);
  }

  skip() {
    while (" \t\n\r".includes(this.text[this.at] || "x")) this.at++;
  }

  all() {
    this.skip();
    const value = this.value(0);
    this.skip();
    if (this.at < this.text.length) this.fail("Extra data");
    return value;
  }

  value(depth) {
    if (depth > DEEPEST) throw new TimelineError("The timeline is not valid JSON", "nested too deeply", "Correct it there");
    const from = this.at, first = this.text[from];
    const done = (type, value) => ({ type, value, from, to: this.at });
    if (first === '"') return done("text", this.string());
    if (first === "{") return done("object", this.object(depth));
    if (first === "[") return done("list", this.list(depth));
    const word = /^(?:null|true|false|NaN|Infinity|-Infinity)/.exec(this.text.slice(from, from + 9));
    if (word) {
      this.at += word[0].length;
      return word[0] in WORDS ? done("word", WORDS[word[0]]) : done("text", word[0]);
    }
    const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    number.lastIndex = from;
    const found = number.exec(this.text);
    if (!found) this.fail("Expecting value");
    this.at = number.lastIndex;
    return done("number", Number(found[0]));
  }

  string() {
    const begin = this.at++;
    let out = "";
    for (;;) {
      const c = this.text[this.at];
      if (c === undefined) this.fail("Unterminated string starting at", begin);
      if (c === '"') return this.at++, out;
      if (c < " ") this.fail("Invalid control character at");
      if (c !== "\\") [out, this.at] = [out + c, this.at + 1];
      else out += this.escape(begin);
    }
  }

  escape(begin) {
    const c = this.text[this.at + 1];
    if (c === undefined) this.fail("Unterminated string starting at", begin);
    if (c in ESCAPES) return (this.at += 2), ESCAPES[c];
    if (c !== "u") this.fail("Invalid \\escape");
    const digits = this.text.slice(this.at + 2, this.at + 6);
    if (!/^[0-9a-fA-F]{4}$/.test(digits) || this.at + 6 >= this.text.length) this.fail("Invalid \\uXXXX escape", this.at + 1);
    this.at += 6;
    return String.fromCharCode(parseInt(digits, 16));
  }

  object(depth) {
    const out = new Map();
    this.at++;
    this.skip();
    if (this.text[this.at] === "}") return this.at++, out;
    for (;;) {
      if (this.text[this.at] !== '"') this.fail("Expecting property name enclosed in double quotes");
      const key = this.string();
      this.skip();
      if (this.text[this.at] !== ":") this.fail("Expecting ':' delimiter");
      this.at++;
      this.skip();
      out.set(key, this.value(depth + 1));
      this.skip();
      if (this.text[this.at] === "}") return this.at++, out;
      if (this.text[this.at] !== ",") this.fail("Expecting ',' delimiter");
      this.at++;
      this.skip();
    }
  }

  list(depth) {
    const out = [];
    this.at++;
    this.skip();
    if (this.text[this.at] === "]") return this.at++, out;
    for (;;) {
      out.push(this.value(depth + 1));
      this.skip();
      if (this.text[this.at] === "]") return this.at++, out;
      if (this.text[this.at] !== ",") this.fail("Expecting ',' delimiter");
      this.at++;
      this.skip();
    }
  }
}

const wantedType = (key) =>
  ["name", "curve", "format"].includes(key) ? "text" : ["items", "tracks", "keyframes"].includes(key) ? "list" : "number";
const KINDS = { text: "text", list: "a list", number: "a number" };

/** Turns values into timelines; `text` only serves to say where a mistake is. */
class Builder {
  constructor(text) {
    this.text = text;
    this.entries = [];
  }


  error(value, what, why, remedy) {
    return new TimelineError(what, why, remedy, placeOf(this.text, value.from, value.to));
  }

  /** The fields of an object that are not null, checked. */
  fields(data, known, needed, label) {
    if (data.type !== "object") {
      const shown = this.text.slice(data.from, data.to).slice(0, 60);
      throw this.error(data, `${label} is not a JSON object`, `it is ${shown}`, 'Write {"name": ...}');
    }
    for (const key of data.value.keys()) {
      if (known.includes(key)) continue;
      const near = nearName(key, known), remedy = near ? `Perhaps '${near}' is meant` : "Remove it";
      throw this.error(data, `${label} has an unknown key '${key}'`, `known are ${known.join(", ")}`, remedy);
    }
    for (const key of needed) {
      if (data.value.has(key)) continue;
      throw this.error(data, `${label} has no '${key}'`, `it needs ${needed.join(", ")}`, "Add it");
    }
    const out = {};
    for (const [key, value] of data.value) {
      const wanted = wantedType(key), empty = value.type === "word" && value.value === null;
      if (value.type !== wanted && !(empty && !needed.includes(key))) {
        const shown = this.text.slice(value.from, value.to).slice(0, 60);
        throw this.error(value, `${label}: '${key}' is not ${KINDS[wanted]}`, `it is ${shown}`, `Give ${KINDS[wanted]}`);
      }
      if (!empty) out[key] = value;
    }
    return out;
  }

  /** A key as in a text; `time` is the field with its time. */
  key(fields, time, data) {
    const spans = { whole: [data.from, data.to] };
    const key = { value: 1, start: 0, end: null, curve: EASE, attack: null, release: null, spans };
    for (const what of ["value", "end", "curve", "attack", "release"]) {
      if (!fields[what]) continue;
      key[what] = fields[what].value;
      spans[what] = [fields[what].from, fields[what].to];
    }
    key.start = fields[time].value;
    spans.start = [fields[time].from, fields[time].to];
    return key;
  }

  add(kind, data, fields, keys, check) {
    const nameSpan = [fields.name.from, fields.name.to];
    try {
      this.entries.push({ kind, name: check(), nameSpan, keys, number: this.entries.length + 1, from: data.from, to: data.to });
    } catch (error) {
      if (!(error instanceof TimelineError)) throw error;
      const named = error.about === "name" ? nameSpan : null;
      const span = (error.key ?? keys[0])?.spans[error.about] ?? named ?? error.key?.spans.whole ?? [data.from, data.to];
      throw error.at(placeOf(this.text, ...span));
    }
  }

  item(data, n) {
    const fields = this.fields(data, ITEM, ["name", "start"], `Item ${n}`);
    const name = fields.name.value, label = `Item ${n} ('${name}')`;
    if (["pitch", "yaw", "roll", "x", "y", "z"].includes(name.toLowerCase()) && !fields.value) {
      throw this.error(data, `${label} has no 'value'`, "head channels need one", "Add it");
    }
    const key = this.key(fields, "start", data);
    this.add("item", data, fields, [key], () => checkItem({ ...key, name }, label));
  }

  track(data, n) {
    const fields = this.fields(data, ["name", "keyframes"], ["name", "keyframes"], `Track ${n}`);
    const name = fields.name.value, label = `Track ${n} ('${name}')`;
    const keys = fields.keyframes.value.map((key, i) =>
      this.key(this.fields(key, KEY, ["time", "value"], `${label}, keyframe ${i + 1}`), "time", key));
    this.add("track", data, fields, keys, () => checkTrack(name, keys, label));
  }
}

/** {form, entries, settings} of a timeline in JSON; throws a TimelineError with the place of a mistake. */
export function parseJson(text) {
  const root = new Scanner(text).all(), builder = new Builder(text);
  const top = builder.fields(root, TOP, [], "The timeline");
  const format = top.format?.value ?? FORMAT, version = top.version?.value ?? 1;
  if (format !== FORMAT || version !== 1) {
    const why = `it says format '${format}', version ${version}`;
    throw builder.error(root, "This JSON is not a timeline", why, `Use format '${FORMAT}', version 1`);
  }
  (top.items?.value ?? []).forEach((data, i) => builder.item(data, i + 1));
  (top.tracks?.value ?? []).forEach((data, i) => builder.track(data, i + 1));
  const none = { idle: 1, seed: 0, fps: null, length: null };
  if (!builder.entries.length && !top.duration && !top.idle) {
    const error = builder.error(root, "The timeline is empty", "it has no items and no tracks", "Add an item");
    throw Object.assign(error, { doc: { form: "json", entries: [], settings: none, root, top, duration: 0 } });
  }
  const seed = top.seed?.value ?? 0;
  try {
    checkSeed(seed, "The timeline");
  } catch (error) {
    throw error.at(placeOf(text, top.seed.from, top.seed.to));
  }
  const settings = { idle: top.idle?.value ?? none.idle, seed, fps: top.fps?.value ?? null, length: top.duration?.value ?? null };
  for (const [name, field] of [["idle", top.idle], ["fps", top.fps], ["length", top.duration]]) {
    if (field) builder.entries.push({
      kind: "setting", name, value: field.value, span: [field.from, field.to], from: field.from, to: field.to,
      place: placeOf(text, field.from, field.to), number: builder.entries.length + 1,
    });
  }
  return { form: "json", entries: builder.entries, settings, root, top };
}
