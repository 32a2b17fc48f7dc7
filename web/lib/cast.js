// Who plays what, read from the graph: the roles (Assign Role), the faces they are chosen from (Detect Faces), and what the
// last run found there. Choices are plain widget values; what is kept here is only what ComfyUI has shown.
// Nothing happens on import.
import { app } from "../../../scripts/app.js";
import * as graph from "./graph.js";

export const DETECT = "TroupeDetectFaces";
export const ROLE = "TroupeAssignRole";

const ASKED = "asked"; // in place of a job's name until the server has given it one

const ofClass = (name) => (node) => graph.classOf(node) === name;
const same = (one, other) => graph.executionId(one) === graph.executionId(other);

/** Where a role ends up: the places that take the cast it is part of (renderers, Apply Cast), past the rest of its chain. */
function takers(role, seen = new Set()) {
  const key = graph.executionId(role);
  if (seen.has(key)) return [];
  seen.add(key);
  const next = graph.targets(role, 0);
  return next.flatMap((place) => (ofClass(ROLE)(place.node) ? takers(place, seen) : [place]));
}

/** The Detect Faces behind an input of a kind, past whatever edits faces in between. */
function detectBehind(place, type) {
  for (const [index, input] of (place.node.inputs ?? []).entries()) {
    const from = input.type === type ? graph.source(place, index) : null;
    if (!from) continue;
    const found = ofClass(DETECT)(from.node) ? from : graph.upstream(from, ofClass(DETECT))[0];
    if (found) return found;
  }
  return null;
}

/** All Detect Faces, those that run before those that are muted or bypassed. */
function detects() {
  const all = graph.places(ofClass(DETECT));
  return [...all.filter((each) => !graph.stopped(each)), ...all.filter(graph.stopped)];
}

/** The Detect Faces that looks at the picture which a renderer animates. */
function detectOnPicture(place) {
  const picture = graph.sourceOf(place, "image");
  if (!picture) return null;
  const looks = ({ node, path }) => {
    const seen = graph.sourceOf({ node, path }, "image");
    return seen && same(seen, picture) && seen.slot === picture.slot;
  };
  return detects().find(looks) ?? null;
}

/** The Detect Faces whose numbers a role means: the one wired to whoever takes the cast, else the one that looks at the
 *  same picture, else, as long as no other picture is there to be animated, the only one there is. */
export function detectOf(role) {
  const ends = takers(role);
  for (const find of [(end) => detectBehind(end, "TROUPE_FACES"), detectOnPicture]) {
    const found = ends.map(find).find(Boolean);
    if (found) return found;
  }
  if (ends.some((end) => graph.sourceOf(end, "image"))) return null;
  const all = detects();
  return all.length === 1 || (all.length && !graph.stopped(all[0]) && graph.stopped(all[1])) ? all[0] : null;
}

/** What a role says: {place, key, face, fixed, drive, strength, region}; `fixed` is the node that computes its face. */
export function describe(place) {
  const drive = graph.sourceOf(place, "drive");
  const { fixed } = graph.setting(place, "face");
  return {
    place,
    key: graph.executionId(place),
    face: graph.value(place, "face"),
    fixed: fixed && titleOf(fixed),
    drive: drive ? titleOf(drive.node) : null,
    strength: graph.value(place, "strength"),
    region: graph.value(place, "region"),
  };
}

const titleOf = (node) => node.title || node.type;

/** Whether anything is wired for a Detect Faces to look at. */
export const looksAtSomething = (detect) =>
  ["image", "video", "face_landmarks"].some((name) => graph.sourceOf(detect, name));

/** How many roles stand before one in its chain. */
const depth = (place, steps = 0) => {
  const before = steps < 64 && graph.sourceOf(place, "cast");
  return before ? 1 + depth(before, steps + 1) : 0;
};

/** The roles that choose from the faces of one Detect Faces and are played, in the order of their chain. */
export function rolesOf(detect) {
  const mine = graph.places(ofClass(ROLE)).filter((role) => {
    const found = graph.stopped(role) ? null : detectOf(role);
    return found && same(found, detect);
  });
  return mine.map((place) => [depth(place), place]).sort(([a], [b]) => a - b).map(([, place]) => describe(place));
}

const keyOf = (place) => `${graph.root().id}/${graph.executionId(place)}`;
const samePicture = ({ image: one }, { image: other }) => one.filename === other.filename && one.subfolder === other.subfolder;

/** What is known of each Detect Faces: what its last run found, whether that is of the graph as it is now, what went wrong. */
export class Findings {
  #kept = new Map(); // what was found, by workflow and place: ComfyUI's own list has one entry for all uses of a subgraph
  #jobs = new Map(); // by execution id of the Detect Faces: the job that looks
  #over = new Set(); // jobs that have ended, some before the server's answer told their name
  #failed = new Map(); // by execution id of the Detect Faces: [state of the graph, what went wrong]
  #checked = new Map(); // by execution id: [state of the graph, found, whether it is of an older picture]

  #keptOf = (place) => this.#kept.get(keyOf(place));

  /** The entry that the last run gave ("troupe_faces"), or null. If its subgraph is used several times, that of this use,
   *  else that of any. What ComfyUI shows without a run that was heard of, as when an old job is opened, goes before. */
  found(detect) {
    const shown = app.nodeOutputs?.[graph.outputKey(detect)]?.troupe_faces?.at(-1);
    const kept = graph.placesOf(detect.node).map(this.#keptOf).filter(Boolean);
    if (shown && !kept.some((entry) => samePicture(entry, shown))) return shown;
    return this.#keptOf(detect) ?? shown ?? kept[0] ?? null;
  }

  /** A node has run. */
  executed(id, output) {
    const entry = output?.troupe_faces?.at(-1);
    const place = entry && graph.places(ofClass(DETECT)).find((each) => graph.executionId(each) === id);
    if (!place) return;
    this.#kept.set(keyOf(place), entry);
    this.#failed.delete(id);
    this.#jobs.delete(id);
  }

  /** A node has failed: that matters to each Detect Faces that is it or comes after it. */
  failed(id, message) {
    for (const detect of graph.places(ofClass(DETECT))) {
      const own = graph.executionId(detect);
      const above = () => graph.upstream(detect).some((place) => graph.executionId(place) === id);
      if (own !== id && !above()) continue;
      this.#failed.set(own, [stateOf(detect), message]);
      this.#jobs.delete(own);
    }
  }

  /** A job has come to its end. */
  ended({ prompt_id: job }) {
    this.#over.add(job);
    for (const [id, each] of this.#jobs) if (each === job) this.#jobs.delete(id);
  }

  /** No job is left: what was looking has been taken out of the queue. */
  idle() {
    for (const [id, job] of this.#jobs) if (job !== ASKED) this.#jobs.delete(id);
    this.#over.clear();
  }

  /** Whether a run that looks for faces is under way. */
  looking = (detect) => this.#jobs.has(graph.executionId(detect));

  /** What went wrong last, or null if nothing did or something has been changed since. */
  failure(detect) {
    const [state, message] = this.#failed.get(graph.executionId(detect)) ?? [];
    return message && state === stateOf(detect) ? message : null;
  }

  /** Runs the part of the graph that leads to a Detect Faces. */
  async look(detect) {
    const id = graph.executionId(detect);
    this.#failed.delete(id);
    this.#jobs.set(id, ASKED);
    try {
      const job = await graph.queuePart([detect]);
      if (this.#over.has(job)) this.#jobs.delete(id); // quicker than the answer
      else if (this.#jobs.has(id)) this.#jobs.set(id, job);
    } catch (error) {
      this.#jobs.delete(id);
      this.#failed.set(id, [stateOf(detect), error.message]);
    }
  }

  /** Whether the picture, or what leads to it, has been changed since the faces were found. Asking the editor for the
   *  whole graph costs, and some widgets act on it: it is asked only when a node above has changed. */
  async outdated(detect) {
    const found = this.found(detect);
    if (!found?.made_by?.[found.node]) return false;
    const id = graph.executionId(detect);
    const state = stateOf(detect);
    const [known, of, answer] = this.#checked.get(id) ?? [];
    if (known === state && of === found) return answer;
    const { output } = await app.graphToPrompt();
    const older = !graph.makesTheSame(output, id, found.made_by, found.node);
    this.#checked.set(id, [state, found, older]);
    return older;
  }
}

/** All that a Detect Faces and the nodes above it are set to, as text. */
const stateOf = (detect) => JSON.stringify([detect, ...graph.upstream(detect)].map(nodeState));

const nodeState = ({ node, path }) => [
  node.type,
  node.mode,
  path.map((host) => [host.id, (host.widgets ?? []).map(plain)]),
  (node.inputs ?? []).map((input) => input.link),
  (node.widgets ?? []).map(plain),
];

const plain = (widget) => (typeof widget.value === "object" ? null : widget.value);
