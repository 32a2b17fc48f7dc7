// A report as it is read: a line for each thing, what it is about in front, warnings that catch the eye. Nothing happens on
// import.
import { el, svg, theme } from "./dom.js";
import { say } from "./words.js";

export const REPORT_CSS = `
.troupe-report { display: flex; flex-direction: column; width: 100%; height: 100%; min-height: 28px; box-sizing: border-box;
  position: relative; color: ${theme.inputText}; font: 12px/1.4 system-ui, sans-serif; border-radius: 4px; }
.troupe-report .lines { flex: 1 1 auto; min-height: 0; overflow-y: auto; padding: 6px 9px; box-sizing: border-box;
  background: ${theme.inputBackground}; border-radius: 4px; user-select: text; cursor: text; overflow-wrap: anywhere;
  white-space: pre-wrap; font-variant-numeric: tabular-nums; }
.troupe-report.empty { border: 1px dashed ${theme.border}; justify-content: center; text-align: center; }
.troupe-report.empty .lines { flex: 0 0 auto; background: none; padding: 2px 9px; cursor: default; }
.troupe-report .corner { float: inline-end; width: 22px; height: 18px; } /* the button's room */
.troupe-report .about { opacity: 0.75; }
.troupe-report .figure { display: flex; gap: 10px; }
.troupe-report .figure .about { flex: 0 1 170px; }
.troupe-report .warning, .troupe-report .well { display: flex; gap: 7px; margin-top: 4px; padding: 4px 7px; border-radius: 4px; }
.troupe-report .warning { border-inline-start: 3px solid #e08a00; background: #e08a0026; }
.troupe-report .well { border-inline-start: 3px solid #00a86b; background: #00a86b26; }
.troupe-report .warning svg, .troupe-report .well svg { flex: 0 0 auto; margin-top: 2px; }
.troupe-report button { position: absolute; top: 4px; inset-inline-end: 4px; width: 22px; height: 22px; padding: 0; display: flex;
  align-items: center; justify-content: center; color: ${theme.inputText}; background: ${theme.inputBackground};
  border: 1px solid transparent; border-radius: 4px; cursor: pointer; opacity: 0.6; }
.troupe-report button:hover, .troupe-report button:focus-visible { opacity: 1; border-color: ${theme.border}; }
.troupe-report :focus-visible { outline: 2px solid ${theme.accent}; outline-offset: -1px; }
.troupe-report [hidden] { display: none; }
`;

const WARNING = /^WARNING: /;
const WELL = /^in step/i;
const ABOUT = /^([\p{L}][\p{L} ]{0,24}): (?=\S)/u;
const FIGURE = /^(\S.*?) {2,}(\S+)$/; // a row of a table
const LOWEST = 30, HIGHEST = 300; // pixels
const LINE = 17, LETTER = 6.3, BOX = 12, CORNER = 4; // about the size of a line and a letter, what a box around it adds, and
// the letters that the button takes from the first line

const drawn = (path, colour) => svg("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
  svg("path", { d: path, fill: "none", stroke: colour, "stroke-width": 1.5, "stroke-linejoin": "round" }));

function shown(line) {
  if (WARNING.test(line)) {
    const sign = drawn("M8 2L15 14H1zM8 6.5v4M8 11.6v1.2", "#e08a00");
    return el("div", { class: "warning" }, sign, el("span", {}, line.replace(WARNING, "")));
  }
  if (WELL.test(line)) {
    const text = line[0].toUpperCase() + line.slice(1);
    return el("div", { class: "well" }, drawn("M2 8.5l4 4 8-9", "#00a86b"), el("span", {}, text));
  }
  const figure = FIGURE.exec(line);
  if (figure) {
    const [, name, value] = figure;
    return el("div", { class: "figure" }, el("span", { class: "about" }, name), el("span", {}, value === "nan" ? "–" : value));
  }
  const about = ABOUT.exec(line)?.[0] ?? "";
  return el("div", {}, about && el("span", { class: "about" }, about), line.slice(about.length) || "\u00a0");
}

export class Report {
  /** An empty report that says `hint`; `changed` is called when it says something else. */
  constructor(hint, changed) {
    this.text = "";
    this.changed = changed;
    this.lines = el("div", { class: "lines", role: "status", "aria-live": "polite" }, hint);
    this.copy = el("button", { type: "button", "aria-label": say("Copy the report"), title: say("Copy"), hidden: true,
      onclick: () => this.#copy() }, drawn("M5 5V2h9v9h-3M2 5h9v9H2z", "currentColor"));
    this.root = el("div", { class: "troupe-report empty" }, this.lines, this.copy);
  }

  show(text) {
    if (text === this.text) return;
    this.text = text;
    this.copy.hidden = false;
    this.lines.tabIndex = 0; // so that the keyboard can scroll it
    this.root.classList.remove("empty");
    this.lines.replaceChildren(el("span", { class: "corner" }), ...text.split("\n").map(shown));
    this.changed();
  }

  /** What the widget needs in a node of that width, in pixels of the node; longer reports are scrolled. */
  height(width) {
    if (!this.text) return LOWEST;
    const letters = Math.max(20, (width - 45) / LETTER);
    const rows = this.text.split("\n").map((line, index) => {
      if (FIGURE.test(line)) return LINE;
      const boxed = WARNING.test(line) || WELL.test(line);
      const length = line.replace(WARNING, "").length + (index ? 0 : CORNER);
      return LINE * Math.max(1, Math.ceil(length / (boxed ? letters - 6 : letters))) + (boxed ? BOX : 0);
    });
    return Math.min(HIGHEST, Math.max(LOWEST, rows.reduce((sum, row) => sum + row, 14)));
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.text);
      this.copy.title = "Copied";
    } catch {
      getSelection().selectAllChildren(this.lines); // no clipboard without https: then it is at least selected
    }
  }
}
