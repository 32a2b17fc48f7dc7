// The tracks under the text of Motion from Timeline. The text widget's value is all there is to save: the editor reads it
// whenever it changes and writes every change into it.
import { app } from "/scripts/app.js";
import { api } from "/scripts/api.js";
import { el, style } from "./lib/dom.js";
import { classOf, keepStep, passToCanvas, placeOf, root as rootGraph, setting, sourceOf, value } from "./lib/graph.js";
import { addEntry, later, removeEntry, removeKey, addKey, setKeys, setLength } from "./lib/timeline_edit.js";
import { TimelineFields } from "./lib/timeline_fields.js";
import { listen, thingOf } from "./lib/timeline_hands.js";
import { AddMenu } from "./lib/timeline_menu.js";
import { showMistake } from "./lib/timeline_mistake.js";
import { BEATS } from "./lib/timeline_names.js";
import { untilOf } from "./lib/timeline_rules.js";
import { sortOf } from "./lib/timeline_rows.js";
import { CSS, LABELS } from "./lib/timeline_style.js";
import { parse } from "./lib/timeline_text.js";
import { TimelineView } from "./lib/timeline_view.js";
import { decode } from "./lib/waveform.js";

const NODE = "TroupeMotionFromTimeline", HEIGHT = 300, WIDTH = 520, EVERY = 300;
const NOTHING = { form: "text", entries: [], settings: { idle: 1, seed: 0, fps: null, length: null }, duration: 0 };
const editors = new Set();
const looks = new Map(); // what was seen of a timeline, for the node that takes its place at undo

class TimelineEditor {
  constructor(node) {
    Object.assign(this, { node, text: null, doc: NOTHING, able: false, chosen: null, playhead: 0, start: 0, scale: 60, fitted: true, sound: null });
    this.view = new TimelineView();
    this.menu = new AddMenu((name) => this.add(name), () => this.buttons.add.focus({ preventScroll: true }));
    this.mistake = el("div", { class: "mistake", hidden: true, role: "alert", onclick: () => this.showInText() });
    this.fields = new TimelineFields((fields) => this.setFields(fields), (seconds) => this.commit(setLength(this.text, this.doc, seconds)));
    this.root = el("div", { class: "troupe-timeline", tabindex: -1, role: "group", "aria-label": "Timeline", "data-capture-wheel": "true" },
      this.bar(), this.mistake, this.view.ruler, this.view.scroll, this.view.wave, this.fields.root, this.menu.root);
    this.root.addEventListener("keyup", () => this.settle());
    this.root.addEventListener("focusout", () => (this.left = performance.now()));
    this.root.addEventListener("pointerdown", (event) => event.button === 0 && event.stopPropagation());
    listen(this);
    passToCanvas(this.root);
    this.size = new ResizeObserver(() => this.root.isConnected && this.draw());
    this.size.observe(this.root);
  }

  bar() {
    const button = (label, said, onclick) => el("button", { type: "button", title: said, "aria-label": said, onclick }, label);
    const command = (id) => () => app.extensionManager.command.execute(id);
    this.buttons = {
      add: button("+ Add", "Add a feeling, a gesture or a channel at the playhead", () => this.menu.toggle()),
      duplicate: button("Duplicate", "Duplicate (Ctrl+D)", () => this.duplicate()),
      remove: button("✕", "Delete (Delete key)", () => this.remove()),
      undo: button("↶", "Undo (Ctrl+Z)", command("Comfy.Undo")),
      redo: button("↷", "Redo (Ctrl+Shift+Z)", command("Comfy.Redo")),
      out: button("−", "Show more time (Alt and the wheel)", () => this.zoom(this.scale / 1.4)),
      near: button("+", "Show less time (Alt and the wheel)", () => this.zoom(this.scale * 1.4)),
      fit: button("Fit", "Show all of it", () => this.fit()),
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

  /** Reads the text again, if it is another one. */
  sync() {
    const { widget, fixed } = this.source;
    const text = fixed ? null : String(widget?.value ?? "");
    const asked = Number(this.node.widgets?.find((each) => each.name === "seconds")?.value) || 0;
    if (text !== this.text || Boolean(fixed) !== this.wired || asked !== this.asked) {
      Object.assign(this, { wired: Boolean(fixed), asked });
      this.read(text);
    }
    this.hear();
  }

  read(text) {
    this.text = text;
    let error = null;
    try {
      this.doc = text === null ? NOTHING : parse(text);
    } catch (caught) {
      if (!caught.what) throw caught;
      if (caught.what === "The timeline is empty") this.doc = NOTHING;
      error = caught;
    }
    const empty = error && this.doc === NOTHING;
    this.able = text !== null && (!error || (empty && !text.trimStart().startsWith("{")));
    this.error = error;
    showMistake(this.mistake, text, this.wired ? null : error, this.wired);
    this.root.classList.toggle("stale", !this.able);
    this.draw();
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

  /** Writes a text as one step of undo; `chosen` is what is selected then. */
  commit(text, chosen = this.chosen) {
    this.chosen = chosen;
    this.preview(text);
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

  get thing() {
    return thingOf(this.doc, this.chosen);
  }

  choose(id) {
    this.chosen = id;
    this.draw();
  }

  add(name) {
    const start = this.playhead, sort = sortOf(name);
    const high = ["x", "y", "z"].includes(name) ? 0.1 : sort === "turn" ? 8 : 0.6;
    const key = (start, value, end = null) => ({ start, value, end, curve: "ease_in_out", attack: null, release: null });
    const keyed = sort === "turn" || sort === "channel";
    const keys = keyed ? [key(start, 0), key(start + 0.5, high), key(start + 1, 0)] : [key(start, name in BEATS ? 1 : 0.8, name in BEATS ? null : start + 2)];
    const text = addEntry(this.text ?? "", this.doc, { kind: keyed ? "track" : "item", name, keys });
    this.commit(text, this.chosen);
    this.pick((entry) => entry.name === name && entry.keys[0].start === Number(start.toFixed(3)), keyed ? 1 : 0);
  }

  /** Selects the last entry that fits, and shows it. */
  pick(fits, at = 0) {
    const index = this.doc.entries.findLastIndex((entry) => entry.keys && fits(entry));
    if (index < 0) return;
    this.choose(`${index}.${at}`);
    this.view.reveal(index);
    this.view.focus(this.chosen);
  }

  duplicate() {
    const { thing } = this;
    if (!thing || !this.able) return;
    const { entry, key, at } = thing;
    if (entry.kind === "track") {
      const next = entry.keys[at + 1], start = Number((next ? (key.start + next.start) / 2 : key.start + 0.5).toFixed(3));
      if (next && next.start - key.start < 0.05) return;
      this.commit(addKey(this.text, this.doc, entry, { ...key, start }), `${thing.index}.${at + 1}`);
    } else {
      const seconds = Number((untilOf(entry.name, key) - key.start).toFixed(3));
      this.commit(addEntry(this.text, this.doc, later(entry, seconds), entry));
      const start = Number((key.start + seconds).toFixed(3));
      this.pick((each) => each.name === entry.name && each.keys[0].start === start);
    }
    this.view.focus(this.chosen);
  }

  remove() {
    const { thing } = this;
    if (!thing || !this.able) return;
    const { entry, at, index } = thing;
    const only = entry.kind === "item" || entry.keys.length === 1;
    const text = only ? removeEntry(this.text, this.doc, entry) : removeKey(this.text, this.doc, entry, at);
    this.commit(text, only ? null : `${index}.${Math.max(at - 1, 0)}`);
    if (this.chosen) this.view.focus(this.chosen);
    else this.root.focus({ preventScroll: true });
  }

  setFields(fields) {
    const { thing } = this;
    if (thing && this.able) this.commit(setKeys(this.text, this.doc, [{ entry: thing.entry, key: thing.key, fields }]));
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

  /** Seconds of the motion, as the node will make it. */
  get seconds() {
    const { settings, duration } = this.doc;
    return this.asked || (settings.length ?? this.sound?.seconds ?? duration);
  }

  setPlayhead(time) {
    this.playhead = time;
    this.draw();
  }

  look(start, scale) {
    const seen = (this.view.width - LABELS) / scale;
    this.fitted = false;
    this.scale = scale;
    this.start = Math.max(0, Math.min(start, Math.max(this.seconds, this.doc.duration) + 2 - seen / 4));
    this.draw();
  }

  zoom(scale, around = this.view.time(LABELS + (this.view.width - LABELS) / 2)) {
    const next = Math.min(Math.max(scale, 2), 1200);
    this.look(around - (around - this.start) * (this.scale / next), next);
  }

  fit() {
    this.fitted = true;
    this.draw();
  }

  draw() {
    const seconds = this.seconds || 5, { view } = this;
    if (this.fitted && !view.frozen && view.scroll.clientWidth) {
      this.start = 0;
      this.scale = Math.max((view.width - LABELS) / (Math.max(seconds, this.doc.duration, this.playhead) * 1.06 + 0.1), 2);
    }
    if (!this.thing) this.chosen = null;
    view.draw({ doc: this.doc, seconds, sound: this.sound, chosen: this.chosen, playhead: this.playhead, start: this.start, scale: this.scale });
    this.fields.show(this.thing, this.doc, seconds, this.able);
    for (const name of ["duplicate", "remove"]) this.buttons[name].disabled = !this.thing || !this.able;
    this.buttons.add.disabled = !this.able;
  }

  /** How it was looked at survives undo, which makes all nodes anew. */
  get key() {
    return `${rootGraph()?.id}/${this.node.graph?.id}/${this.node.id}`;
  }

  keep() {
    const { chosen, playhead, start, scale, fitted, key } = this;
    // Undo may take the element away before it takes the node.
    const here = document.activeElement;
    const focused = this.root.contains(here) || (here === document.body && performance.now() - (this.left ?? -1e9) < 500);
    const look = { chosen, playhead, start, scale, fitted, focused, shown: this.root, scrolled: this.view.scroll.scrollTop };
    looks.set(key, look);
    setTimeout(() => Object.assign(look, { focused: false, shown: null }), 3000); // no longer the same moment
    if (looks.size > 50) looks.delete(looks.keys().next().value);
  }

  recall() {
    if (this.recalled || !this.node.graph || this.node.id < 0) return;
    this.recalled = true;
    const { focused, shown, scrolled, ...look } = looks.get(this.key) ?? {};
    Object.assign(this, look);
    this.draw();
    if (!shown) return;
    const again = (tries) => {
      // Nodes 2.0 of older editors keeps showing what belonged to the node that is gone.
      if (tries < 18 && !this.root.isConnected && shown.isConnected) shown.replaceWith(this.root);
      if (this.root.isConnected) {
        this.draw(); // now it has a width
        this.view.scroll.scrollTop = scrolled;
        if (!focused) return;
        this.root.focus({ preventScroll: true });
        if (this.chosen) this.view.focus(this.chosen);
      } else if (tries) setTimeout(() => again(tries - 1), 50);
    };
    again(20);
  }

  // --- sound ---------------------------------------------------------------------------------------------------

  /** Looks what is wired to `audio`. */
  hear() {
    const link = this.node.inputs?.find((input) => input.name === "audio")?.link ?? null;
    const place = link === null ? null : placeOf(this.node);
    const from = place && sourceOf(place, "audio");
    const file = from && classOf(from.node) === "LoadAudio" ? value(from, "audio") : null;
    const heard = from ? (file ?? "run") : null;
    if (heard === this.heard) return;
    this.heard = heard;
    this.sound = heard === "run" ? (this.ran ?? null) : null;
    if (file) {
      const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(file), cut = path.lastIndexOf("/");
      const asked = new URLSearchParams({ filename: path.slice(cut + 1), subfolder: path.slice(0, Math.max(cut, 0)), type: type ?? "input" });
      decode(api.apiURL(`/view?${asked}`)).then((sound) => {
        if (this.heard !== file) return;
        this.sound = sound ?? this.ran ?? null;
        this.draw();
      });
    }
    this.draw();
  }

  /** What a run left: the peaks of whatever is wired. */
  show(output) {
    const [ran] = output?.troupe_audio ?? [];
    if (!ran?.peaks?.length) return;
    this.ran = ran;
    if (!this.sound || this.heard === "run") this.sound = ran;
    this.draw();
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
        editor.recall();
      }
    }, EVERY);
  },

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== NODE) return;
    chain(nodeType.prototype, "onExecuted", function (output) {
      this.troupeTimeline?.show(output);
    });
  },

  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    style("troupe-timeline", CSS);
    const editor = new TimelineEditor(node), text = node.widgets?.find((widget) => widget.name === "timeline");
    node.troupeTimeline = editor;
    const widget = node.addDOMWidget("tracks", "troupe_timeline", editor.root, { serialize: false, hideOnZoom: false, getMinHeight: () => HEIGHT });
    widget.serialize = false; // nothing of it in the workflow: the text is all
    if (text) chain(text, "callback", () => editor.sync());
    chain(node, "onAdded", () => {
      editors.add(editor);
      editor.size.observe(editor.root);
    });
    chain(node, "onConfigure", () => editor.sync());
    chain(node, "onConnectionsChange", () => queueMicrotask(() => editor.sync()));
    chain(node, "onRemoved", () => {
      if (editors.delete(editor)) editor.keep();
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
    editor.recall();
    editor.show(app.nodeOutputs?.[node.id]);
  },
});
