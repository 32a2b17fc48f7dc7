// What a pointer does to a timeline. `editor` is told of changes: `preview(text)` while something moves, `commit(text)`
// when it is done.
import { addKey, setKeys } from "./timeline_edit.js";
import { untilOf } from "./timeline_rules.js";
import { snap } from "./timeline_rows.js";
import { LEAST, clamp, edit, magnets, moved, raised, rounded, thingOf, valued } from "./timeline_select.js";
import { LABELS } from "./timeline_style.js";
import { TimelineView } from "./timeline_view.js";

const REACH = 7; // pixels in which something snaps
const SLACK = 3; // pixels before a press becomes a drag

/** A time as it sticks to others, or as it is with Alt. */
const stuck = (editor, time, others, event) => rounded(event.altKey ? time : snap(time, others, REACH / editor.scale));

/** Moves what is selected, or an edge of one thing. */
class Drag {
  constructor(editor, event, target) {
    const { id } = target.closest("[data-id]").dataset;
    Object.assign(this, { editor, id, x: event.clientX, y: event.clientY, text: editor.text, doc: editor.doc });
    this.thing = thingOf(this.doc, id);
    this.things = editor.things;
    this.part = this.things.length === 1 ? (target.dataset.part ?? "body") : "body";
    this.magnets = magnets(editor, editor.selection);
    editor.view.freeze();
  }

  move(event) {
    const { view, scale } = this.editor, { x, y } = this;
    const dx = (event.clientX - x) / view.zoom, dy = (event.clientY - y) / view.zoom;
    if (!this.began && Math.hypot(dx, dy) < SLACK) return;
    this.began ||= Math.abs(dx) >= Math.abs(dy) ? "time" : "value";
    const edits = this.edits(dx / scale, dy, event);
    this.now = edits.length ? setKeys(this.text, this.doc, edits) : this.text;
    this.editor.preview(this.now);
  }

  edits(seconds, dy, event) {
    const { thing, things, part } = this, { entry, key } = thing;
    const stick = (time) => stuck(this.editor, time, this.magnets, event), until = untilOf(entry.name, key);
    if (part === "start") return edit(thing, { start: clamp(stick(key.start + seconds), 0, until - LEAST), end: until });
    if (part === "end") return edit(thing, { end: Math.max(stick(until + seconds), key.start + LEAST) });
    const by = ({ index }) => -dy * TimelineView.perPixel(this.editor.view.rowOf(index));
    const later = () => moved(things, stick(key.start + seconds) - key.start);
    const higher = () => raised(things, by, event.altKey);
    // A key alone goes where it is led; with Shift it keeps to one direction, as do items and many things.
    if (things.length > 1 || entry.kind === "item" || event.shiftKey) return this.began === "time" ? later() : higher();
    return [...later(), ...higher()];
  }

  end(keep) {
    const { editor } = this;
    editor.view.frozen = null;
    if (this.now === undefined) editor.choose(this.things.length > 1 && keep ? [this.id] : [...editor.selection], editor.chosen);
    else if (keep) editor.commit(this.now);
    else editor.preview(this.text);
  }
}

/** Selects what lies in a box that is drawn over an empty place. */
class Band {
  constructor(editor, event) {
    Object.assign(this, { editor, from: editor.view.point(event), before: event.shiftKey ? [...editor.selection] : [] });
  }

  move(event) {
    const { editor, from } = this, to = editor.view.point(event);
    if (!editor.band && Math.hypot(to.x - from.x, to.y - from.y) < SLACK) return;
    editor.band = { a: from, b: to };
    const { top, bottom } = editor.view.scroll.getBoundingClientRect();
    if (event.clientY < top) editor.view.scroll.scrollTop -= 8;
    if (event.clientY > bottom) editor.view.scroll.scrollTop += 8;
    editor.choose([...new Set([...this.before, ...editor.view.within(from, to)])]);
  }

  end(keep) {
    this.editor.band = null;
    this.editor.choose(keep ? [...this.editor.selection] : this.before);
    if (this.editor.chosen) this.editor.view.focus(this.editor.chosen);
  }
}

class Scrub {
  constructor(editor, event) {
    this.editor = editor;
    this.magnets = magnets(editor);
    this.move(event);
  }

  move(event) {
    this.editor.setPlayhead(stuck(this.editor, this.editor.view.point(event).time, this.magnets, event));
  }

  end() {}
}

/** Moves the view by the bar under the tracks. */
class Along {
  constructor(editor, event) {
    const { start, view } = editor, seconds = (view.point(event).x - LABELS) * view.perBar, seen = view.time(view.width) - start;
    const held = seconds >= start && seconds <= start + seen;
    Object.assign(this, { editor, x: event.clientX, start: held ? start : seconds - seen / 2 });
    this.move(event);
  }

  move(event) {
    const { editor } = this, { view } = editor;
    editor.look(this.start + ((event.clientX - this.x) / view.zoom) * view.perBar, editor.scale);
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
    surface.addEventListener("pointerup", () => release(true));
    surface.addEventListener("lostpointercapture", () => release(false));
  };
  const release = (keep) => {
    const done = held;
    held = null;
    done?.end(keep);
  };
  let last = null; // the press before: what is pressed is drawn anew, so the browser finds no double click
  grab(view.tracks, (event) => {
    const target = event.target.closest("[data-id]") && event.target, { row } = event.target.dataset;
    const twice = last && event.timeStamp - last.timeStamp < 400 && near(event, last);
    last = target || twice ? null : event;
    if (row !== undefined) return chooseRow(editor, view.rows[row], event), null;
    if (twice && !target && keyAt(editor, event)) return null;
    if (target) return press(editor, event, target);
    if (!event.shiftKey) editor.choose([]);
    editor.root.focus({ preventScroll: true });
    return new Band(editor, event);
  });
  view.tracks.addEventListener("pointermove", (event) => {
    if (last && event.buttons && !near(event, last)) last = null; // a drag lies between two presses
  });
  for (const [surface, Hand] of [[view.ruler, Scrub], [view.wave, Scrub], [view.bar, Along]]) {
    grab(surface, (event) => {
      editor.root.focus({ preventScroll: true });
      return new Hand(editor, event);
    });
  }
  // On the box, not on the SVG: one that listens for the focus takes it.
  view.scroll.addEventListener("focusin", (event) => {
    const id = event.target.closest?.("[data-id]")?.dataset.id;
    if (id && id !== editor.chosen) editor.choose(editor.selection.has(id) ? [...editor.selection] : [...editor.kept, id], id);
  });
  editor.root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !held) return;
    release(false);
    event.stopImmediatePropagation();
  });
}

const near = (one, other) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) < 6;

/** What a press on a thing selects, and the drag that it may begin. */
function press(editor, event, target) {
  const { id } = target.closest("[data-id]").dataset, many = event.shiftKey || event.ctrlKey || event.metaKey;
  editor.kept.clear();
  if (many) {
    const others = [...editor.selection].filter((each) => each !== id);
    editor.choose(editor.selection.has(id) ? others : [...others, id]);
    editor.view.focus(editor.chosen ?? "");
    return null;
  }
  editor.choose(editor.selection.has(id) ? [...editor.selection] : [id], id);
  editor.view.focus(id);
  return new Drag(editor, event, target);
}

/** Selects all of a track. */
function chooseRow(editor, row, event) {
  const ids = row.entries.flatMap((index) => editor.doc.entries[index].keys.map((_, at) => `${index}.${at}`));
  editor.choose(event.shiftKey ? [...new Set([...editor.selection, ...ids])] : ids);
  if (editor.chosen) editor.view.focus(editor.chosen);
}

/** Adds a key where a line was pressed twice; whether it did. */
function keyAt(editor, event) {
  const { x, y, time } = editor.view.point(event), row = editor.view.rowAt(y);
  if (row?.kind !== "track" || x < editor.view.x(editor.start)) return false;
  const index = row.entries[0], entry = editor.doc.entries[index];
  const start = stuck(editor, time, magnets(editor), event);
  if (entry.keys.some((key) => Math.abs(key.start - start) < LEAST)) return false;
  const key = { start, value: valued(entry.name, editor.view.valueAt(row, y), event.altKey), curve: "ease_in_out" };
  const at = entry.keys.filter((each) => each.start < start).length;
  editor.commit(addKey(editor.text, editor.doc, entry, key), [`${index}.${at}`]);
  editor.view.focus(editor.chosen);
  return true;
}
