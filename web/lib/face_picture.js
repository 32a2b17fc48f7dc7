// A picture with numbered boxes around its faces, one of which is picked with mouse or keyboard. Nothing happens on import.
import { el, style, svg, theme } from "./dom.js";
import { placeNames, placePlates } from "./marks.js";
import { say } from "./words.js";

const SMALLEST_HIT = 28; // pixels: what a finger or a hurried mouse still meets
const SMALL = 24; // pixels: boxes below get thinner lines
const DIGITS_WAIT = 1000; // milliseconds between the digits of one number

const CSS = `
.troupe-picture { position: relative; flex: 1 1 auto; min-height: 130px; overflow: hidden; border-radius: 4px;
  background: ${theme.inputBackground}; }
.troupe-picture img { position: absolute; display: block; user-select: none; }
.troupe-picture svg { position: absolute; left: 0; top: 0; width: 100%; height: 100%; overflow: hidden; user-select: none;
  outline: none; }
.troupe-picture.loading img { visibility: hidden; }
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

export class FacePicture {
  #state = null;
  #drawn = "";
  #boxes = [];
  #plates = [];
  #digits = { value: 0, at: 0 };

  /** `pick(person)` is called when a face is picked, `lost()` when the picture's file is no longer there. */
  constructor(pick, lost) {
    style("troupe-picture", CSS);
    this.pick = pick;
    const loaded = () => this.element.classList.remove("loading");
    this.image = el("img", { alt: "", draggable: "false", onload: loaded, onerror: () => (loaded(), lost()) });
    this.svg = svg("svg", { role: "radiogroup", "aria-label": say("Faces of the picture") });
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
    if (this.image.getAttribute("src") !== state.url) {
      this.element.classList.add("loading"); // else the boxes stand on the picture before
      this.image.src = state.url;
    }
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
    const { chosen, labels } = this.#state;
    this.#plates = placePlates(this.#boxes, { width, height }, chosen);
    const names = placeNames(this.#boxes, this.#plates, labels, { width, height }, chosen);
    const marks = this.#boxes.map((box, index) => this.#marks(box, this.#plates[index], names[box.person]));
    const last = this.#boxes.findIndex((box) => box.person === chosen);
    if (last >= 0) marks.push(...marks.splice(last, 1));
    this.svg.replaceChildren(...this.#boxes.map((box) => this.#face(box)), ...marks);
    if (focused) this.#faceOf(focused)?.focus();
  }

  #faceOf = (person) => this.svg.querySelector(`.face[data-person="${person}"]`);

  #face(box) {
    const { chosen, labels, pickable, people } = this.#state;
    const isChosen = box.person === chosen;
    const face = say("Face {face} of {count}", { face: box.person, count: people.length });
    const told = [face, labels[box.person], box.elsewhere].filter(Boolean).join(", ");
    const small = Math.min(box.width, box.height) < SMALL;
    const line = (isChosen ? 4 : 2) * (small ? 0.7 : 1);
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
      svg("rect", { ...frame, class: "dark", "stroke-width": line + (small ? 1.6 : 3) }),
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
  #marks(box, plate, name) {
    const isChosen = box.person === this.#state.chosen;
    return svg(
      "g",
      { class: isChosen ? "marks chosen" : "marks", "aria-hidden": "true", "data-person": box.person },
      numberPlate(plate, box.person, this.#colour(box), isChosen),
      name && nameTag(name),
    );
  }

  #under({ clientX, clientY }) {
    const seen = this.svg.getBoundingClientRect(); // scaled by the canvas, unlike clientWidth
    const scale = this.element.clientWidth / seen.width;
    const [x, y] = [(clientX - seen.left) * scale, (clientY - seen.top) * scale];
    const on = (plate) => x >= plate.x && x <= plate.x + plate.width && y >= plate.y && y <= plate.y + plate.height;
    return this.#boxes[this.#plates.findIndex(on)] ?? faceAt(this.#boxes, x, y);
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

/** The number on a plate of its colour; that of the chosen face has a white rim, and a tick where there is room. */
function numberPlate({ x, y, width, height, tick }, person, colour, isChosen) {
  const plate = { x, y, width, height, rx: 3 };
  const text = { x: x + width / 2, y: y + 13.5, "text-anchor": "middle", fill: ink(colour) };
  return svg(
    "g",
    { class: "plate" },
    isChosen && svg("rect", { ...grown(plate, 1), class: "dark", "stroke-width": 4 }),
    svg("rect", { ...plate, style: `fill: ${colour}`, class: isChosen ? "white" : "dark", "stroke-width": 1.5 }),
    svg("text", text, tick ? `${person} ✓` : String(person)),
  );
}

function nameTag({ x, y, width, height, lines, quiet }) {
  const place = (line, at) => svg("text", { x: x + width / 2, y: y + 12 + 13 * at, "text-anchor": "middle" }, line);
  return svg(
    "g",
    { class: quiet ? "label quiet" : "label" },
    svg("rect", { x, y, width, height, rx: 3 }),
    lines.map(place),
  );
}
