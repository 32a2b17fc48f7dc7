// Draws a timeline: ruler, tracks, a bar to move along it, waveform. It knows where everything is; what happens to it is decided elsewhere.
import { el, svg } from "./dom.js";
import { rowsOf, tickOf } from "./timeline_rows.js";
import { short, untilOf } from "./timeline_rules.js";
import { pointsOfItem, pointsOfTrack } from "./timeline_shape.js";
import { ALONG, LABELS, ROW, RULER, WAVE } from "./timeline_style.js";
import { wavePath } from "./waveform.js";
import { say } from "./words.js";

const PAD = 6; // above and below the values of a track
const MANY = 40; // tracks above which only those in sight are drawn
const CROWD = 120; // things of a track above which those too small to be pressed are drawn as one

/** State to draw: {doc, seconds (of the motion), sound, selection (ids), lead (the id in the fields), band, playhead, start,
 *  scale (pixels a second)}. */
export class TimelineView {
  constructor() {
    this.ruler = svg("svg", { class: "ruler", height: RULER, "aria-hidden": "true" });
    this.tracks = svg("svg", { class: "tracks", height: ROW });
    this.scroll = el("div", { class: "scroll", tabindex: -1 }, this.tracks);
    this.bar = svg("svg", { class: "along", height: ALONG, "aria-hidden": "true" });
    this.wave = svg("svg", { class: "wave", height: WAVE, role: "img", "aria-label": say("Waveform") });
    this.scroll.addEventListener("scroll", () => this.rows?.length > MANY && this.draw(this.state));
    this.frozen = null; // the tracks of a drag's begin, by what is in them: none must change its scale under the pointer
  }

  get width() {
    return Math.max(this.scroll.clientWidth, LABELS + 60);
  }

  x(time) {
    return LABELS + (time - this.state.start) * this.state.scale;
  }

  time(x) {
    return this.state.start + (x - LABELS) / this.state.scale;
  }

  /** Pixels on the screen for each pixel here: the canvas is zoomed. */
  get zoom() {
    return this.scroll.getBoundingClientRect().width / Math.max(this.scroll.offsetWidth, 1) || 1;
  }

  /** Where a pointer is: {x, y, time} in the drawing of the tracks. */
  point(event) {
    const box = this.tracks.getBoundingClientRect();
    const x = (event.clientX - box.left) / this.zoom, y = (event.clientY - box.top) / this.zoom;
    return { x, y, time: this.time(x) };
  }

  /** The height of a value in a track, from its upper edge. */
  static y(row, value) {
    const share = (Math.min(Math.max(value, row.low), row.high) - row.low) / (row.high - row.low);
    return PAD + (1 - share) * (ROW - 2 * PAD);
  }

  /** What one pixel up is worth in a track. */
  static perPixel(row) {
    return (row.high - row.low) / (ROW - 2 * PAD);
  }

  valueAt(row, y) {
    const inside = y - PAD - this.rows.indexOf(row) * ROW;
    return Math.min(Math.max(row.high - inside * TimelineView.perPixel(row), row.low), row.high);
  }

  rowAt(y) {
    return this.rows[Math.floor(y / ROW)] ?? null;
  }

  /** The track of an entry. */
  rowOf(index) {
    return this.rows[this.numbers.get(index)];
  }

  /** Keeps the scales of the tracks while something is dragged. */
  freeze() {
    this.frozen = new Map(this.rows.map((row) => [row.entries.join(), row]));
  }

  /** The ids of what lies in a box from one point to another. */
  within(a, b) {
    const [x0, x1] = [Math.min(a.x, b.x), Math.max(a.x, b.x)], [y0, y1] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
    const found = [];
    this.rows.forEach((row, i) => {
      if ((i + 1) * ROW < y0 || i * ROW > y1) return;
      for (const index of row.entries) {
        const { name, keys } = this.state.doc.entries[index];
        keys.forEach((key, at) => {
          const from = this.x(key.start), to = row.kind === "item" ? this.x(untilOf(name, key)) : from;
          const y = i * ROW + TimelineView.y(row, key.value), inside = row.kind === "item" || (y >= y0 - 3 && y <= y1 + 3);
          if (inside && to >= x0 && from <= x1) found.push(`${index}.${at}`);
        });
      }
    });
    return found;
  }

  draw(state) {
    this.state = state;
    const focused = this.tracks.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    this.rows = rowsOf(state.doc).map((row) => {
      const { low, high } = this.frozen?.get(row.entries.join()) ?? row;
      return { ...row, low, high };
    });
    this.numbers = new Map(this.rows.flatMap((row, i) => row.entries.map((index) => [index, i])));
    this.drawRuler();
    this.drawBar();
    this.drawWave(); // these come and go, and leave the tracks the rest of the height
    const height = Math.max(this.rows.length * ROW, this.scroll.clientHeight, ROW);
    this.tracks.setAttribute("height", height);
    this.tracks.replaceChildren(...this.background(height), this.content(), ...this.labels(height), ...this.cursor(height), ...this.band());
    if (focused) this.focus(state.lead ?? focused);
  }

  band() {
    if (!this.state.band) return [];
    const { a, b } = this.state.band, x = Math.max(Math.min(a.x, b.x), LABELS);
    const width = Math.max(Math.max(a.x, b.x) - x, 0);
    return [svg("rect", { class: "band", x, y: Math.min(a.y, b.y), width, height: Math.abs(a.y - b.y) })];
  }

  focus(id) {
    this.tracks.querySelector(`[data-id="${id}"]`)?.focus({ preventScroll: true });
  }

  /** Brings the track of an entry into sight. */
  reveal(index) {
    const row = this.numbers.get(index);
    if (row === undefined) return;
    const top = row * ROW, seen = this.scroll.clientHeight;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    else if (top + ROW > this.scroll.scrollTop + seen) this.scroll.scrollTop = top + ROW - seen;
  }

  *ticks() {
    const step = tickOf(this.state.scale), last = this.time(this.width);
    for (let n = Math.ceil(this.state.start / step - 1e-9); n * step <= last; n++) yield Number((n * step).toFixed(3));
  }

  background(height) {
    const out = [...this.ticks()].map((time) =>
      svg("line", { class: "grid", x1: this.x(time), x2: this.x(time), y1: 0, y2: height }));
    const end = this.x(this.state.seconds);
    if (end < this.width) {
      const from = Math.max(end, LABELS);
      out.push(svg("rect", { class: "past", x: from, y: 0, width: this.width - from, height }));
    }
    for (const i of this.seen()) out.push(svg("line", { class: "line", x1: 0, x2: this.width, y1: (i + 1) * ROW, y2: (i + 1) * ROW }));
    return out;
  }

  /** The numbers of the rows to draw. */
  seen() {
    const all = this.rows.map((_, i) => i);
    if (all.length <= MANY) return all;
    const first = Math.floor(this.scroll.scrollTop / ROW) - 2;
    return all.slice(Math.max(first, 0), first + Math.ceil(this.scroll.clientHeight / ROW) + 5);
  }

  content() {
    // A drawing of its own, so that it ends where the labels begin.
    const inner = svg("svg", { x: LABELS, width: this.width - LABELS, height: this.rows.length * ROW, overflow: "hidden", style: "width: auto" });
    const shift = svg("g", { transform: `translate(${-LABELS} 0)` });
    for (const i of this.seen()) {
      const row = this.rows[i], group = svg("g", { class: row.sort, transform: `translate(0 ${i * ROW})` });
      if (row.kind === "item") group.append(...this.blocks(row));
      else group.append(...this.line(row, row.entries[0]));
      shift.append(group);
    }
    inner.append(shift);
    return inner;
  }

  /** The items of a track; where there are many, those too short to be pressed are one drawing. */
  blocks(row) {
    const out = [], crowd = { plain: [], chosen: [] };
    for (const index of row.entries) {
      const { name, keys: [key] } = this.state.doc.entries[index], id = `${index}.0`;
      const x0 = this.x(key.start), x1 = this.x(untilOf(name, key));
      if (x1 < LABELS - 20 || x0 > this.width + 20) continue;
      if (row.entries.length <= CROWD || x1 - x0 > 5 || id === this.state.lead) out.push(this.block(row, index, x0, x1));
      else crowd[this.state.selection.has(id) ? "chosen" : "plain"].push([x0, x1]);
    }
    const all = Object.entries(crowd).filter(([, spans]) => spans.length);
    return [...all.map(([what, spans]) => this.crowd(what, spans)), ...out];
  }

  crowd(what, spans) {
    const boxes = spans.map(([x0, x1]) => `M${x0.toFixed(1)} 2h${Math.max(x1 - x0, 1).toFixed(1)}v${ROW - 4}H${x0.toFixed(1)}z`);
    const path = svg("path", { class: `crowd ${what}`, d: boxes.join("") });
    path.append(svg("title", {}, say("Show less time to reach single ones (Alt and the wheel)")));
    return path;
  }

  block(row, index, x0, x1) {
    const entry = this.state.doc.entries[index], key = entry.keys[0], id = `${index}.0`;
    const end = untilOf(entry.name, key), wide = Math.max(x1 - x0, 4);
    const path = pointsOfItem(entry.name, key)
      .map(([time, share]) => `${this.x(time).toFixed(1)},${TimelineView.y(row, share * key.value).toFixed(1)}`);
    const values = { name: entry.name, value: short(key.value), start: short(key.start), end: short(end) };
    const said = say("{name}, {value}, {start} to {end} seconds", values);
    const grip = Math.min(7, wide / 3);
    const group = this.thing(id, said,
      svg("rect", { class: "block", "data-part": "body", x: x0, y: 2, width: wide, height: ROW - 4, rx: 4 }),
      svg("path", { class: "shape", d: `M${path.join("L")}Z` }),
      svg("rect", { "data-part": "start", x: x0 - 2, y: 2, width: grip + 2, height: ROW - 4 }),
      svg("rect", { "data-part": "end", x: x1 - grip, y: 2, width: grip + 2, height: ROW - 4 }));
    if (wide > 34) group.append(svg("text", { x: Math.max(x0, LABELS) + 5, y: 14, "pointer-events": "none" }, short(key.value)));
    return group;
  }

  line(row, index) {
    const { keys, name } = this.state.doc.entries[index];
    const at = ([time, value]) => `${this.x(time).toFixed(1)},${TimelineView.y(row, value).toFixed(1)}`;
    const first = [keys[0].start, keys[0].value], last = [keys.at(-1).start, keys.at(-1).value];
    const edge = Math.max(this.state.seconds, last[0]);
    const out = [
      svg("path", { class: "curve held", d: `M${at([Math.min(0, first[0]), first[1]])}L${at(first)}M${at(last)}L${at([edge, last[1]])}` }),
      svg("path", { class: "curve", d: `M${pointsOfTrack(keys, this.state.start, this.time(this.width), 3 / this.state.scale).map(at).join("L")}` }),
    ];
    let before = -Infinity;
    keys.forEach((key, i) => {
      const cx = this.x(key.start), cy = TimelineView.y(row, key.value);
      if (cx < LABELS - 20 || cx > this.width + 20) return;
      if (keys.length > CROWD && cx - before < 6 && `${index}.${i}` !== this.state.lead) return;
      before = cx;
      const values = { name, value: short(key.value), time: short(key.start), curve: key.curve };
      const said = say("{name} key, {value} at {time} seconds, {curve}", values);
      out.push(this.thing(`${index}.${i}`, said,
        svg("circle", { class: "hit", "data-part": "key", cx, cy, r: 10 }), svg("circle", { class: "key", "data-part": "key", cx, cy, r: 5 })));
    });
    return out;
  }

  thing(id, said, ...parts) {
    const chosen = this.state.selection.has(id);
    const group = svg("g", {
      "data-id": id, tabindex: 0, role: "button", "aria-label": said, "aria-pressed": String(chosen), class: chosen ? "chosen" : null,
    }, ...parts);
    group.append(svg("title", {}, said));
    return group;
  }

  labels(height) {
    const out = [svg("rect", { class: "labels", x: 0, y: 0, width: LABELS, height })];
    for (const i of this.seen()) {
      const row = this.rows[i], y = i * ROW;
      const text = svg("text", { x: 12, y: y + 18, class: "name", "data-row": i }, row.name.length > 16 ? `${row.name.slice(0, 15)}…` : row.name);
      text.append(svg("title", {}, row.name));
      out.push(svg("g", { class: row.sort }, svg("rect", { class: "shape", x: 3, y: y + 6, width: 3, height: ROW - 12, rx: 1.5 }), text));
      const range = row.low ? say("{low} to {high}", { low: short(row.low), high: `${short(row.high)}${row.high >= 5 ? "°" : ""}` }) : "";
      out.push(svg("text", { class: "tick", x: 12, y: y + 31 }, range));
      out.push(svg("line", { class: "line", x1: 0, x2: LABELS, y1: y + ROW, y2: y + ROW }));
    }
    out.push(svg("line", { class: "line", x1: LABELS, x2: LABELS, y1: 0, y2: height }));
    return out;
  }

  cursor(height) {
    const x = this.x(this.state.playhead);
    return x < LABELS || x > this.width ? [] : [svg("line", { class: "playhead", x1: x, x2: x, y1: 0, y2: height, "pointer-events": "none" })];
  }

  drawRuler() {
    const out = [svg("rect", { class: "hit", x: 0, y: 0, width: this.width, height: RULER })];
    for (const time of this.ticks()) {
      const x = this.x(time);
      out.push(svg("line", { class: "line", x1: x, x2: x, y1: 13, y2: RULER }));
      if (x + 34 < this.width) out.push(svg("text", { class: "tick", x: x + 3, y: 11 }, `${short(time)} s`));
    }
    const at = this.x(this.state.playhead);
    if (at >= LABELS && at <= this.width) {
      out.push(svg("path", { class: "head", d: `M${at - 5} 10h10l-5 9z` }));
      out.push(svg("line", { class: "playhead", x1: at, x2: at, y1: 18, y2: RULER }));
    }
    this.ruler.replaceChildren(...out);
  }

  /** The bar that tells which part is in sight; nothing if all is. */
  drawBar() {
    const { start, seconds, doc } = this.state, room = this.width - LABELS, last = this.time(this.width);
    const whole = Math.max(seconds, doc.duration, last);
    this.bar.style.display = start > 0.01 || last < Math.max(seconds, doc.duration) - 0.01 ? "" : "none";
    const x = LABELS + (start / whole) * room, width = Math.max(((last - start) / whole) * room, 16);
    this.perBar = whole / room; // seconds for each pixel of the bar
    this.bar.replaceChildren(
      svg("rect", { class: "groove", x: LABELS, y: 1, width: room, height: ALONG - 2, rx: (ALONG - 2) / 2 }),
      svg("rect", { class: "thumb", x: Math.min(x, LABELS + room - width), y: 1, width, height: ALONG - 2, rx: (ALONG - 2) / 2 }));
  }

  drawWave() {
    const { sound, start } = this.state;
    this.wave.style.display = sound ? "" : "none";
    if (!sound) return;
    const inner = svg("svg", { x: LABELS, width: this.width - LABELS, height: WAVE, overflow: "hidden", style: "width: auto" });
    inner.append(wavePath(sound, (time) => this.x(time) - LABELS, WAVE, start, this.time(this.width)));
    const label = svg("text", { class: "tick", x: 12, y: WAVE / 2 + 4 }, `sound ${short(Number(sound.seconds.toFixed(2)))} s`);
    this.wave.replaceChildren(inner, label, ...this.cursor(WAVE));
  }
}
