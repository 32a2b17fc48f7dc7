// Curves of a motion over time, with a cursor that follows a video. Nothing happens on import.
import { el, svg } from "./dom.js";
import { say } from "./words.js";

const WIDTH = 400, HEIGHT = 150, LEFT = 4, RIGHT = 4, TOP = 6, BOTTOM = 16;
// Told apart by the colour-blind, readable on dark and light.
export const COLOURS = [
  "#0090e0", "#e08a00", "#00a86b", "#e0508c", "#9a7bff", "#c8a400", "#ff6e32", "#3fb8d8", "#8a8f98", "#b05cc8", "#5fb336", "#c0504d", "#5b7fd6", "#b38867",
];

/** All curves of a motion as [{name, values, low, high}], the strongest first. */
export function curvesOf(motion) {
  const shapes = Object.entries(motion.shapes).map(([name, values]) => ({ name, values, low: 0, high: 1 }));
  const head = Object.entries(motion.head).map(([name, values]) => {
    const most = Math.max(...values.map(Math.abs), 1e-6);
    return { name, values, low: -most, high: most };
  });
  return [...shapes, ...head];
}

function pathOf({ values, low, high }) {
  const across = (WIDTH - LEFT - RIGHT) / Math.max(values.length - 1, 1);
  const points = values.map((value, i) => {
    const share = Math.min(Math.max((value - low) / (high - low), 0), 1);
    return `${(LEFT + i * across).toFixed(1)},${(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)).toFixed(1)}`;
  });
  return "M" + (points.length > 1 ? points : [points[0], `${WIDTH - RIGHT},${points[0].split(",")[1]}`]).join("L");
}

/** Seconds between marks on the ruler: 4 to 8 of them. */
export function tickOf(seconds) {
  const rough = seconds / 6;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-3)));
  return [1, 2, 5, 10].map((n) => n * power).find((tick) => tick >= rough) ?? power;
}

/** Curves over time: `parts` to show, in a box of any size; `cursor(seconds)` moves the line; `highlight(i)` fades all but one.
 *  `seek(seconds)` is called as the user presses or drags. */
export function drawCurves(motion, seek) {
  const seconds = Math.max(motion.seconds, 1e-3);
  const root = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "troupe-curves",
    role: "img", "aria-label": say("Curves of {name} over {seconds} seconds", { name: motion.name, seconds: seconds.toFixed(2) }),
  });
  const x = (time) => LEFT + (Math.min(Math.max(time / seconds, 0), 1) * (WIDTH - LEFT - RIGHT));
  const marks = el("div", { class: "troupe-plot-marks", "aria-hidden": "true" }); // letters are not stretched with the curves
  const tick = tickOf(seconds);
  for (let time = 0; time <= seconds + 1e-6; time += tick) {
    root.append(svg("line", { x1: x(time), x2: x(time), y1: TOP, y2: HEIGHT - BOTTOM, class: "troupe-grid" }));
    const roomy = seconds - time > tick / 2;
    if (roomy) marks.append(el("span", { style: `left: ${(100 * x(time)) / WIDTH}%` }, `${+time.toFixed(2)} s`));
  }
  const paths = curvesOf(motion).map((curve, i) => svg("path", {
    d: pathOf(curve), fill: "none", stroke: COLOURS[i % COLOURS.length], "stroke-width": 1.6,
    "vector-effect": "non-scaling-stroke",
  }, svg("title", {}, curve.name)));
  const line = svg("line", { x1: LEFT, x2: LEFT, y1: 0, y2: HEIGHT - BOTTOM, class: "troupe-cursor" });
  root.append(...paths, line);
  const at = (event) => {
    const box = root.getBoundingClientRect();
    const inside = ((event.clientX - box.left) / Math.max(box.width, 1)) * WIDTH;
    seek(Math.min(Math.max((inside - LEFT) / (WIDTH - LEFT - RIGHT), 0), 1) * seconds);
  };
  root.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    root.setPointerCapture(event.pointerId);
    at(event);
  });
  root.addEventListener("pointermove", (event) => {
    if (event.buttons & 1 && root.hasPointerCapture(event.pointerId)) at(event);
  });
  const cursor = (time) => {
    line.setAttribute("x1", x(time));
    line.setAttribute("x2", x(time));
  };
  const highlight = (chosen) => paths.forEach((path, i) => path.classList.toggle("faded", chosen !== null && i !== chosen));
  return { parts: [root, marks], cursor, highlight };
}
