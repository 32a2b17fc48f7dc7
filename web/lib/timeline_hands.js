// What pointer, wheel and keys do to a timeline. `editor` is told of changes: `preview(text)` while something moves,
// `commit(text)` when it is done.
import { addKey, setKeys } from "./timeline_edit.js";
import { rangeOf } from "./timeline_names.js";
import { MAX_SECONDS, untilOf } from "./timeline_rules.js";
import { snap, stepsOf } from "./timeline_rows.js";
import { TimelineView } from "./timeline_view.js";

const REACH = 7; // pixels in which something snaps
const SLACK = 3; // pixels before a press becomes a drag
const LEAST = 0.02; // seconds of an item, and between keys

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const fields = (key, wanted) => Object.fromEntries(Object.entries(wanted).filter(([what, value]) => key[what] !== value));

/** {entry, index, key, at} of an id such as "3.1". */
export function thingOf(doc, id) {
  const [index, at] = (id ?? "").split(".").map(Number);
  const entry = doc.entries[index], key = entry?.keys?.[at];
  return key ? { entry, index, key, at } : null;
}

/** A value in the range of its name, on its grid. */
function valued(name, value, fine) {
  const { low, high } = rangeOf(name), steps = stepsOf(name), step = fine ? steps.fine : steps.step;
  return Number(clamp(Math.round(value / step) * step, low, high).toFixed(3));
}

/** Times that a key may take, between its neighbours. */
function room({ entry, at }) {
  const before = entry.keys[at - 1], after = entry.keys[at + 1];
  return [before ? before.start + LEAST : 0, after ? after.start - LEAST : MAX_SECONDS];
}

const rounded = (time) => Number(clamp(time, 0, MAX_SECONDS).toFixed(3));

/** What a move of an item or key by seconds comes to. */
function moved(thing, seconds) {
  const { entry, key } = thing;
  if (entry.kind === "track") return { start: rounded(clamp(key.start + seconds, ...room(thing))) };
  const by = clamp(seconds, -key.start, MAX_SECONDS - (key.end ?? key.start));
  return { start: rounded(key.start + by), ...(key.end === null ? {} : { end: rounded(key.end + by) }) };
}

/** Times near which something may stick: ends and keys of all others, the playhead, the end of the sound. */
function magnets(editor, id) {
  const times = [0, editor.playhead];
  if (editor.sound) times.push(editor.sound.seconds);
  editor.doc.entries.forEach((entry, index) => entry.keys?.forEach((key, at) => {
    if (`${index}.${at}` === id) return;
    times.push(key.start);
    if (entry.kind === "item") times.push(untilOf(entry.name, key));
  }));
  return times;
}

class Drag {
  constructor(editor, event, target) {
    const id = target.closest("[data-id]").dataset.id;
    Object.assign(this, { editor, id, part: target.dataset.part ?? "body", x: event.clientX, y: event.clientY });
    this.text = editor.text;
    this.doc = editor.doc;
    this.thing = thingOf(this.doc, id);
    this.row = editor.view.rowOf(this.thing.index);
    this.magnets = magnets(editor, id);
    editor.view.frozen = editor.view.rows;
  }

  /** A time as it sticks, or as it is with Alt. */
  stick(time, event) {
    return event.altKey ? rounded(time) : rounded(snap(time, this.magnets, REACH / this.editor.scale));
  }

  move(event) {
    const { view, scale } = this.editor, { entry, key } = this.thing;
    const dx = (event.clientX - this.x) / view.zoom, dy = (event.clientY - this.y) / view.zoom;
    if (!this.began && Math.hypot(dx, dy) < SLACK) return;
    this.began ||= Math.abs(dx) >= Math.abs(dy) ? "time" : "value";
    const seconds = dx / scale, wanted = {};
    const value = () => valued(entry.name, key.value - dy * TimelineView.perPixel(this.row), event.altKey);
    const until = untilOf(entry.name, key);
    if (this.part === "start") {
      wanted.start = clamp(this.stick(key.start + seconds, event), 0, until - LEAST);
      wanted.end = until;
    } else if (this.part === "end") {
      wanted.end = Math.max(this.stick(until + seconds, event), key.start + LEAST);
    } else if (entry.kind === "track") {
      // A key goes where it is led; with Shift it keeps to one direction.
      if (!event.shiftKey || this.began === "time") wanted.start = clamp(this.stick(key.start + seconds, event), ...room(this.thing));
      if (!event.shiftKey || this.began === "value") wanted.value = value();
    } else if (this.began === "time") {
      Object.assign(wanted, moved(this.thing, this.stick(key.start + seconds, event) - key.start));
    } else {
      wanted.value = value();
    }
    const change = fields(key, wanted);
    this.now = Object.keys(change).length ? setKeys(this.text, this.doc, [{ entry, key, fields: change }]) : this.text;
    this.editor.preview(this.now);
  }

  end(keep) {
    this.editor.view.frozen = null;
    if (this.now === undefined) return this.editor.draw();
    if (keep) this.editor.commit(this.now);
    else this.editor.preview(this.text);
  }
}

/** Moves the view along, as an empty place is dragged. */
class Pan {
  constructor(editor, event) {
    Object.assign(this, { editor, x: event.clientX, start: editor.start });
  }

  move(event) {
    const { editor } = this;
    editor.look(this.start - (event.clientX - this.x) / editor.view.zoom / editor.scale, editor.scale);
  }

  end() {}
}

class Scrub {
  constructor(editor, event) {
    this.editor = editor;
    this.magnets = magnets(editor, null);
    this.move(event);
  }

  move(event) {
    const { editor } = this, time = editor.view.point(event).time;
    editor.setPlayhead(rounded(event.altKey ? time : snap(time, this.magnets, REACH / editor.scale)));
  }

  end() {}
}

/** Listens to a view on behalf of an editor. */
export function listen(editor) {
  const { view } = editor;
  let held = null;
  const grab = (surface, begin) => {
    surface.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !editor.able) return;
      held = begin(event);
      if (held) surface.setPointerCapture(event.pointerId);
    });
    surface.addEventListener("mousedown", (event) => event.preventDefault()); // the focus is set by hand
    surface.addEventListener("pointermove", (event) => held && surface.hasPointerCapture(event.pointerId) && held.move(event));
    surface.addEventListener("pointerup", () => {
      const done = held;
      held = null;
      done?.end(true);
    });
    surface.addEventListener("lostpointercapture", () => {
      const done = held;
      held = null;
      done?.end(false);
    });
  };
  let last = null; // the press before: what is pressed is drawn anew, so the browser finds no double click
  grab(view.tracks, (event) => {
    const target = event.target.closest("[data-id]") && event.target;
    const twice = last && event.timeStamp - last.timeStamp < 400 && Math.hypot(event.clientX - last.clientX, event.clientY - last.clientY) < 6;
    last = target || twice ? null : event;
    if (twice && !target && keyAt(editor, event)) return null;
    editor.choose(target ? target.closest("[data-id]").dataset.id : null);
    if (target) view.focus(editor.chosen);
    else editor.root.focus({ preventScroll: true });
    return target ? new Drag(editor, event, target) : new Pan(editor, event);
  });
  for (const surface of [view.ruler, view.wave]) {
    grab(surface, (event) => {
      editor.root.focus({ preventScroll: true });
      return new Scrub(editor, event);
    });
  }
  // On the box, not on the SVG: one that listens for the focus takes it.
  view.scroll.addEventListener("focusin", (event) => {
    const id = event.target.closest?.("[data-id]")?.dataset.id;
    if (id && id !== editor.chosen) editor.choose(id);
  });
  editor.root.addEventListener("wheel", (event) => wheel(editor, event), { passive: false });
  editor.root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && held) {
      const done = held;
      held = null;
      done.end(false);
      event.stopPropagation();
    } else keys(editor, event);
  });
}

/** Adds a key where a line was pressed twice; whether it did. */
function keyAt(editor, event) {
  const { x, y, time } = editor.view.point(event), row = editor.view.rowAt(y);
  if (row?.kind !== "track" || x < editor.view.x(editor.start)) return false;
  const index = row.entries[0], entry = editor.doc.entries[index];
  const start = rounded(event.altKey ? time : snap(time, magnets(editor, null), REACH / editor.scale));
  if (entry.keys.some((key) => Math.abs(key.start - start) < LEAST)) return false;
  const key = { start, value: valued(entry.name, editor.view.valueAt(row, y), event.altKey), curve: "ease_in_out" };
  const at = entry.keys.filter((each) => each.start < start).length;
  editor.commit(addKey(editor.text, editor.doc, entry, key), `${index}.${at}`);
  editor.view.focus(editor.chosen);
  return true;
}

function wheel(editor, event) {
  const { scroll } = editor.view, inMenu = event.target.closest(".menu, .mistake");
  if (inMenu) return event.stopPropagation();
  const turn = event.deltaY || event.deltaX;
  if (event.altKey) {
    const { time } = editor.view.point(event), scale = editor.scale * Math.exp(-turn / 400);
    editor.zoom(scale, time);
  } else if (event.shiftKey) {
    editor.look(editor.start + turn / editor.scale, editor.scale);
  } else if (!event.ctrlKey && !event.metaKey && scroll.contains(event.target) && scroll.scrollHeight > scroll.clientHeight + 1) {
    return event.stopPropagation(); // the tracks scroll by themselves
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

const ARROWS = { ArrowLeft: ["start", -1], ArrowRight: ["start", 1], ArrowUp: ["value", 1], ArrowDown: ["value", -1] };

function keys(editor, event) {
  const typing = event.target.matches("input, select"), ctrl = event.ctrlKey || event.metaKey;
  const done = () => {
    event.preventDefault();
    event.stopPropagation();
  };
  if (event.key === "Escape" && !editor.menu.root.hidden) return done(), editor.menu.close();
  if (typing) return event.stopPropagation();
  if (ctrl && event.key.toLowerCase() === "d") return done(), editor.duplicate();
  if (event.key === "Delete" || event.key === "Backspace") return done(), editor.remove();
  if (ctrl || !editor.able) return; // undo and redo are ComfyUI's own
  const thing = thingOf(editor.doc, event.target.dataset.id);
  const [what, sign] = ARROWS[event.key] ?? [];
  if (!what) return;
  done();
  if (!thing) return editor.setPlayhead(rounded(editor.playhead + (what === "start" ? sign * (event.shiftKey ? 1 : 0.1) : 0)));
  const { entry, key } = thing, steps = stepsOf(entry.name);
  const by = sign * (what === "start" ? (event.altKey ? 0.01 : event.shiftKey ? 1 : 0.1) : event.altKey ? steps.fine : event.shiftKey ? steps.large : steps.step);
  const wanted = what === "start" ? moved(thing, by) : { value: valued(entry.name, key.value + by, true) };
  const change = fields(key, wanted);
  if (Object.keys(change).length) editor.nudge(setKeys(editor.text, editor.doc, [{ entry, key, fields: change }]));
}
