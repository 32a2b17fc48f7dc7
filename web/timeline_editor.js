// The tracks under the text of Motion from Timeline. The text widget's value is all there is to save: the editor reads it
// whenever it changes and writes every change into it.
import { app } from "../../scripts/app.js";
import { el, style } from "./lib/dom.js";
import { keepStep, passToCanvas, placeOf, setting } from "./lib/graph.js";
import { addWidget } from "./lib/mounts.js";
import { addAll, addKey, removeAll, setKeys, setLength } from "./lib/timeline_edit.js";
import { TimelineFields } from "./lib/timeline_fields.js";
import { listen } from "./lib/timeline_hands.js";
import { hearClipboard, hearKeys } from "./lib/timeline_keys.js";
import { keep, recall } from "./lib/timeline_memory.js";
import { AddMenu } from "./lib/timeline_menu.js";
import { showMistake } from "./lib/timeline_mistake.js";
import { BEATS } from "./lib/timeline_names.js";
import { sortOf } from "./lib/timeline_rows.js";
import { LEAST, byEntry, clipOf, fresh, idsOf, joined, later, rounded, spanOf, thingOf } from "./lib/timeline_select.js";
import { TimelineSound } from "./lib/timeline_sound.js";
import { CSS, LABELS } from "./lib/timeline_style.js";
import { parse } from "./lib/timeline_text.js";
import { TimelineView } from "./lib/timeline_view.js";
import { say } from "./lib/words.js";

const NODE = "TroupeMotionFromTimeline", HEIGHT = 310, WIDTH = 560, EVERY = 300;
const LONG = 100_000; // characters above which a text is read when its writer pauses
const NOTHING = { form: "text", entries: [], settings: { idle: 1, seed: 0, fps: null, length: null }, duration: 0 };
const editors = new Set();

class TimelineEditor {
  constructor(node) {
    Object.assign(this, { node, text: null, doc: NOTHING, able: false, playhead: 0, start: 0, scale: 60, fitted: true });
    Object.assign(this, { selection: new Set(), chosen: null, kept: new Set(), band: null });
    this.view = new TimelineView();
    this.heard = new TimelineSound(node, () => this.draw());
    this.menu = new AddMenu((name) => this.add(name), () => this.buttons.add.focus({ preventScroll: true }));
    this.mistake = el("div", { class: "mistake", hidden: true, role: "alert", onclick: () => this.showInText() });
    this.fields = new TimelineFields((edits) => this.commit(setKeys(this.text, this.doc, edits)),
      (seconds) => this.commit(setLength(this.text, this.doc, seconds)), () => this.view.focus(this.chosen));
    this.root = el("div", { class: "troupe-timeline", tabindex: -1, role: "group", "aria-label": say("Timeline"), "data-capture-wheel": "true" },
      this.tools(), this.mistake, this.view.ruler, this.view.scroll, this.view.bar, this.view.wave, this.fields.root, this.menu.root);
    this.root.addEventListener("keyup", () => this.settle());
    this.root.addEventListener("focusout", () => (this.left = performance.now()));
    this.root.addEventListener("pointerdown", (event) => event.button === 0 && event.stopPropagation());
    listen(this);
    hearKeys(this);
    passToCanvas(this.root);
    this.size = new ResizeObserver(() => this.shown());
    this.size.observe(this.root);
  }

  tools() {
    const button = (label, said, onclick) => el("button", { type: "button", title: said, "aria-label": said, onclick }, label);
    const command = (id) => () => app.extensionManager.command.execute(id);
    this.buttons = {
      add: button(say("+ Add"), say("Add a feeling, a gesture or a channel at the playhead"), () => this.menu.toggle()),
      duplicate: button(say("Duplicate"), say("Duplicate (Ctrl+D)"), () => this.duplicate()),
      remove: button("✕", say("Delete (Delete key)"), () => this.remove()),
      undo: button("↶", say("Undo (Ctrl+Z)"), command("Comfy.Undo")),
      redo: button("↷", say("Redo (Ctrl+Shift+Z)"), command("Comfy.Redo")),
      out: button("−", say("Show more time (- key, or Alt and the wheel)"), () => this.zoom(this.scale / 1.4)),
      near: button("+", say("Show less time (+ key, or Alt and the wheel)"), () => this.zoom(this.scale * 1.4)),
      fit: button(say("Fit"), say("Show all of it"), () => this.fit()),
    };
    const { add, duplicate, remove, undo, redo, out, near, fit } = this.buttons;
    return el("div", { class: "bar" }, add, duplicate, remove, el("span", { class: "gap" }), this.fields.lengthLabel, undo, redo, out, near, fit);
  }

  // --- the text ------------------------------------------------------------------------------------------------

  /** Where the text is set: {widget, fixed}; inside a subgraph or behind a primitive that is elsewhere. */
  get source() {
    const widget = this.node.widgets?.find((each) => each.name === "timeline");
    const linked = this.node.inputs?.some((input) => input.widget?.name === "timeline" && input.link !== null && input.link !== undefined);
    const place = linked && placeOf(this.node);
    return place ? setting(place, "timeline") : { widget };
  }

  /** Looks whether anything has changed, now that it is on screen. */
  shown() {
    if (!this.root.isConnected) return;
    this.sync();
    recall(this);
    this.draw();
  }

  /** Reads the text again, if it is another one. */
  sync() {
    const { widget, fixed } = this.source;
    const text = fixed ? null : String(widget?.value ?? "");
    const asked = Number(this.node.widgets?.find((each) => each.name === "seconds")?.value) || 0;
    const paused = this.seen === text || (text?.length ?? 0) < LONG || this.text === null;
    this.seen = text;
    if (paused && (text !== this.text || Boolean(fixed) !== this.wired || asked !== this.asked)) {
      Object.assign(this, { wired: Boolean(fixed), asked });
      const before = this.doc;
      this.read(text);
      this.forget(before);
    }
    this.heard.hear();
  }

  read(text) {
    this.text = text;
    let error = null;
    try {
      this.doc = text === null ? NOTHING : parse(text);
    } catch (caught) {
      if (!caught.what) throw caught;
      if (caught.what === "The timeline is empty") this.doc = caught.doc ?? NOTHING;
      error = caught;
    }
    this.able = text !== null && (!error || error.what === "The timeline is empty");
    this.error = error;
    showMistake(this.mistake, text, this.wired ? null : error, this.wired);
    this.root.classList.toggle("stale", !this.able);
    this.draw();
  }

  /** What is selected stays so only if it still is what it was, after somebody else changed the text. */
  forget(before) {
    const same = (id) => thingOf(this.doc, id)?.entry.name === thingOf(before, id)?.entry.name;
    if (before !== this.doc && before !== NOTHING) this.choose([...this.selection].filter(same));
  }

  /** Writes a text while something is still moving. */
  preview(text) {
    const { widget, fixed } = this.source;
    if (fixed || !widget) return;
    this.read(text);
    if (widget.value === text) return;
    const before = widget.value;
    widget.value = text;
    if (!("element" in widget)) widget.callback?.(text); // DOM widgets call by themselves
    this.node.onWidgetChanged?.("timeline", text, before, widget);
  }

  /** Writes a text as one step of undo; `ids` is what is selected then. */
  commit(text, ids = [...this.selection]) {
    this.preview(text);
    this.choose(ids, ids.includes(this.chosen) ? this.chosen : undefined);
    this.pending = false;
    keepStep();
  }

  /** A small step by a key: many of them in a row are one step of undo. */
  nudge(text) {
    this.preview(text);
    this.pending = true;
  }

  settle() {
    if (this.pending) keepStep();
    this.pending = false;
  }

  // --- what users do -------------------------------------------------------------------------------------------

  /** What is selected, in the order of the text; `thing` is the one with the focus. */
  get things() {
    const things = [...this.selection].map((id) => thingOf(this.doc, id)).filter(Boolean);
    return things.sort((a, b) => a.index - b.index || a.at - b.at);
  }

  get thing() {
    return thingOf(this.doc, this.chosen);
  }

  choose(ids, lead = ids.at(-1) ?? null) {
    this.selection = new Set(ids);
    this.chosen = this.selection.has(lead) ? lead : (ids.at(-1) ?? null);
    this.draw();
  }

  add(name) {
    this.put([fresh(name, sortOf(name), this.playhead, name in BEATS)], this.playhead, null);
  }

  /** Puts entries in, the first at a time, and selects them; behind `after`, if that is said. */
  put(clip, time, after = this.things.at(-1)?.entry ?? null) {
    const there = later(clip, time - spanOf(clip)[0]), { entries, edits, keys } = joined(this.doc, there);
    const text = addAll(this.text ?? "", this.doc, entries, after, { edits, keys });
    this.commit(text);
    const ids = idsOf(this.doc, there);
    // Of keys that are new, the one in the middle is what one wants to lead at once.
    this.choose(clip.length === 1 && clip[0].kind === "track" && ids.length === 3 && !after ? [ids[1]] : ids);
    this.showChosen();
  }

  showChosen() {
    const { thing } = this;
    if (!thing) return this.root.focus({ preventScroll: true });
    const { start } = thing.key;
    if (!this.fitted && (start < this.start || start > this.start + this.span)) this.look(start - this.span / 4, this.scale);
    this.view.reveal(thing.index);
    this.view.focus(this.chosen);
  }

  /** Copies behind what is selected; a key alone between itself and the next. */
  duplicate() {
    const { things } = this;
    if (!things.length || !this.able) return;
    const [{ entry, key, at, index }] = things;
    if (things.length > 1 || entry.kind === "item") {
      const clip = clipOf(things), [first, last] = spanOf(clip);
      return this.put(clip, last > first + LEAST && entry.kind === "item" ? last : last + 0.5);
    }
    const next = entry.keys[at + 1], start = rounded(next ? (key.start + next.start) / 2 : key.start + 0.5);
    if (next && next.start - key.start < 2 * LEAST) return;
    this.commit(addKey(this.text, this.doc, entry, { ...key, start }), [`${index}.${at + 1}`]);
    this.view.focus(this.chosen);
  }

  remove() {
    const { things } = this;
    if (!things.length || !this.able) return;
    const [{ entry, at, index }] = things, gone = byEntry(things);
    const stays = gone.size === 1 && entry.keys.length > gone.get(entry).size;
    this.kept.clear();
    this.commit(removeAll(this.text, this.doc, gone), stays ? [`${index}.${Math.max(at - 1, 0)}`] : []);
    if (this.chosen) this.view.focus(this.chosen);
    else this.root.focus({ preventScroll: true });
  }

  /** Puts the cursor where the mistake is. */
  showInText() {
    const { widget } = this.source, place = this.error?.place;
    const shown = this.root.closest("[data-node-id]")?.querySelector("textarea");
    const area = shown ?? widget?.element;
    if (!place || !area?.setSelectionRange) return;
    area.focus({ preventScroll: true });
    area.setSelectionRange(place.from, place.to);
  }

  // --- what is seen --------------------------------------------------------------------------------------------

  get sound() {
    return this.heard.now;
  }

  /** Seconds of the motion, as the node will make it. */
  get seconds() {
    const { settings, duration } = this.doc;
    return this.asked || (settings.length ?? this.sound?.seconds ?? duration);
  }

  /** Seconds in sight. */
  get span() {
    return (this.view.width - LABELS) / this.scale;
  }

  /** With `follow`, the view goes along. */
  setPlayhead(time, follow = false) {
    this.playhead = time;
    const outside = time < this.start || time > this.start + this.span;
    if (follow && outside && !this.fitted) this.look(time - this.span / 2, this.scale);
    else this.draw();
  }

  look(start, scale) {
    this.fitted = false;
    this.scale = scale;
    this.start = Math.max(0, Math.min(start, Math.max(this.seconds, this.doc.duration) + 2 - this.span / 4));
    this.draw();
  }

  zoom(scale, around = this.view.time(LABELS + (this.view.width - LABELS) / 2)) {
    const next = Math.min(Math.max(scale, this.least), 1200);
    this.look(around - (around - this.start) * (this.scale / next), next);
  }

  fit() {
    this.fitted = true;
    this.draw();
  }

  /** Pixels a second at which all is in sight. */
  get least() {
    const most = Math.max(this.seconds || 5, this.doc.duration, this.playhead);
    return (this.view.width - LABELS) / (most * 1.06 + 0.1);
  }

  draw() {
    const seconds = this.seconds || 5, { view } = this;
    if (this.fitted && !view.frozen && view.scroll.clientWidth) Object.assign(this, { start: 0, scale: this.least });
    const { doc, sound, band, playhead, start, scale } = this;
    for (const id of this.selection) if (!thingOf(doc, id)) this.selection.delete(id);
    if (!this.selection.has(this.chosen)) this.chosen = [...this.selection].at(-1) ?? null;
    this.fields.show(this.things, doc, seconds, this.able);
    for (const name of ["duplicate", "remove"]) this.buttons[name].disabled = !this.selection.size || !this.able;
    this.buttons.add.disabled = !this.able;
    view.draw({ doc, seconds, sound, selection: this.selection, lead: this.chosen, band, playhead, start, scale });
  }
}

/** Calls `after` behind a node's own method. */
function chain(target, name, after) {
  const before = target[name];
  target[name] = function (...all) {
    const out = before?.apply(this, all);
    after.apply(this, all);
    return out;
  };
}

app.registerExtension({
  name: "Troupe.TimelineEditor",

  setup() {
    setInterval(() => {
      for (const editor of editors) {
        if (!editor.root.isConnected) continue;
        editor.sync();
        recall(editor);
      }
    }, EVERY);
    hearClipboard(() => [...editors].find((editor) => editor.root.contains(document.activeElement)));
  },

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== NODE) return;
    chain(nodeType.prototype, "onExecuted", function (output) {
      this.troupeTimeline?.heard.show(output);
    });
  },

  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    style("troupe-timeline", CSS);
    const editor = new TimelineEditor(node), text = node.widgets?.find((widget) => widget.name === "timeline");
    node.troupeTimeline = editor;
    addWidget(node, "tracks", "troupe_timeline", editor.root, { hideOnZoom: false, getMinHeight: () => HEIGHT });
    if (text) chain(text, "callback", () => editor.sync());
    chain(node, "onAdded", () => {
      editors.add(editor);
      editor.size.observe(editor.root);
    });
    chain(node, "onConfigure", () => editor.sync());
    chain(node, "onConnectionsChange", () => queueMicrotask(() => editor.sync()));
    chain(node, "onRemoved", () => {
      if (editors.delete(editor)) keep(editor);
      editor.size.disconnect();
    });
    editors.add(editor);
    editor.read(String(text?.value ?? ""));
    const [width, height] = node.computeSize();
    node.setSize([Math.max(node.size[0], width, WIDTH), Math.max(node.size[1], height + 70)]);
  },

  loadedGraphNode(node) {
    const editor = node.troupeTimeline;
    if (!editor) return;
    editor.sync();
    recall(editor);
    editor.heard.show(app.nodeOutputs?.[node.id]);
  },
});
