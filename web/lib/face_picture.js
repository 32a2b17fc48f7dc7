// A picture with numbered boxes around its faces, one of which is picked with mouse or keyboard. Nothing happens on import.
import { el, style, svg, theme } from "./dom.js";

const SMALLEST_HIT = 28; // pixels: what a finger or a hurried mouse still meets
const LETTER = 5.8; // pixels, the usual width of a letter of a mark
const DIGITS_WAIT = 700; // milliseconds between the digits of one number

const CSS = `
.troupe-picture { position: relative; flex: 1 1 auto; min-height: 130px; overflow: hidden; border-radius: 4px;
  background: ${theme.inputBackground}; }
.troupe-picture img { position: absolute; display: block; user-select: none; }
.troupe-picture svg { position: absolute; left: 0; top: 0; width: 100%; height: 100%; overflow: hidden; user-select: none; }
.troupe-picture.pickable svg { cursor: default; }
.troupe-picture.pickable svg.hits { cursor: pointer; }
.troupe-picture.old img { filter: grayscale(1) brightness(0.7); }
.troupe-picture rect { fill: none; }
.troupe-picture .dark { stroke: #000; stroke-opacity: 0.8; }
.troupe-picture .white { stroke: #fff; }
.troupe-picture .face { outline: none; }
.troupe-picture .ring, .troupe-picture .label.quiet { display: none; }
.troupe-picture .face:focus-visible .ring { display: block; }
.troupe-picture .over .label.quiet { display: block; }
.troupe-picture .face.over .glow { fill: #fff; fill-opacity: 0.14; }
.troupe-picture text { font: 600 12px system-ui, sans-serif; pointer-events: none; }
.troupe-picture .label text { font-size: 11px; font-weight: 500; fill: #fff; }
.troupe-picture .label rect { fill: #000; fill-opacity: 0.78; }
`;

/** Ink that can be read on a colour "#rrggbb". */
function ink(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.3 * r + 0.59 * g + 0.11 * b > 120 ? "#000" : "#fff";
}

/** Where a picture of one size lies, whole and centred, in a room of another: {x, y, scale}. */
export function fit(width, height, roomWidth, roomHeight) {
  const scale = Math.min(roomWidth / width, roomHeight / height);
  return { x: (roomWidth - width * scale) / 2, y: (roomHeight - height * scale) / 2, scale };
}

/** The face that a press at x, y means: of those whose box, grown to the smallest hit, holds the point, the one whose
 *  middle is nearest. Boxes are {person, x, y, width, height} in the same pixels. */
export function faceAt(boxes, x, y, least = SMALLEST_HIT) {
  let nearest = null;
  let best = Infinity;
  for (const box of boxes) {
    const dx = Math.abs(x - box.x - box.width / 2);
    const dy = Math.abs(y - box.y - box.height / 2);
    const inside = dx <= Math.max(box.width, least) / 2 && dy <= Math.max(box.height, least) / 2;
    if (inside && Math.max(dx, dy) < best) [best, nearest] = [Math.max(dx, dy), box];
  }
  return nearest;
}

/** The number that digits typed after one another mean: 1 then 2 is 12, but in a picture of three faces 2. */
export function typed(before, digit, count) {
  const together = before * 10 + digit;
  return together >= 1 && together <= count ? together : digit;
}

/** How wide the mark under a box may be before it meets the one under another. */
function beside(box, boxes) {
  const bottom = box.y + box.height;
  const near = boxes.filter((other) => other !== box && Math.abs(other.y + other.height - bottom) < 20);
  const middle = box.x + box.width / 2;
  return Math.min(190, ...near.map((other) => Math.abs(other.x + other.width / 2 - middle)));
}

const cut = (text, letters) => (text.length > letters ? `${text.slice(0, Math.max(1, letters - 1))}…` : text);

/** A name in one or two lines of so many letters. */
function wrapped(text, letters) {
  if (text.length <= letters) return [text];
  const at = text.lastIndexOf(" ", letters);
  return at > 0 ? [text.slice(0, at), cut(text.slice(at + 1), letters)] : [cut(text, letters)];
}

export class FacePicture {
  #state = null;
  #drawn = "";
  #boxes = [];
  #digits = { value: 0, at: 0 };

  /** `pick(person)` is called when a face is picked, `lost()` when the picture's file is no longer there. */
  constructor(pick, lost) {
    style("troupe-picture", CSS);
    this.pick = pick;
    this.image = el("img", { alt: "", draggable: "false", onerror: lost });
    this.svg = svg("svg", { role: "radiogroup", "aria-label": "Faces of the picture" });
    this.element = el("div", { class: "troupe-picture" }, this.image, this.svg);
    this.svg.addEventListener("click", (event) => this.#pickAt(event));
    this.svg.addEventListener("pointermove", (event) => this.#hover(this.#under(event)));
    this.svg.addEventListener("pointerleave", () => this.#hover(null));
    this.svg.addEventListener("focusin", ({ target }) => this.#hover({ person: Number(target.dataset.person) }));
    this.svg.addEventListener("focusout", () => this.#hover(null));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  /** Shows {url, width, height, people: [{person, box, colour, elsewhere}], chosen, labels: {person: text}, old, pickable}. */
  show(state) {
    this.#state = state;
    if (this.image.getAttribute("src") !== state.url) this.image.src = state.url;
    this.#draw();
  }

  focus() {
    (this.svg.querySelector('[aria-checked="true"]') ?? this.svg.querySelector(".face"))?.focus();
  }

  #draw() {
    const [width, height] = [this.element.clientWidth, this.element.clientHeight];
    const text = JSON.stringify([this.#state, width, height]);
    if (!this.#state || !width || !height || text === this.#drawn) return;
    this.#drawn = text;
    const { people, old, pickable } = this.#state;
    const at = fit(this.#state.width, this.#state.height, width, height);
    Object.assign(this.image.style, {
      left: `${at.x}px`,
      top: `${at.y}px`,
      width: `${this.#state.width * at.scale}px`,
      height: `${this.#state.height * at.scale}px`,
    });
    this.element.classList.toggle("old", Boolean(old));
    this.element.classList.toggle("pickable", Boolean(pickable));
    this.#boxes = people.map((each) => {
      const [x0, y0, x1, y1] = each.box;
      const [w, h] = [(x1 - x0) * at.scale, (y1 - y0) * at.scale];
      return { ...each, x: at.x + x0 * at.scale, y: at.y + y0 * at.scale, width: w, height: h };
    });
    const focused = this.svg.contains(document.activeElement) ? document.activeElement.dataset.person : null;
    // Faces stand in the order of their numbers, for the Tab key; plates and names above all boxes, the chosen one's on top.
    const last = [...this.#boxes].sort((a, b) => (a.person === this.#state.chosen) - (b.person === this.#state.chosen));
    this.svg.replaceChildren(
      ...this.#boxes.map((box) => this.#face(box)),
      ...last.map((box) => this.#marks(box, width, height)),
    );
    if (focused) this.#faceOf(focused)?.focus();
  }

  #faceOf = (person) => this.svg.querySelector(`.face[data-person="${person}"]`);

  #face(box) {
    const { chosen, labels, pickable, people } = this.#state;
    const isChosen = box.person === chosen;
    const told = [`Face ${box.person} of ${people.length}`, labels[box.person], box.elsewhere].filter(Boolean).join(", ");
    const line = isChosen ? 4 : 2;
    const frame = { x: box.x, y: box.y, width: box.width, height: box.height, rx: 3 };
    return svg(
      "g",
      {
        class: "face",
        role: "radio",
        tabindex: pickable ? 0 : null,
        "data-person": box.person,
        "aria-checked": String(isChosen),
        "aria-disabled": String(!pickable),
        "aria-label": told,
      },
      svg("title", {}, told),
      svg("rect", { ...grown(frame, 5), class: "ring dark", "stroke-width": 5 }),
      svg("rect", { ...grown(frame, 5), class: "ring white", "stroke-width": 2 }),
      svg("rect", { ...frame, class: "dark", "stroke-width": line + 3 }),
      isChosen && svg("rect", { ...frame, style: `fill: ${this.#colour(box)}; fill-opacity: 0.14` }),
      svg("rect", {
        ...frame,
        class: "glow",
        stroke: this.#colour(box),
        "stroke-width": line,
        "stroke-dasharray": box.elsewhere ? "5 4" : null,
      }),
    );
  }

  #colour = (box) => (this.#state.old ? "#bbbbbb" : box.colour);

  /** The number, and whose part the face plays. */
  #marks(box, width, height) {
    const isChosen = box.person === this.#state.chosen;
    const label = this.#state.labels[box.person];
    return svg(
      "g",
      { class: "marks", "aria-hidden": "true", "data-person": box.person },
      plate(box, isChosen ? `${box.person} ✓` : String(box.person), this.#colour(box), width),
      label && this.#label(box, label, isChosen, width, height),
    );
  }

  #label(box, label, isChosen, width, height) {
    const room = Math.min(width, Math.max(box.width, beside(box, this.#boxes) - 4, isChosen ? 100 : 0));
    const lines = wrapped(label, Math.floor((room - 8) / LETTER));
    const long = Math.min(Math.max(...lines.map((line) => line.length)) * LETTER + 8, width);
    const high = 3 + 13 * lines.length;
    const x = Math.max(0, Math.min(box.x + box.width / 2 - long / 2, width - long));
    const y = Math.min(box.y + box.height + 4, height - high);
    const quiet = !isChosen && room < 52;
    const place = (line, at) => svg("text", { x: x + long / 2, y: y + 12 + 13 * at, "text-anchor": "middle" }, line);
    return svg(
      "g",
      { class: quiet ? "label quiet" : "label" },
      svg("rect", { x, y, width: long, height: high, rx: 3 }),
      lines.map(place),
    );
  }

  #under({ clientX, clientY }) {
    const seen = this.svg.getBoundingClientRect(); // scaled by the canvas, unlike clientWidth
    const scale = this.element.clientWidth / seen.width;
    return faceAt(this.#boxes, (clientX - seen.left) * scale, (clientY - seen.top) * scale);
  }

  #hover(box) {
    this.svg.classList.toggle("hits", Boolean(box));
    for (const part of this.svg.children) {
      part.classList.toggle("over", Boolean(box) && Number(part.dataset.person) === box.person);
    }
  }

  #pickAt(event) {
    const box = this.#state?.pickable && this.#under(event);
    if (box) this.pick(box.person);
  }

  #key(event) {
    if (!this.#state?.pickable || event.ctrlKey || event.metaKey || event.altKey) return;
    const people = this.#state.people.map((each) => each.person);
    const at = people.indexOf(Number(event.target.closest?.(".face")?.dataset.person));
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    let go = null;
    if (event.key in steps) go = people[(at + steps[event.key] + people.length) % people.length];
    else if (event.key === "Home") go = people[0];
    else if (event.key === "End") go = people.at(-1);
    else if ((event.key === "Enter" || event.key === " ") && at >= 0) this.pick(people[at]);
    else if (/^\d$/.test(event.key)) go = this.digit(Number(event.key));
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (go) this.#faceOf(go)?.focus();
  }

  /** A digit has been typed: picks that face, gives its number, or null if there is none. */
  digit(digit) {
    const now = performance.now();
    const before = now - this.#digits.at < DIGITS_WAIT ? this.#digits.value : 0;
    const number = typed(before, digit, this.#state.people.length);
    this.#digits = { value: number, at: now };
    if (!this.#state.people.some((each) => each.person === number)) return null;
    this.pick(number);
    return number;
  }
}

function grown({ x, y, width, height, rx }, by) {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by, rx: rx + by };
}

/** The number on a plate of its colour: above the box, or inside where the picture ends. */
function plate(box, text, colour, width) {
  const long = text.length * 7.5 + 9;
  const x = Math.max(1, Math.min(box.x - 1, width - long - 1));
  const y = box.y >= 20 ? box.y - 19 : Math.max(1, box.y + 1);
  return svg(
    "g",
    {},
    svg("rect", { x, y, width: long, height: 18, rx: 3, style: `fill: ${colour}`, class: "dark", "stroke-width": 1.5 }),
    svg("text", { x: x + long / 2, y: y + 13.5, "text-anchor": "middle", fill: ink(colour) }, text),
  );
}
