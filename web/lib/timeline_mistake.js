// Says in words and shows in the text what is wrong with a timeline.
import { el } from "./dom.js";
import { EXAMPLE } from "./timeline_rules.js";
import { say } from "./words.js";

const AROUND = 34; // characters shown on each side of a mistake

const ends = /[\n\r\v\f\u2028\u2029]/;

/** The line of a mistake, cut to what is around it: [before, wrong, after]. */
export function excerpt(text, { from, to }) {
  let begin = from, end = Math.min(Math.max(to, from + 1), text.length);
  while (begin > 0 && from - begin < AROUND && !ends.test(text[begin - 1])) begin--;
  for (let i = from; i < end; i++) if (ends.test(text[i])) end = i;
  end = Math.min(end, from + 2 * AROUND);
  let last = end;
  while (last < text.length && last - end < AROUND && !ends.test(text[last])) last++;
  return [text.slice(begin, from), text.slice(from, end) || " ", text.slice(end, last)];
}

/** Fills a box with a mistake, or hides it; `wired` says that the text comes from another node. */
export function showMistake(box, text, error, wired) {
  box.hidden = !error && !wired;
  if (wired) {
    box.classList.add("calm");
    box.replaceChildren(
      say("The text comes over a wire from a node that makes it during the run: it cannot be shown or changed here."),
    );
    return;
  }
  if (!error) return;
  const empty = error.what === "The timeline is empty";
  box.classList.toggle("calm", empty);
  if (empty) {
    box.replaceChildren(say("Nothing happens yet. Press + Add, or write into the text, say "), el("code", {}, EXAMPLE));
    return;
  }
  const parts = [];
  if (error.place) {
    const [before, wrong, after] = excerpt(text, error.place);
    parts.push(el("pre", { "aria-hidden": "true" }, before, el("u", {}, wrong), after));
    parts.push(el("span", { class: "where" }, say("Line {line}, column {column}: ", error.place)));
  }
  // What is wrong without the label that says where, which the line above does.
  const what = error.what.replace(/^(Item|Track) \d+ \('.*', line \d+, column \d+\)(: | )?/s, "").trim();
  const said = what === "cannot be read" ? "" : `${what}: `;
  parts.push(`${said}${error.why}. ${error.remedy}.`);
  box.replaceChildren(...parts);
}
