// DOM widgets that survive undo. Nodes 2.0 keeps the component of a node when undo (or another workflow) puts a new node of
// the same id in its place, and with it the old widget's element, which belongs to a node that is gone.
// Nothing happens on import.

const LOOKS = [0, 60, 250, 1000]; // milliseconds after a widget is made: when to see whether it has been put on screen
const mounted = new Set(); // {node, name, element, settled}; that of a removed node stays while its element is on screen

/** `node.addDOMWidget` for a widget that shows and says nothing of its own: neither sent to the server nor kept in the
 *  workflow. It is not offered in ComfyUI's properties panel, which has but one line for it and, in the classic renderer,
 *  would give the widget in the node the panel's width. */
export function addWidget(node, name, type, element, options = {}) {
  const widget = node.addDOMWidget(name, type, element, { ...options, serialize: false, hideInPanel: true });
  widget.serialize = false; // the option keeps it from the server, this from the workflow
  const entry = { node, name, element, settled: false };
  mounted.add(entry);
  for (const wait of LOOKS) setTimeout(() => takePlace(entry), wait);
  setTimeout(() => (entry.settled = true), LOOKS.at(-1));
  return widget;
}

/** Whether a node is in its graph; a graph that is loaded anew may leave itself as the graph of the nodes that were in it. */
export const inGraph = (node) => Boolean(node.graph) && node.graph.getNodeById(node.id) === node;

/** Puts an element where that of its node's forerunner still is. */
function takePlace({ node, name, element }) {
  for (const each of mounted) if (each.settled && !inGraph(each.node) && !each.element.isConnected) mounted.delete(each);
  if (!inGraph(node) || element.isConnected) return;
  const forerunner = (each) => !inGraph(each.node) && each.name === name && String(each.node.id) === String(node.id);
  const old = [...mounted].find((each) => forerunner(each) && each.element.isConnected);
  old?.element.replaceWith(element);
}
