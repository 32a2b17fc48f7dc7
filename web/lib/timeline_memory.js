// How a timeline was looked at survives undo, which makes all nodes anew: what is selected, where the playhead is, what part
// is in sight, and the focus. It is no part of the workflow. Nothing happens on import.
import { root as rootGraph } from "./graph.js";

const WHAT = ["selection", "chosen", "playhead", "start", "scale", "fitted"];
const MOMENT = 3000, LEFT = 500; // milliseconds: that undo takes at most, and that the focus may be gone before
const MOST = 50;
const looks = new Map();

const nameOf = ({ node }) => `${rootGraph()?.id}/${node.graph?.id}/${node.id}`;

/** Remembers an editor as its node is taken away. */
export function keep(editor) {
  const here = document.activeElement;
  // Undo may take the element away before it takes the node.
  const focused = editor.root.contains(here) || (here === document.body && performance.now() - (editor.left ?? -Infinity) < LEFT);
  const look = Object.fromEntries(WHAT.map((what) => [what, editor[what]]));
  const kept = { look, focused, scrolled: editor.view.scroll.scrollTop };
  looks.set(editor.called ?? nameOf(editor), kept);
  setTimeout(() => (kept.focused = false), MOMENT);
  if (looks.size > MOST) looks.delete(looks.keys().next().value);
}

/** Gives it to the editor of the node in its place, once that is on screen. */
export function recall(editor) {
  if (!editor.root.isConnected || !editor.node.graph || editor.node.id < 0) return;
  editor.called = nameOf(editor); // kept here, because a graph that is cleared loses its id before its nodes are told
  if (editor.recalled) return;
  editor.recalled = true;
  const kept = looks.get(editor.called);
  if (!kept) return;
  Object.assign(editor, kept.look);
  editor.draw();
  editor.view.scroll.scrollTop = kept.scrolled;
  if (!kept.focused) return;
  editor.root.focus({ preventScroll: true });
  if (editor.chosen) editor.view.focus(editor.chosen);
}
