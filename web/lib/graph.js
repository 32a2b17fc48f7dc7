// Walking ComfyUI's graph: through reroutes, bypassed nodes and subgraphs, up and down; what its widgets say; queueing a
// part of it; hearing what becomes of it. Nothing happens on import.
//
// A node inside a subgraph exists once for all uses of that subgraph, so what is walked are places: {node, path}, the path
// being the subgraph nodes that lead there from the root graph.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { say } from "./words.js";

const MUTED = 2;
const BYPASSED = 4;
const DEEPEST = 64; // links to follow for one answer; more is a loop

/** The graph that holds all others. */
export const root = () => app.rootGraph ?? app.graph;

/** The node's class as Python names it. */
export const classOf = (node) => node?.comfyClass ?? node?.type;

const isSubgraph = (node) => Boolean(node?.isSubgraphNode?.() && node.subgraph);

const linkOf = (graph, id) => (id === null || id === undefined ? null : (graph.getLink?.(id) ?? graph.links.get(id) ?? null));

/** Every place in the workflow, outermost first; `test(node)` picks. */
export function places(test = () => true, graph = root(), path = []) {
  const found = [];
  for (const node of graph?.nodes ?? []) {
    if (test(node)) found.push({ node, path });
    if (isSubgraph(node) && path.length < 16) found.push(...places(test, node.subgraph, [...path, node]));
  }
  return found;
}

/** All places of a node: several, if its subgraph is used several times. */
export const placesOf = (node) => (node.graph ? places((other) => other === node) : []);

const entered = new Map(); // by subgraph: the subgraph node through which it was entered last, as [its graph, its id]

/** Calls back when a subgraph has been entered, and remembers through which of its nodes; `app.canvas` must be there. */
export function watchEntering(call) {
  app.canvas.canvas.addEventListener("subgraph-opened", ({ detail: { subgraph, fromNode } }) => {
    entered.set(subgraph.id, [fromNode.graph.id, String(fromNode.id)]); // ids, as undo makes nodes anew
    call();
  });
}

/** Whether a place is where one comes to through the subgraph nodes that were entered last. */
function isEntered({ path }) {
  return path.every((host) => {
    const [graph, id] = entered.get(host.subgraph.id) ?? [];
    return host.graph.id === graph && String(host.id) === id;
  });
}

/** Where a node is, in the use of its subgraph that was entered, else the first; null if it is in no graph (any more). */
export function placeOf(node) {
  const all = placesOf(node);
  return all.find(isEntered) ?? all[0] ?? null;
}

/** The id under which the server runs a place: "5", or in a subgraph "12:5". */
export const executionId = ({ node, path }) => [...path, node].map((each) => each.id).join(":");

/** The key of a place in `app.nodeOutputs`. */
export const outputKey = ({ node, path }) => (path.length ? `${node.graph.id}:${node.id}` : String(node.id));

/** What keeps a place from running: "muted" or "bypassed", itself or a subgraph it is in; null if nothing does. */
export function stopped({ node, path }) {
  const modes = [...path, node].map((each) => each.mode);
  if (modes.includes(MUTED)) return "muted";
  return modes.includes(BYPASSED) ? "bypassed" : null;
}

const sameName = (slots, name, index) => {
  const found = slots?.findIndex((slot) => slot.name === name) ?? -1;
  return found >= 0 ? found : index;
};

/** What an input is fed by: {node, path, slot}, or null. */
export function source(place, index, steps = 0) {
  const graph = place.node.graph;
  const link = linkOf(graph, place.node.inputs?.[index]?.link);
  return link && steps < DEEPEST ? origin(graph, place.path, link, steps + 1) : null;
}

function origin(graph, path, link, steps) {
  if (graph.inputNode && link.origin_id === graph.inputNode.id) {
    const host = path.at(-1);
    if (!host) return null;
    const outside = { node: host, path: path.slice(0, -1) };
    return source(outside, sameName(host.inputs, graph.inputs[link.origin_slot]?.name, link.origin_slot), steps);
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node || node.mode === MUTED) return null;
  const place = { node, path };
  if (node.mode === BYPASSED) {
    const through = passedThrough(node, link.origin_slot);
    return through < 0 ? null : source(place, through, steps);
  }
  if (isSubgraph(node)) {
    const inner = linkOf(node.subgraph, node.subgraph.outputs[link.origin_slot]?.linkIds?.[0]);
    return inner && steps < DEEPEST ? origin(node.subgraph, [...path, node], inner, steps + 1) : null;
  }
  if (node.isVirtualNode) {
    if (node.type === "Reroute") return source(place, 0, steps);
    const jump = node.getInputLink?.(link.origin_slot); // Get nodes of other packs
    if (jump && steps < DEEPEST) return origin(graph, path, jump, steps + 1);
  }
  return { ...place, slot: link.origin_slot };
}

/** Which input a bypassed node hands on as an output: the one beside it if the type fits, else the first that fits. */
function passedThrough(node, slot) {
  const type = node.outputs?.[slot]?.type;
  const fits = (input) => input && (input.type === type || input.type === "*" || type === "*");
  return fits(node.inputs?.[slot]) ? slot : (node.inputs?.findIndex(fits) ?? -1);
}

/** Whom an output feeds: a list of {node, path, index}, the index being that of the input. */
export function targets(place, slot, steps = 0) {
  const graph = place.node.graph;
  const links = (place.node.outputs?.[slot]?.links ?? []).map((id) => linkOf(graph, id)).filter(Boolean);
  return steps < DEEPEST ? links.flatMap((link) => destination(graph, place.path, link, steps + 1)) : [];
}

function destination(graph, path, link, steps) {
  if (graph.outputNode && link.target_id === graph.outputNode.id) {
    const host = path.at(-1);
    if (!host) return [];
    const outside = { node: host, path: path.slice(0, -1) };
    return targets(outside, sameName(host.outputs, graph.outputs[link.target_slot]?.name, link.target_slot), steps);
  }
  const node = graph.getNodeById(link.target_id);
  if (!node || node.mode === MUTED) return [];
  if (node.mode === BYPASSED) {
    const slots = (node.outputs ?? []).map((_, slot) => slot);
    const through = slots.filter((slot) => passedThrough(node, slot) === link.target_slot);
    return through.flatMap((slot) => targets({ node, path }, slot, steps));
  }
  if (isSubgraph(node)) {
    const ids = node.subgraph.inputs[link.target_slot]?.linkIds ?? [];
    const inner = ids.map((id) => linkOf(node.subgraph, id)).filter(Boolean);
    return steps < DEEPEST ? inner.flatMap((each) => destination(node.subgraph, [...path, node], each, steps + 1)) : [];
  }
  if (node.type === "Reroute" && node.isVirtualNode) return targets({ node, path }, 0, steps);
  return [{ node, path, index: link.target_slot }];
}

/** The index of an input by its name, or -1. */
export const inputIndex = (node, name) => node.inputs?.findIndex((input) => input.name === name) ?? -1;

/** What a named input is fed by, or null. */
export function sourceOf(place, name) {
  const index = inputIndex(place.node, name);
  return index < 0 ? null : source(place, index);
}

/** All places upstream of one, nearest first, itself not among them; `test(node)` picks. */
export function upstream(place, test = () => true) {
  const seen = new Set([executionId(place)]);
  const found = [];
  for (let open = [place]; open.length; ) {
    const here = open.shift();
    for (let index = 0; index < (here.node.inputs?.length ?? 0); index++) {
      const next = source(here, index);
      if (!next || seen.has(executionId(next))) continue;
      seen.add(executionId(next));
      open.push(next);
      if (test(next.node)) found.push(next);
    }
  }
  return found;
}

/** Where the value of a widget is set: {node, widget}, which may be the widget of a subgraph node or a primitive; with
 *  `fixed`, the node that makes it, if it is computed and nobody can set it. */
export function setting(place, name) {
  const own = place.node.widgets?.find((widget) => widget.name === name);
  const index = place.node.inputs?.findIndex((input) => input.widget?.name === name) ?? -1;
  const graph = place.node.graph;
  const link = index < 0 ? null : linkOf(graph, place.node.inputs[index].link);
  if (!link) return { node: place.node, widget: own };
  const host = place.path.at(-1);
  if (host && link.origin_id === graph.inputNode?.id) {
    const outer = host.inputs[sameName(host.inputs, graph.inputs[link.origin_slot]?.name, link.origin_slot)];
    return setting({ node: host, path: place.path.slice(0, -1) }, outer?.widget?.name ?? outer?.name);
  }
  const from = source(place, index);
  if (!from) return { node: place.node, widget: own };
  const primitive = /^Primitive/.test(classOf(from.node));
  const value = primitive && from.node.widgets?.find((widget) => widget.name === "value");
  return value ? { node: from.node, widget: value } : { node: place.node, widget: own, fixed: from.node };
}

/** The value of a widget, wherever it is set; undefined if there is none, or if it is computed. */
export function value(place, name) {
  const { widget, fixed } = setting(place, name);
  return fixed ? undefined : widget?.value;
}

/** Sets a widget as if the user had done it, as one step of undo; false if it cannot be set. */
export function setValue(place, name, next) {
  const { node, widget, fixed } = setting(place, name);
  if (fixed || !widget) return false;
  if (widget.value === next) return true;
  const before = widget.value;
  widget.value = next;
  widget.callback?.(next, app.canvas, node, app.canvas?.graph_mouse);
  node.onWidgetChanged?.(widget.name, next, before, widget);
  keepStep();
  root().setDirtyCanvas(true, true);
  return true;
}

/** Makes what was just changed a step of undo (and tells everybody: "graphChanged"). */
export function keepStep() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.(); // its name in older editors
}

/** The part of an API prompt that leads to some of its nodes. */
export function partLeadingTo(output, ids) {
  const part = {};
  for (const open = [...ids]; open.length; ) {
    const id = open.pop();
    if (part[id] || !output[id]) continue;
    part[id] = output[id];
    for (const each of Object.values(output[id].inputs)) if (isLink(each)) open.push(String(each[0]));
  }
  return part;
}

const isLink = (each) => Array.isArray(each) && each.length === 2 && typeof each[1] === "number";

/** Whether two API prompts make the same at a node each, whatever the ids of the nodes are. */
export function makesTheSame(output, id, other, otherId) {
  const table = new Map(); // from what a node is, its sources by number, to its own number
  const number = (prompt, node, known) => {
    if (!prompt[node]) return -1;
    if (known.has(node)) return known.get(node);
    known.set(node, -2);
    const inputs = Object.entries(prompt[node].inputs).sort(([a], [b]) => (a < b ? -1 : 1));
    const told = inputs.map(([name, each]) => [name, isLink(each) ? [number(prompt, String(each[0]), known), each[1]] : [each]]);
    const text = JSON.stringify([prompt[node].class_type, told]);
    if (!table.has(text)) table.set(text, table.size);
    known.set(node, table.get(text));
    return known.get(node);
  };
  return number(output, id, new Map()) === number(other, otherId, new Map());
}

/** Queues only what leads to some places, before all that waits; gives the id of the job.
 *  Throws an Error whose message is fit to show. */
export async function queuePart(wanted) {
  const ids = wanted.map(executionId);
  const { output, workflow } = await app.graphToPrompt();
  const missing = ids.find((id) => !output[id]);
  if (missing) throw new Error(say("This node cannot run: it is muted or bypassed, or the subgraph it is in is"));
  let reply;
  try {
    reply = await api.queuePrompt(-1, { output: partLeadingTo(output, ids), workflow });
  } catch (error) {
    throw new Error(refusal(error), { cause: error });
  }
  return reply.prompt_id;
}

/** Why the server would not take a prompt, in its words. */
function refusal(error) {
  const { error: whole, node_errors: parts } = error.response ?? {};
  const lines = Object.values(parts ?? {}).flatMap((part) =>
    part.errors.map((each) => `${part.class_type}: ${each.details || each.message}`),
  );
  if (lines.length) return lines.join("; ");
  if (typeof whole === "string") return whole;
  return whole?.message ?? error.message ?? say("The server did not answer");
}

/** Calls back on what happens to jobs and to the graph; each takes the event's detail. Gives a function that stops it.
 *  `executed(id, output)`, `failed(id, message)` by the execution id of the node; `started` and `ended` for jobs; `idle` when
 *  none is left; `changed` for the graph. */
export function watch({ executed, failed, started, ended, idle, changed }) {
  const heard = [];
  const on = (type, call) => {
    if (!call) return;
    const listener = ({ detail }) => call(detail);
    api.addEventListener(type, listener);
    heard.push(() => api.removeEventListener(type, listener));
  };
  on("executed", executed && ((detail) => executed(String(detail.display_node ?? detail.node), detail.output, detail)));
  on("execution_error", failed && ((detail) => failed(String(detail.node_id), detail.exception_message?.trim() ?? "", detail)));
  on("execution_start", started);
  for (const type of ["execution_success", "execution_error", "execution_interrupted"]) on(type, ended);
  on("status", idle && ((detail) => detail?.exec_info?.queue_remaining === 0 && idle()));
  on("graphChanged", changed);
  return () => heard.forEach((stop) => stop());
}

/** In the classic editor, where a widget lies above the canvas, hands the wheel and the middle button on to it. */
export function passToCanvas(element) {
  const classic = () => !globalThis.LiteGraph?.vueNodesMode;
  element.addEventListener("wheel", (event) => classic() && app.canvas.processMouseWheel(event), { passive: false });
  const hand = { pointerdown: "processMouseDown", pointermove: "processMouseMove", pointerup: "processMouseUp" };
  for (const [type, method] of Object.entries(hand)) {
    const middle = (event) => (type === "pointermove" ? event.buttons & 4 : event.button === 1);
    element.addEventListener(type, (event) => classic() && middle(event) && app.canvas[method](event));
  }
}
