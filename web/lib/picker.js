// The cast picker's widget: the picture with its faces, a line that says how things stand, and on Detect Faces the list of
// the roles. Nothing happens on import.
import * as cast from "./cast.js";
import { el, keepEvents, style, theme } from "./dom.js";
import { FacePicture } from "./face_picture.js";
import * as graph from "./graph.js";
import { say } from "./words.js";
import { api } from "../../../scripts/api.js";

const LOWEST = 130; // pixels of the node that the picture gets at least ...
const USUAL = 170; // ... before it is known ...
const HIGHEST = { role: 200, detect: 300 }; // ... and at most by itself; a node drawn larger shows it larger
const LINE = 38;
const ROW = 27;

const CSS = `
.troupe-picker { display: flex; flex-direction: column; gap: 5px; width: 100%; height: 100%; box-sizing: border-box;
  font: 12px system-ui, sans-serif; color: ${theme.inputText}; text-align: start; }
.troupe-picker .line { display: flex; align-items: center; gap: 8px; flex: 0 0 auto; min-height: 24px; }
.troupe-picker .said { flex: 1 1 auto; overflow-wrap: anywhere; max-height: 66px; overflow-y: auto; line-height: 1.35; }
.troupe-picker .said.error::before { content: "✖ "; color: ${theme.error}; }
.troupe-picker .said.warning::before { content: "⚠ "; }
.troupe-picker button { font: inherit; color: ${theme.inputText}; background: ${theme.inputBackground};
  border: 1px solid ${theme.border}; border-radius: 4px; padding: 3px 9px; cursor: pointer; flex: 0 0 auto; }
.troupe-picker button:hover:not(:disabled) { border-color: ${theme.accent}; }
.troupe-picker button:disabled { opacity: 0.6; cursor: default; }
.troupe-picker button:focus-visible { outline: 2px solid ${theme.accent}; outline-offset: 1px; }
.troupe-picker .roles { display: flex; flex-direction: column; gap: 3px; flex: 0 0 auto; }
.troupe-picker .roles button { display: flex; align-items: center; gap: 7px; width: 100%; min-height: 24px; padding: 2px 7px;
  text-align: start; }
.troupe-picker .roles button[aria-checked="true"] { border-color: ${theme.accent}; box-shadow: inset 3px 0 0 ${theme.accent}; }
.troupe-picker .swatch { flex: 0 0 auto; min-width: 19px; padding: 0 3px; border-radius: 3px; text-align: center;
  font-weight: 600; background: #888; color: #000; border: 1px solid #0008; }
.troupe-picker .drive { flex: 1 1 auto; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.troupe-picker .how { flex: 0 0 auto; color: ${theme.faint}; }
.troupe-picker [hidden] { display: none; }
.troupe-picker.empty .line { flex: 1 1 auto; flex-direction: column; justify-content: center; text-align: center;
  padding: 8px; border: 1px dashed ${theme.border}; border-radius: 4px; }
.troupe-picker.empty .said { flex: 0 1 auto; }
[data-node-id]:has(.troupe-picker.detect) .image-preview { display: none; }
`;

const count = ({ length: n }) => (n === 1 ? say("one face was") : say("{n} faces were", { n }));

const url = ({ filename, subfolder, type }) => api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);

/** "frame 12 of 75 (0.44 s)", or nothing for a lone picture. */
function frameNamed({ frame, frames, fps }) {
  if (!(frames > 1)) return "";
  const time = fps ? ` (${(frame / fps).toFixed(2)} s)` : "";
  return say("Frame {frame} of {frames}{time}. ", { frame: frame + 1, frames, time });
}

export class Picker {
  #selected = null; // on Detect Faces: the key of the role for which a face is picked
  #gone = null; // the picture whose file the server no longer has
  #old = false;
  #model = {};
  #rows = "";

  /** For one node, with what is known of all Detect Faces, and what to call when a choice has been made. */
  constructor(node, findings, changed) {
    style("troupe-picker", CSS);
    Object.assign(this, { node, findings, changed });
    this.picture = new FacePicture(
      (person) => this.pick(person),
      () => this.#lost(),
    );
    this.said = el("div", { class: "said", role: "status", "aria-live": "polite" });
    this.button = el("button", { type: "button", onclick: () => this.#look() }, say("Find faces"));
    this.line = el("div", { class: "line" }, this.said, this.button);
    this.roles = el("div", { class: "roles", role: "radiogroup", "aria-label": say("Roles"), onkeydown: (e) => this.#key(e) });
    this.element = el("div", { class: `troupe-picker ${this.ofRole ? "role" : "detect"}` }, this.picture.element, this.line, this.roles);
    keepEvents(this.element, ["pointerdown", "contextmenu", "dblclick"]);
    graph.passToCanvas(this.element);
  }

  get ofRole() {
    return graph.classOf(this.node) === cast.ROLE;
  }

  /** What the widget needs at least, in pixels of the node. */
  height() {
    const { found, roles } = this.#model;
    const wide = Math.max(180, this.node.size[0] - 30);
    const highest = this.ofRole ? HIGHEST.role : HIGHEST.detect;
    const picture = found ? Math.min(highest, Math.max(LOWEST, (wide * found.height) / found.width)) : USUAL;
    return Math.round(picture) + LINE + (this.ofRole ? 0 : (roles?.length ?? 0) * ROW);
  }

  /** Reads the graph anew and shows it. */
  async refresh() {
    const place = graph.placeOf(this.node);
    if (!place) return;
    const detect = this.ofRole ? cast.detectOf(place) : place;
    const found = detect && this.findings.found(detect);
    const roles = detect ? cast.rolesOf(detect) : [];
    const own = this.ofRole ? cast.describe(place) : this.#selectedOf(roles);
    this.#model = { place, detect, found, roles, own };
    this.#show();
    const old = found ? await this.findings.outdated(detect) : false;
    if (old !== this.#old) {
      this.#old = old;
      this.#show();
    }
  }

  /** The selected role; a lone one needs no selecting. */
  #selectedOf(roles) {
    const only = roles.length === 1 ? roles[0] : null;
    return roles.find((role) => role.key === this.#selected) ?? only;
  }

  /** A face is picked for the role: its widget says so from now on. */
  pick(person) {
    const { roles, own } = this.#model;
    if (own) {
      graph.setValue(own.place, "face", person);
      this.changed();
      return;
    }
    const role = roles.find((each) => each.face === person);
    if (role) this.#select(role.key);
  }

  #select(key) {
    this.#selected = key;
    this.refresh();
  }

  #lost() {
    this.#gone = this.#model.found?.image.filename ?? null;
    this.#show();
  }

  async #look() {
    const looking = this.findings.look(this.#model.detect);
    this.changed();
    await looking;
    this.changed();
  }

  #show() {
    const { detect, found, roles, own } = this.#model;
    const gone = found && this.#gone === found.image.filename;
    const { text, kind, button } = this.#notice(gone);
    this.said.textContent = (found && !gone ? frameNamed(found) : "") + text;
    this.said.className = `said ${kind ?? ""}`;
    this.button.hidden = !button || !detect;
    this.button.disabled = Boolean(detect && this.findings.looking(detect));
    this.picture.element.hidden = !found;
    this.element.classList.toggle("empty", !found);
    this.line.hidden = !this.said.textContent && this.button.hidden;
    if (found) {
      this.picture.show({
        url: url(found.image),
        width: found.width,
        height: found.height,
        people: found.people.map((each) => ({ ...each, elsewhere: elsewhere(each, found) })),
        chosen: own?.face,
        labels: labels(roles),
        old: this.#old || gone,
        pickable: roles.length > 0 && !own?.fixed,
      });
    }
    if (!this.ofRole) this.#list(roles, own, found);
    const least = `${this.height()}px`;
    if (this.element.style.minHeight === least) return;
    this.element.style.minHeight = least;
    this.node.setDirtyCanvas(true, true); // the classic editor lays its widgets out when it draws
  }

  /** How things stand: {text, kind, button}, the first of what needs saying. */
  #notice(gone) {
    const { place, detect, found, roles, own } = this.#model;
    const stopped = (at) => ({ how: graph.stopped(at) === "muted" ? say("muted") : say("bypassed") });
    if (this.ofRole && graph.stopped(place)) return { text: say("This role is {how}: nobody plays it.", stopped(place)) };
    if (!detect) {
      return {
        text: say(
          "No Detect Faces belongs to this role yet: wire the cast to a renderer, and Detect Faces to the renderer's faces.",
        ),
      };
    }
    if (graph.stopped(detect)) {
      const off = stopped(detect);
      return { text: this.ofRole ? say("Detect Faces is {how}.", off) : say("This node is {how}.", off) };
    }
    if (!cast.looksAtSomething(detect)) {
      return {
        text: this.ofRole
          ? say("Detect Faces has nothing to look at: connect a picture to its ‘image’ or a clip to its ‘video’.")
          : say("Nothing to look at: connect a picture to its ‘image’ or a clip to its ‘video’."),
      };
    }
    if (this.findings.looking(detect)) return { text: say("Looking for faces …"), button: true };
    const failure = this.findings.failure(detect);
    if (failure) return { text: failure, kind: "error", button: true };
    if (!found) return { text: say("Find the faces of the picture to pick one by a click."), button: true };
    if (gone) return { text: say("The picture is no longer there."), kind: "warning", button: true };
    if (this.#old) return { text: say("The boxes are of an older picture."), kind: "warning", button: true };
    if (own?.fixed) return { text: say("The face is set by ‘{node}’.", { node: own.fixed }) };
    const missing = (this.ofRole ? [own] : roles).find((role) => role && !role.fixed && !there(role, found));
    if (missing) return { text: `${absence(missing, found)} ${say("Pick another.")}`, kind: "warning" };
    const twins = own && roles.filter((role) => role.face === own.face && role.key !== own.key);
    if (this.ofRole && twins.length) {
      const drive = twins[0].drive ?? say("no drive");
      return { text: say("Face {face} also has ‘{drive}’.", { face: own.face, drive }) };
    }
    if (this.ofRole) return { text: "" };
    if (!roles.length) return { text: say("{count} found.", { count: capital(count(found.people)) }) };
    if (!own) return { text: say("Select a role below, then click its face.") };
    return { text: say("Click the face of ‘{drive}’.", { drive: own.drive ?? say("this role") }) };
  }

  #list(roles, own, found) {
    const told = JSON.stringify([roles.map(({ place, ...rest }) => rest), own?.key, found?.people]);
    if (told === this.#rows) return;
    this.#rows = told;
    const focused = this.roles.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.roles.replaceChildren(...roles.map((role) => this.#row(role, own, found)));
    if (focused) this.roles.querySelector(`[data-key="${focused}"]`)?.focus();
  }

  #row(role, own, found) {
    const colour = found?.people.find((each) => each.person === role.face)?.colour;
    const missing = found && !role.fixed && !there(role, found);
    const strength = Number.isFinite(role.strength) ? `× ${Number(role.strength.toFixed(2))}` : null;
    const how = [role.region, strength];
    const drive = role.drive ?? say("no drive yet");
    const face = role.fixed ? "?" : role.face;
    const whose = missing ? say("Face {face}, not there", { face }) : say("Face {face}", { face });
    const words = [whose, drive, ...how].filter(Boolean).join(", ");
    return el(
      "button",
      {
        type: "button",
        role: "radio",
        "aria-checked": String(role.key === own?.key),
        "aria-label": words,
        title: words,
        "data-key": role.key,
        onclick: (event) => this.#chosenRow(role, event.detail === 0),
      },
      el("span", { class: "swatch", style: colour ? `background: ${colour}` : null }, missing ? `⚠ ${face}` : String(face)),
      el("span", { class: "drive" }, drive),
      el("span", { class: "how" }, how.filter(Boolean).join(" ")),
    );
  }

  #chosenRow(role, byKeyboard) {
    this.#select(role.key);
    if (byKeyboard) this.picture.focus();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...this.roles.children];
    const at = rows.indexOf(event.target.closest("button"));
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const digit = /^\d$/.test(event.key) && this.#model.found;
    if (!step && !digit) return;
    event.preventDefault();
    event.stopPropagation();
    if (step) rows[(at + step + rows.length) % rows.length].focus();
    else {
      this.#selected = rows[at].dataset.key;
      this.#model.own = this.#selectedOf(this.#model.roles);
      this.picture.digit(Number(event.key));
    }
  }
}

const there = (role, found) => found.people.some((each) => each.person === role.face);

/** Why a role's face cannot be played: it is not among those found, or, in a workflow of an older version, no number. */
function absence({ face }, found) {
  if (!Number.isInteger(face)) return say("‘{face}’ is not the number of a face.", { face });
  return say("Face {face} is not there: {count} found.", { face, count: count(found.people) });
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** What to say of a person whose box is from another frame than the picture. */
function elsewhere(each, found) {
  const frame = each.frame + 1;
  return each.frame === found.frame ? null : say("not in this frame, seen from frame {frame}", { frame });
}

/** By person, the names of the drives that play it. */
function labels(roles) {
  const names = {};
  for (const { face, drive } of roles) {
    if (typeof face === "number" && drive) names[face] = names[face] ? `${names[face]} + ${drive}` : drive;
  }
  return names;
}
