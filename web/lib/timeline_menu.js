// The menu of what can be added to a timeline, with a search over it.
import { el } from "./dom.js";
import { BEATS, BLENDSHAPES, EXPRESSIONS, HEAD, PAIRS } from "./timeline_names.js";
import { say } from "./words.js";

const groups = () => [
  [say("Feelings"), EXPRESSIONS], [say("Gestures"), Object.keys(BEATS)], [say("Head"), HEAD], [say("Face, both sides"), PAIRS],
  [say("Face"), BLENDSHAPES],
];

export class AddMenu {
  /** `add(name)` is called with what is chosen, `closed()` as it closes. */
  constructor(add, closed) {
    this.search = el("input", { type: "search", placeholder: say("Search feelings, gestures, channels"), "aria-label": say("Search") });
    this.list = el("div", { class: "list" });
    this.root = el("div", { class: "menu", hidden: true, role: "dialog", "aria-label": say("Add to the timeline") }, this.search, this.list);
    Object.assign(this, { add, closed });
    this.search.addEventListener("input", () => this.fill());
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.list.querySelector("button")?.click();
      if (event.key === "ArrowDown") this.list.querySelector("button")?.focus();
    });
  }

  fill() {
    const wanted = this.search.value.toLowerCase().replace(/[\s_-]/g, "");
    const fitting = groups().map(([title, names]) => [title, names.filter((name) => name.toLowerCase().replace("_", "").includes(wanted))]);
    const parts = fitting.filter(([, names]) => names.length).flatMap(([title, names]) => [
      el("h4", {}, title),
      ...names.map((name) => el("button", { type: "button", onclick: () => this.choose(name) }, name)),
    ]);
    this.list.replaceChildren(...(parts.length ? parts : [el("h4", {}, say("Nothing is called '{name}'", { name: this.search.value }))]));
  }

  choose(name) {
    this.close();
    this.add(name);
  }

  toggle() {
    if (!this.root.hidden) return this.close();
    this.search.value = "";
    this.fill();
    this.root.hidden = false;
    this.search.focus({ preventScroll: true });
  }

  close() {
    this.root.hidden = true;
    this.closed();
  }
}
