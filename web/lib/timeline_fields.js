// The fields of what is selected in a timeline, and its length.
import { el } from "./dom.js";
import { BEATS, CURVES, rangeOf } from "./timeline_names.js";
import { short, untilOf } from "./timeline_rules.js";
import { stepsOf } from "./timeline_rows.js";
import { LEAST, clamp, edit, moved, rounded } from "./timeline_select.js";
import { say } from "./words.js";

const hint = () => say("Double-click a line for a new key. Shift-click or drag a box for several.");
const keys = () => [
  say("Tab goes from thing to thing; Space keeps what it leaves selected; Ctrl+A selects all."),
  say("Arrows move in time and value, with Shift farther, with Alt finely; Enter edits the value, Escape leaves it."),
  say("Ctrl+D copies behind; Ctrl+C, X and V work through the clipboard; Delete removes."),
  say("Home, End and arrows move the playhead if nothing is selected; + and - zoom; Page Up and Down move along."),
  say("Alt while dragging: nothing snaps. Shift while dragging a key: one direction. Alt or Shift and the wheel: zoom, move along."),
].join("\n");
const LONGEST = 60; // seconds of a rise or fall

const same = (values) => (values.every((value) => value === values[0]) ? values[0] : null);

export class TimelineFields {
  /** `root` and `lengthLabel` are to be placed. `changed(edits)` and `lengthened(seconds or null)` are called when the user is
   *  done with a field, `left()` when Escape leads back to the tracks. */
  constructor(changed, lengthened, left) {
    Object.assign(this, { changed, lengthened, leave: left });
    this.value = this.number(0.05, (value) => this.things.flatMap((thing) => edit(thing, { value: this.fit(thing, value) })));
    this.start = this.number(0.1, (start) => this.begin(start));
    this.end = this.number(0.1, (end) => this.things.flatMap((thing) => edit(thing, { end: rounded(Math.max(end, thing.key.start + LEAST)) })));
    const ramp = (what) => this.number(0.05, (seconds) =>
      this.things.flatMap((thing) => edit(thing, { [what]: seconds === null ? null : clamp(seconds, 0, LONGEST) })), true);
    this.attack = ramp("attack");
    this.release = ramp("release");
    this.curve = el("select", {}, el("option", { value: "", disabled: true, hidden: true }, say("various")),
      ...CURVES.map((curve) => el("option", { value: curve }, curve.replaceAll("_", " "))));
    this.curve.addEventListener("change", () => this.done(this.things.flatMap((thing) => edit(thing, { curve: this.curve.value }))));
    this.length = el("input", { type: "number", min: 0, max: 3600, step: 0.5 });
    this.length.addEventListener("change", () => this.lengthen());
    this.name = el("b");
    const label = (text, input, title) => el("label", { title }, text, input);
    this.labels = {
      value: label(say("Value"), this.value, say("Strength from 0 to 1; degrees or eye distances for the head")),
      start: label(say("Start"), this.start, say("Seconds")), end: label(say("End"), this.end, say("Seconds")),
      curve: label(say("Curve"), this.curve, say("How it comes")),
      attack: label(say("Attack"), this.attack, say("Seconds in which it comes. Empty: 0.35, or less if it is short")),
      release: label(say("Release"), this.release, say("Seconds in which it goes. Empty: 0.35, or less if it is short")),
    };
    this.hint = el("span", { class: "hint", title: `${hint()}\n${keys()}` }, hint());
    this.lengthLabel = label(say("Length"), this.length, say("Seconds of the motion, written into the text. Empty: as long as the sound or the directions."));
    const { value, start, end, curve, attack, release } = this.labels;
    this.root = el("div", { class: "bar fields" }, this.hint, this.name, value, start, end, curve, el("span", { class: "break" }), attack, release);
  }

  /** A field; `edits(number)` says what it changes. With `optional`, it may be empty: null. */
  number(step, edits, optional = false) {
    const input = el("input", { type: "number", step });
    input.addEventListener("change", () => {
      const given = input.value === "" ? null : Number(input.value);
      if (given === null ? optional && !input.validity.badInput : Number.isFinite(given)) this.done(edits(given));
      else this.again();
    });
    return input;
  }

  fit({ entry }, value) {
    const { low, high } = rangeOf(entry.name);
    return clamp(value, low, high);
  }

  /** All of it moves so that the first begins at a time; a thing alone keeps its end. */
  begin(start) {
    const { things } = this, first = things.reduce((least, { key }) => Math.min(least, key.start), Infinity);
    const [{ entry, key }] = things;
    if (things.length > 1 || entry.kind === "track") return moved(things, start - first);
    const last = key.end === null ? 3600 : key.end - LEAST;
    return edit(things[0], { start: rounded(clamp(start, 0, last)) });
  }

  lengthen() {
    const given = Number(this.length.value);
    if (this.length.value === "" && !this.length.validity.badInput) this.lengthened(null);
    else if (given > 0 && given <= 3600) this.lengthened(given);
    else this.again();
  }

  done(edits) {
    if (edits.length) this.changed(edits);
    else this.again();
  }

  /** Shows what is there again, after something was typed that cannot be. */
  again() {
    this.show(this.things, this.doc, this.seconds, this.able);
  }

  /** To the value, to be typed. */
  focus() {
    this.value.focus({ preventScroll: true });
    this.value.select();
  }

  show(things, doc, seconds, able) {
    Object.assign(this, { things, doc, seconds, able });
    const there = (part, is) => (part.style.display = is ? "" : "none");
    for (const part of [this.name, ...Object.values(this.labels)]) there(part, things.length);
    there(this.hint, !things.length);
    for (const input of [this.value, this.start, this.end, this.curve, this.attack, this.release, this.length]) input.disabled = !able;
    this.length.value = doc.settings.length === null ? "" : short(doc.settings.length);
    this.length.placeholder = short(Number(seconds.toFixed(2)));
    if (!things.length) return;
    const [{ entry, key }] = things, alone = things.length === 1, items = things.every((each) => each.entry.kind === "item");
    const held = things.every((each) => each.entry.kind === "track" || !(each.entry.name in BEATS));
    const { low, high } = rangeOf(entry.name);
    Object.assign(this.value, { min: low, max: high, step: stepsOf(entry.name).step });
    this.name.textContent = alone ? entry.name : say("{count} selected", { count: things.length });
    this.name.title = alone ? entry.name : [...new Set(things.map((each) => each.entry.name))].slice(0, 20).join(", ");
    const put = (input, value) => (input.value = value === null ? "" : short(value));
    put(this.value, same(things.map((each) => each.key.value)));
    this.value.placeholder = say("mixed");
    put(this.start, things.reduce((least, each) => Math.min(least, each.key.start), Infinity));
    put(this.end, alone && items ? untilOf(entry.name, key) : null);
    for (const what of ["attack", "release"]) {
      const value = same(things.map((each) => each.key[what]));
      put(this[what], value);
      this[what].placeholder = things.every((each) => each.key[what] === null) ? say("auto") : say("various");
    }
    this.curve.value = same(things.map((each) => each.key.curve)) ?? "";
    this.labels.start.firstChild.textContent = items ? say("Start") : say("Time");
    there(this.labels.end, alone && items);
    there(this.labels.curve, held);
    for (const what of ["attack", "release"]) there(this.labels[what], items && held);
  }
}
