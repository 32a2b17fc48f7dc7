// The fields of what is selected in a timeline, and its length.
import { el } from "./dom.js";
import { CURVES, rangeOf } from "./timeline_names.js";
import { short, untilOf } from "./timeline_rules.js";
import { stepsOf } from "./timeline_rows.js";

export class TimelineFields {
  /** `root` and `lengthLabel` are to be placed. `changed(fields)` and `lengthened(seconds or null)` are called when the user is done with a field. */
  constructor(changed, lengthened) {
    const number = (step, done) => {
      const input = el("input", { type: "number", step });
      input.addEventListener("change", () => {
        const given = Number(input.value);
        if (input.value !== "" && Number.isFinite(given)) done(given);
        else this.again();
      });
      return input;
    };
    this.value = number(0.05, (value) => this.put({ value: Math.min(Math.max(value, this.range.low), this.range.high) }));
    this.start = number(0.1, (start) => this.put(this.starting(start)));
    this.end = number(0.1, (end) => this.put({ end: Math.min(Math.max(end, this.thing.key.start + 0.01), 3600) }));
    this.curve = el("select", {}, ...CURVES.map((curve) => el("option", { value: curve }, curve)));
    this.curve.addEventListener("change", () => this.put({ curve: this.curve.value }));
    this.length = el("input", { type: "number", min: 0, max: 3600, step: 0.5 });
    this.length.addEventListener("change", () => {
      const given = Number(this.length.value);
      if (this.length.value === "") lengthened(null);
      else if (given > 0 && given <= 3600) lengthened(given);
      else this.again();
    });
    this.changed = changed;
    this.name = el("b");
    const label = (text, input) => el("label", {}, text, input);
    this.labels = { value: label("Value", this.value), start: label("Start", this.start), end: label("End", this.end), curve: label("Curve", this.curve) };
    this.hint = el("span", { class: "hint" }, "Click a block or a key, or Tab to it. Double-click a line for a new key.");
    this.lengthLabel = label("Length", this.length);
    this.lengthLabel.title = "Seconds of the motion, written into the text. Empty: as long as the sound or the directions.";
    this.root = el("div", { class: "bar fields" }, this.hint, this.name, ...Object.values(this.labels));
  }

  put(fields) {
    if (!this.thing) return;
    const known = Object.entries(fields).every(([what, value]) => this.thing.key[what] === value);
    if (known) this.again();
    else this.changed(fields);
  }

  /** A start that stays before the end, and between the keys beside it. */
  starting(start) {
    const { entry, key, at } = this.thing;
    const low = entry.keys[at - 1] ? entry.keys[at - 1].start + 0.01 : 0;
    const high = entry.keys[at + 1] ? entry.keys[at + 1].start - 0.01 : key.end === null ? 3600 : key.end - 0.01;
    return { start: Math.min(Math.max(start, low), high) };
  }

  /** Shows what is there again, after something was typed that cannot be. */
  again() {
    this.show(this.thing, this.doc, this.seconds, this.able);
  }

  show(thing, doc, seconds, able) {
    Object.assign(this, { thing, doc, seconds, able });
    for (const part of [this.name, ...Object.values(this.labels)]) part.style.display = thing ? "" : "none";
    this.hint.style.display = thing ? "none" : "";
    for (const input of [this.value, this.start, this.end, this.curve, this.length]) input.disabled = !able;
    this.length.value = doc.settings.length === null ? "" : short(doc.settings.length);
    this.length.placeholder = `${short(Number(seconds.toFixed(2)))}`;
    if (!thing) return;
    const { entry, key } = thing;
    this.range = rangeOf(entry.name);
    Object.assign(this.value, { min: this.range.low, max: this.range.high, step: stepsOf(entry.name).step });
    this.name.textContent = entry.name;
    this.name.title = entry.name;
    this.value.value = short(key.value);
    this.start.value = short(key.start);
    this.end.value = short(untilOf(entry.name, key));
    this.curve.value = key.curve;
    this.labels.start.firstChild.textContent = entry.kind === "track" ? "Time" : "Start";
    this.labels.end.style.display = entry.kind === "track" ? "none" : "";
  }
}
