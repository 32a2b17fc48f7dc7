// The player: a video that loops, a bar with play, sound and a slider, and the curves of the motions. Nothing happens on import.
import { api } from "../../../scripts/api.js";
import { COLOURS, curvesOf, drawCurves } from "./curves.js";
import { el, svg, theme } from "./dom.js";
import { say } from "./words.js";

export const PLAYER_CSS = `
.troupe-player { display: flex; flex-direction: column; gap: 5px; width: 100%; height: 100%; min-height: 0; box-sizing: border-box;
  color: ${theme.inputText}; font: 12px system-ui, sans-serif; overflow: hidden; border-radius: 4px; }
.troupe-player .stage { flex: 1 1 0; min-height: 80px; display: flex; position: relative; border-radius: 4px; overflow: hidden; }
.troupe-player .stage > video, .troupe-player .stage > img { position: absolute; inset: 0; width: 100%; height: 100%;
  object-fit: contain; background: ${theme.inputBackground}; border-radius: 4px; }
.troupe-player .hint { margin: auto; padding: 8px 16px; text-align: center; }
.troupe-player.empty .stage { border: 1px dashed ${theme.border}; }
.troupe-player .live { position: absolute; inset: auto auto 6px 6px; padding: 1px 7px; border-radius: 8px; background: #000a; color: #fff; }
.troupe-player .bar { display: flex; gap: 6px; align-items: center; flex: 0 0 auto; }
.troupe-player .bar input { flex: 1; min-width: 40px; accent-color: ${theme.accent}; }
.troupe-player .time { min-width: 46px; text-align: end; font-variant-numeric: tabular-nums; }
.troupe-player button, .troupe-player select { display: inline-flex; align-items: center; justify-content: center; font: inherit;
  background: ${theme.inputBackground}; color: ${theme.inputText}; border: 1px solid ${theme.border}; border-radius: 4px;
  min-width: 28px; height: 24px; padding: 0 4px; cursor: pointer; }
.troupe-player button:hover, .troupe-player select:hover { border-color: ${theme.accent}; }
.troupe-player :focus-visible { outline: 2px solid ${theme.accent}; outline-offset: -2px; }
.troupe-player [hidden] { display: none !important; }
.troupe-player .plot { position: relative; flex: 0 0 112px; background: ${theme.inputBackground}; border-radius: 4px; overflow: hidden; }
.troupe-curves { position: absolute; inset: 0; width: 100%; height: 100%; cursor: ew-resize; touch-action: none; }
.troupe-curves .troupe-grid { stroke: ${theme.border}; stroke-width: 1; vector-effect: non-scaling-stroke; }
.troupe-curves .troupe-cursor { stroke: ${theme.inputText}; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.troupe-curves path.faded { opacity: 0.18; }
.troupe-plot-marks { position: absolute; inset: auto 0 1px 0; height: 13px; pointer-events: none; font-size: 10px; opacity: 0.8; }
.troupe-plot-marks span { position: absolute; padding-inline-start: 3px; white-space: nowrap; }
.troupe-player .names { display: flex; flex-wrap: wrap; gap: 1px 9px; flex: 0 0 auto; max-height: 48px; overflow-y: auto; line-height: 1.3; }
.troupe-player .names span::before { content: "■ "; color: var(--colour); }
/* Nodes 2.0 shows the pictures of a running node below it, and keeps the last one: here they are in the player already. */
[data-testid^="node-body"]:has(.troupe-player) > :is(img, img + div),
[data-testid^="node-body"]:has(.troupe-player) > div:has(img.pointer-events-none.object-contain):not(:has(.troupe-player)) {
  display: none; }
`;

/** The address of a file that a node left for the editor. */
const address = ({ filename, subfolder, type }) =>
  api.apiURL(`/view?${new URLSearchParams({ filename, subfolder: subfolder ?? "", type })}`);

// Drawn, as not every system has letters for them.
const ICONS = {
  play: "M3 2v12l10-6z",
  pause: "M3 2h4v12h-4zM9 2h4v12h-4z",
  silent: "M2 6h3l4-4v12l-4-4h-3zM11 6l4 4m0-4l-4 4",
  loud: "M2 6h3l4-4v12l-4-4h-3zM11 5q3 3 0 6M13 3q5 5 0 10",
};
const icon = (name) => svg("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
  svg("path", { d: ICONS[name], fill: name === "play" || name === "pause" ? "currentColor" : "none",
    stroke: "currentColor", "stroke-width": 1.2 }));

export class Player {
  #frame; // of the animation
  #shown = ""; // what is shown, to know it again
  #picture = null; // of the running node

  /** An empty player that says `hint`. */
  constructor(hint) {
    this.hint = el("div", { class: "hint" }, hint);
    this.stage = el("div", { class: "stage" }, this.hint);
    this.root = el("div", { class: "troupe-player empty", role: "group", "aria-label": say("Preview"),
      onkeydown: (event) => this.#key(event) }, this.stage);
    // What nobody sees does not play.
    new IntersectionObserver(([entry]) => (entry.isIntersecting ? this.wake() : this.rest())).observe(this.root);
  }

  /** Shows what a run left: `troupe_video` and `troupe_motion`. */
  show(output) {
    const [file] = output.troupe_video ?? [];
    if (!file) return;
    this.settle();
    if (file.filename === this.#shown) return; // it did not run again
    this.#drop();
    this.#shown = file.filename;
    this.file = file;
    this.last = Math.max(file.frames - 1, 0);
    this.stopped = false; // by the user
    this.#build(file, output.troupe_motion ?? []);
    this.mark(0);
    this.wake();
  }

  /** Shows a picture of the node as it runs, in the video's place. */
  live(blob) {
    const url = URL.createObjectURL(blob);
    this.rest();
    if (!this.#picture) {
      this.#picture = el("img", { alt: say("What is being made") });
      this.note = el("div", { class: "live", role: "status" }, say("Rendering …"));
      this.stage.append(this.#picture, this.note);
      this.hint.hidden = true;
    }
    const picture = this.#picture;
    const release = () => URL.revokeObjectURL(url);
    picture.onload = picture.onerror = release;
    picture.src = url;
  }

  /** The node has ended, well or not: what was there before is seen again. */
  settle() {
    if (!this.#picture) return;
    this.#picture.remove();
    this.note.remove();
    this.#picture = null;
    this.hint.hidden = false;
    this.wake();
  }

  wake() {
    if (!this.video || this.#picture || !this.root.isConnected) return;
    if (!this.stopped) this.video.play().catch(() => {}); // the browser may want a click first
  }

  rest() {
    this.video?.pause();
  }

  toggle() {
    this.stopped = !this.video.paused;
    if (this.stopped) this.video.pause();
    else this.wake();
  }

  /** Stops at a frame. */
  seek(frame) {
    this.stopped = true;
    this.video.pause();
    const at = Math.min(Math.max(frame, 0), this.last);
    this.video.currentTime = (at + 0.5) / this.file.fps; // amid the frame: rounding shall not show its neighbour
    this.mark(at);
  }

  /** Slider, time and curves at a frame. */
  mark(frame) {
    const time = frame / this.file.fps;
    this.at = frame;
    this.range.value = frame;
    const at = { frame: frame + 1, frames: this.file.frames, time: time.toFixed(2) };
    this.range.setAttribute("aria-valuetext", say("frame {frame} of {frames}, {time} s", at));
    this.time.textContent = `${time.toFixed(2)} s`;
    this.time.title = say("Frame {frame} of {frames}", at);
    this.cursor?.(time);
  }

  #build(file, motions) {
    const button = (label, onclick) => el("button", { type: "button", "aria-label": label, title: label, onclick });
    this.video = el("video", { src: address(file), loop: true, playsinline: true, tabindex: 0, "aria-label": say("Preview") });
    this.video.muted = true; // a property: browsers play by themselves only what is silent
    this.play = button(say("Play or pause (space)"), () => this.toggle());
    this.sound = button(say("Sound on or off"), () => (this.video.muted = !this.video.muted));
    this.sound.hidden = file.sound === false;
    this.range = el("input", { type: "range", min: 0, max: this.last, step: 1, "aria-label": say("Frame"),
      oninput: () => this.seek(Number(this.range.value)) });
    this.time = el("span", { class: "time" });
    this.plot = el("div", { class: "plot" });
    this.names = el("div", { class: "names" });
    this.plot.hidden = this.names.hidden = !motions.length;
    const { video } = this;
    video.addEventListener("error", () => video === this.video && this.#lose());
    video.addEventListener("click", () => this.toggle());
    for (const event of ["play", "pause", "volumechange"]) video.addEventListener(event, () => this.#state());
    video.addEventListener("play", () => this.#follow());
    const bar = el("div", { class: "bar" }, this.play, this.sound, this.range, this.time,
      motions.length > 1 && this.#choice(motions));
    this.root.classList.remove("empty");
    this.stage.replaceChildren(this.video);
    this.root.replaceChildren(this.stage, bar, this.plot, this.names);
    this.#state();
    if (motions.length) this.#draw(motions[0]);
  }

  /** Lets the video go, and its file with it. */
  #drop() {
    const { video } = this;
    this.video = this.cursor = null;
    cancelAnimationFrame(this.#frame);
    if (!video) return;
    video.pause();
    video.removeAttribute("src");
    video.load();
  }

  #lose() {
    this.#drop();
    this.#shown = "";
    this.hint.textContent = say("The preview is gone, as temporary files go. Run again to see it.");
    this.root.classList.add("empty");
    this.stage.replaceChildren(this.hint);
    this.root.replaceChildren(this.stage);
  }

  #choice(motions) {
    const select = el("select", { "aria-label": say("Whose curves"), title: say("Whose curves") },
      motions.map((motion, i) => el("option", { value: i }, motion.name)));
    select.addEventListener("change", () => this.#draw(motions[select.value]));
    return select;
  }

  #draw(motion) {
    const { parts, cursor, highlight } = drawCurves(motion, (time) => this.seek(Math.floor(time * this.file.fps + 1e-6)));
    this.cursor = cursor;
    this.plot.replaceChildren(...parts);
    this.names.replaceChildren(...curvesOf(motion).map(({ name }, i) =>
      el("span", { style: `--colour: ${COLOURS[i % COLOURS.length]}`, onpointerenter: () => highlight(i),
        onpointerleave: () => highlight(null) }, name)));
    cursor((this.at ?? 0) / this.file.fps);
  }

  #key(event) {
    if (!this.video || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: this.last }[event.key];
    const select = event.target.closest("select, button");
    if (event.key === " " && !select) this.toggle();
    else if (to !== undefined && event.target.tagName !== "SELECT") this.seek((to + this.file.frames) % this.file.frames);
    else if (!select) return;
    else return void event.stopPropagation(); // the button's own, not the editor's
    event.preventDefault();
    event.stopPropagation();
  }

  #state() {
    if (!this.video) return;
    this.play.replaceChildren(icon(this.video.paused ? "play" : "pause"));
    this.sound.replaceChildren(icon(this.video.muted ? "silent" : "loud"));
    this.sound.setAttribute("aria-pressed", String(!this.video.muted));
  }

  /** Slider and curves go along while it plays. */
  #follow() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      if (!this.video || this.video.paused) return;
      this.mark(Math.min(Math.floor(this.video.currentTime * this.file.fps + 1e-6), this.last));
      this.#follow();
    });
  }
}
