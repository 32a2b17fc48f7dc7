// What the keyboard, the wheel and the clipboard do to a timeline. Undo and redo are ComfyUI's own.
import { entryText, setKeys } from "./timeline_edit.js";
import { parse } from "./timeline_text.js";
import { stepsOf } from "./timeline_rows.js";
import { allIds, clipOf, moved, raised, rounded } from "./timeline_select.js";

const ARROWS = { ArrowLeft: ["time", -1], ArrowRight: ["time", 1], ArrowUp: ["value", 1], ArrowDown: ["value", -1] };

/** What a key does, or undefined if it is none of ours: (editor, event) => .... */
const KEYS = {
  Delete: (editor) => editor.remove(),
  Backspace: (editor) => editor.remove(),
  Enter: (editor) => editor.thing && editor.fields.focus(),
  " ": (editor) => keep(editor),
  Home: (editor) => editor.setPlayhead(0, true),
  End: (editor) => editor.setPlayhead(editor.seconds, true),
  PageUp: (editor) => editor.look(editor.start - editor.span / 2, editor.scale),
  PageDown: (editor) => editor.look(editor.start + editor.span / 2, editor.scale),
  "+": (editor) => editor.zoom(editor.scale * 1.4),
  "-": (editor) => editor.zoom(editor.scale / 1.4),
  Escape: (editor) => {
    editor.kept.clear();
    editor.choose([]);
    editor.root.focus({ preventScroll: true });
  },
};
const WITH_CTRL = {
  d: (editor) => editor.duplicate(),
  a: (editor) => {
    editor.choose(allIds(editor.doc), editor.chosen);
    if (editor.chosen) editor.view.focus(editor.chosen);
  },
};

/** Keeps what is focused selected while Tab goes on, or no longer. */
function keep(editor) {
  const { kept, chosen } = editor;
  if (!chosen) return;
  if (kept.delete(chosen)) editor.choose([...kept], chosen);
  else kept.add(chosen);
}

/** Listens to the keyboard and the wheel on behalf of an editor. */
export function hearKeys(editor) {
  editor.root.addEventListener("keydown", (event) => keydown(editor, event));
  editor.root.addEventListener("wheel", (event) => wheel(editor, event), { passive: false });
}

function keydown(editor, event) {
  const ctrl = event.ctrlKey || event.metaKey, done = () => {
    event.preventDefault();
    event.stopPropagation();
  };
  if (event.key === "Escape" && !editor.menu.root.hidden) return done(), editor.menu.close();
  if (event.target.matches("input, select")) {
    if (event.key === "Escape" && editor.fields.root.contains(event.target)) done(), editor.fields.leave();
    return event.stopPropagation();
  }
  if (ctrl) {
    const act = WITH_CTRL[event.key.toLowerCase()];
    if (act) done(), act(editor);
    else if (["c", "x", "v"].includes(event.key.toLowerCase())) event.stopPropagation(); // comes as an event of its own
    return;
  }
  if (!editor.able || event.target.closest(".mistake, .menu") || (event.target.matches("button") && [" ", "Enter"].includes(event.key))) return;
  const arrow = ARROWS[event.key], act = KEYS[event.key];
  if (!arrow && !act) return;
  done();
  if (act) act(editor);
  else nudge(editor, event, ...arrow);
}

function nudge(editor, event, what, sign) {
  const { things, able } = editor;
  if (!able) return;
  const seconds = sign * (event.altKey ? 0.01 : event.shiftKey ? 1 : 0.1);
  if (!things.length) return what === "time" ? editor.setPlayhead(rounded(editor.playhead + seconds), true) : undefined;
  const by = ({ entry }) => {
    const { fine, step, large } = stepsOf(entry.name);
    return sign * (event.altKey ? fine : event.shiftKey ? large : step);
  };
  const edits = what === "time" ? moved(things, seconds) : raised(things, by, true);
  if (edits.length) editor.nudge(setKeys(editor.text, editor.doc, edits));
}

function wheel(editor, event) {
  const { scroll } = editor.view, inMenu = event.target.closest(".menu, .mistake");
  if (inMenu) return event.stopImmediatePropagation();
  const turn = event.deltaY || event.deltaX, sideways = !event.deltaY && event.deltaX && !event.ctrlKey;
  if (event.altKey) {
    const { time } = editor.view.point(event);
    editor.zoom(editor.scale * Math.exp(-turn / 400), time);
  } else if (event.shiftKey || sideways) {
    editor.look(editor.start + turn / editor.scale, editor.scale);
  } else if (!event.ctrlKey && !event.metaKey && scroll.contains(event.target) && scroll.scrollHeight > scroll.clientHeight + 1) {
    return event.stopImmediatePropagation(); // the tracks scroll by themselves
  } else return;
  event.preventDefault();
  event.stopImmediatePropagation(); // the classic editor's canvas would hear it, too
}

/** Copy, cut and paste while an editor has the focus: what is selected goes to the clipboard as the text it is.
 *  `focused()` gives the editor that has it, or nothing. */
export function hearClipboard(focused) {
  const typing = () => document.activeElement?.matches("input, textarea, select");
  const take = (event, cut) => {
    const editor = typing() ? null : focused();
    if (!editor?.things.length) return;
    event.clipboardData.setData("text/plain", clipOf(editor.things).map(entryText).join("; "));
    event.preventDefault();
    event.stopImmediatePropagation();
    if (cut) editor.remove();
  };
  document.addEventListener("copy", (event) => take(event, false), true);
  document.addEventListener("cut", (event) => take(event, true), true);
  document.addEventListener("paste", (event) => {
    const editor = typing() ? null : focused(), clip = editor?.able ? read(event.clipboardData.getData("text/plain")) : [];
    if (!clip.length) return; // what is no timeline is for ComfyUI
    event.preventDefault();
    event.stopImmediatePropagation();
    editor.put(clip, editor.playhead);
  }, true);
}

function read(text) {
  try {
    return parse(text).entries.filter((entry) => entry.kind !== "setting");
  } catch {
    return [];
  }
}
