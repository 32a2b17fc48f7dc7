// Reads the text of a timeline as engine/motion/timeline_text.py does, and remembers where each thing stands, so
// that timeline_edit.js can change one number and leave everything else as it was written.
import { parseJson } from "./timeline_json.js";
import {
  EASE, EXAMPLE, TimelineError, checkItem, checkSeed, checkTrack, checkWhole, durationOf, isHead, short,
} from "./timeline_rules.js";

const MAX_CHARACTERS = 2_000_000;
const SETTINGS = ["idle", "seed", "fps", "length"];
// What Python calls blank, a line end, a letter and a digit.
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;
const WORD = "\\p{L}\\p{N}_";
const NUMBER = "(?:\\p{Nd}+\\.?\\p{Nd}*|\\.\\p{Nd}+)(?:[eE][+-]?\\p{Nd}+)?";
const TOKEN = `(?<number>${NUMBER})(?:s(?![${WORD}]))?|(?<word>[\\p{L}\\p{Nl}\\p{No}_][${WORD}]*)|(?<mark>[@,=–-])|(?<bad>[^${BLANK}])`;
const TOKENS = new RegExp(TOKEN, "gu");
// The same for plain ASCII, which is several times as fast.
const PLAIN = /(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:s(?![A-Za-z0-9_]))?|(?<word>[A-Za-z_]\w*)|(?<mark>[@,=-])|(?<bad>[^\t-\r\x1c-\x20])/g;
const ASCII = /^[\0-\x7f]*$/, SPACE = new RegExp(`[${BLANK}]`);

/** Where a text begins and ends without the blanks around it. */
function bounds(text) {
  let from = 0, to = text.length;
  while (from < to && SPACE.test(text[from])) from++;
  while (to > from && SPACE.test(text[to - 1])) to--;
  return [from, to];
}

const strip = (text) => text.slice(...bounds(text));
// In characters as Python counts them: those outside the first plane are two here.
const count = (text) => (/[\ud800-\udfff]/.test(text) ? [...text].length : text.length);

/** Digits of any script as a number. */
function toNumber(text) {
  if (ASCII.test(text)) return Number(text);
  const ascii = text.replace(/(?![0-9])\p{Nd}/gu, (digit) => {
    let value = digit.codePointAt(0), steps = 0;
    while (/\p{Nd}/u.test(String.fromCodePoint(value - 1))) [value, steps] = [value - 1, steps + 1];
    return String(steps % 10);
  });
  return Number(ascii);
}

/** The tokens of one item, and mistakes that say where. Columns are counted only for mistakes: texts can be long. */
class Reader {
  /** `part` stands at `offset` of the whole text, after `before` characters of its line. */
  constructor(part, number, line, before, offset) {
    const [first, last] = bounds(part);
    Object.assign(this, { part, nth: number, line, before, offset, from: offset + first, to: offset + last, at: 0 });
    this.tokens = [...part.matchAll(ASCII.test(part) ? PLAIN : TOKENS)].map((match) => {
      const { number: digits, word, mark, bad } = match.groups;
      const kind = digits !== undefined ? "number" : word !== undefined ? "word" : mark !== undefined ? "mark" : "bad";
      const from = offset + match.index;
      return { kind, text: digits ?? word ?? mark ?? bad, from, to: from + match[0].length };
    });
  }

  spot({ from, to }) {
    return { from, to, line: this.line, column: this.before + count(this.part.slice(0, from - this.offset)) + 1 };
  }

  get place() {
    return this.spot(this);
  }

  get label() {
    const shown = [...this.part.slice(this.from - this.offset, this.to - this.offset).slice(0, 120)].slice(0, 60).join("");
    return `Item ${this.nth} ('${shown}', line ${this.line}, column ${this.place.column})`;
  }

  peek(kind = "", text = "") {
    const token = this.tokens[this.at];
    return Boolean(token) && (!kind || token.kind === kind) && (!text || token.text === text);
  }

  take() {
    return this.tokens[this.at++];
  }

  accept(text) {
    return this.peek("mark", text) ? this.take() : null;
  }

  get done() {
    return this.at >= this.tokens.length;
  }

  fail(wanted) {
    const token = this.tokens[this.at], place = this.spot(token ?? this);
    const why = token
      ? `${wanted} expected, '${token.text}' found in column ${place.column}`
      : `${wanted} expected, but it ends there`;
    return new TimelineError(`${this.label} cannot be read`, why, `Write it like '${EXAMPLE}'`, place);
  }

  error(what, why, remedy, at = this) {
    return new TimelineError(this.label + what, why, remedy, this.spot(at));
  }

  /** A number with an optional minus: {value, from, to}. */
  number(wanted) {
    const minus = this.accept("-");
    if (!this.peek("number")) throw this.fail(wanted);
    const token = this.take();
    const value = toNumber(token.text);
    return { value: minus ? -value : value, from: (minus ?? token).from, to: token.to };
  }
}

const span = ({ from, to }) => [from, to];

/** `[value] @start[-end] [curve] [attack=s] [release=s]` with the place of each. */
function readKey(reader, name) {
  const first = reader.tokens[reader.at];
  const spans = {};
  const key = { value: null, start: 0, end: null, curve: EASE, attack: null, release: null, spans };
  const put = (what, number) => {
    key[what] = number.value;
    spans[what] = span(number);
  };
  if (reader.peek("number") || reader.peek("mark", "-")) put("value", reader.number("a value"));
  const at = reader.accept("@");
  if (!at) throw reader.fail("'@' and a time in seconds");
  spans.at = span(at);
  put("start", reader.number("a time in seconds"));
  if (reader.accept("-") || reader.accept("–")) put("end", reader.number("an end in seconds"));
  if (key.value === null && isHead(name)) {
    throw reader.error(
      `: '${name}' has no value`,
      "head channels need one: degrees for pitch, yaw and roll, eye distances for x, y and z",
      `Write '${name} 8 @${short(key.start)}'`,
    );
  }
  key.value ??= 1;
  readMore(reader, key, spans);
  if (!reader.done && !reader.peek("mark", ",")) throw reader.fail("';' or a curve");
  const last = reader.tokens[reader.at - 1];
  spans.whole = [first.from, last.to];
  return key;
}

function readMore(reader, key, spans) {
  const seen = new Set();
  while (reader.peek("word")) {
    const word = reader.take();
    let what = "curve", got = { value: word.text, from: word.from, to: word.to };
    if (reader.accept("=")) {
      if (word.text !== "attack" && word.text !== "release") {
        throw reader.error(
          `: unknown setting '${word.text}='`, "known are attack= and release=", "Remove it", word,
        );
      }
      what = word.text;
      got = reader.number("a number of seconds");
    }
    if (seen.has(what)) {
      throw reader.error(`: two values for its ${what}`, `'${got.value}' is the second`, "Remove one", word);
    }
    seen.add(what);
    key[what] = got.value;
    spans[what] = span(got);
  }
}

function readSetting(reader, key, settings) {
  let value, place;
  const word = reader.peek("word") ? reader.tokens[reader.at].text.toLowerCase() : "";
  if (key === "idle" && (word === "on" || word === "off")) {
    place = reader.take();
    value = word === "on" ? 1 : 0;
  } else {
    place = reader.number("a number" + (key === "idle" ? ", on or off" : ""));
    value = place.value;
  }
  if (!reader.done) throw reader.fail("nothing more");
  if (key === "seed") {
    try {
      checkSeed(value, reader.label);
    } catch (error) {
      throw error.at(reader.place);
    }
  }
  settings[key] = value;
  return { kind: "setting", name: key, value, span: span(place) };
}

function readEntry(reader, settings, seen) {
  if (!reader.peek("word")) throw reader.fail("a name");
  const word = reader.take();
  const lower = word.text.toLowerCase();
  if (SETTINGS.includes(lower) && !reader.peek("mark", "@")) {
    if (seen.has(lower)) throw reader.error(`: '${lower}' is set twice`, "it can have one value", "Remove one of them");
    seen.add(lower);
    return readSetting(reader, lower, settings);
  }
  const name = word.text;
  const keys = [readKey(reader, name)];
  try {
    if (!reader.peek("mark", ",")) {
      return { kind: "item", name: checkItem({ ...keys[0], name }, () => reader.label), nameSpan: span(word), keys };
    }
    while (reader.accept(",")) if (!reader.done) keys.push(readKey(reader, name));
    if (keys.some((key) => key.end !== null || key.attack !== null || key.release !== null)) {
      throw reader.error(
        ": a keyframe has an end, an attack or a release",
        "items separated by commas are keyframes, which have one time each", "Separate items by ';'",
      );
    }
    return { kind: "track", name: checkTrack(name, keys, () => reader.label), nameSpan: span(word), keys };
  } catch (error) {
    if (!(error instanceof TimelineError)) throw error;
    const key = error.key ?? keys[0], part = error.about === "name" ? span(word) : key.spans[error.about];
    const [from, to] = part ?? error.key?.spans.whole ?? span(reader);
    throw error.at(reader.spot({ from, to }));
  }
}

/** The lines of a text with their offsets, ended as Python ends them. */
function* linesOf(text) {
  let from = 0, number = 1;
  for (const match of text.matchAll(LINE_END)) {
    yield { text: text.slice(from, match.index), offset: from, number: number++ };
    from = match.index + match[0].length;
  }
  if (from < text.length) yield { text: text.slice(from), offset: from, number };
}

function parseText(text) {
  const entries = [], seen = new Set();
  const settings = { idle: 1, seed: 0, fps: null, length: null };
  for (const line of linesOf(text)) {
    let begin = 0, before = 0;
    for (const part of line.text.split("#", 1)[0].split(";")) {
      if (strip(part)) {
        const reader = new Reader(part, entries.length + 1, line.number, before, line.offset + begin);
        const { from, to, place } = reader;
        entries.push({ ...readEntry(reader, settings, seen), number: entries.length + 1, from, to, place });
      }
      begin += part.length + 1;
      before += count(part) + 1;
    }
  }
  if (!entries.length) {
    throw new TimelineError("The timeline is empty", "there are only comments", `Write '${EXAMPLE}', say`);
  }
  return { form: "text", entries, settings };
}

/** A timeline from text or JSON: {form, entries, settings, duration}. Entries are items, tracks and settings in the
 *  order of the text, each with its keys and where they stand. Throws a TimelineError with the place of a mistake. */
export function parse(text) {
  if (count(text) > MAX_CHARACTERS) {
    const why = `it has ${count(text)} characters, at most ${MAX_CHARACTERS} are possible`;
    throw new TimelineError("The timeline is too long", why, "Split it");
  }
  if (!strip(text)) throw new TimelineError("The timeline is empty", "there is no text", `Write '${EXAMPLE}', say`);
  const data = "{[".includes(strip(text)[0]) ? parseJson(text) : parseText(text);
  checkWhole(data.entries, data.settings);
  return { ...data, duration: durationOf(data.entries, data.settings) };
}
