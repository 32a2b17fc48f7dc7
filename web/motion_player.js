// A looping video of what a node made, the curves of the motions behind it, and one scrubber for both.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { el, keepEvents, style, svg } from "./lib/dom.js";
import { COLOURS, curvesOf, drawCurves } from "./lib/curves.js";
import { addWidget } from "./lib/mounts.js";

const NODES = { TroupePlotMotion: "Run to see the motion.", TroupeWarpRender: "Run to see the picture act." };
const HEIGHT = 330;

style("troupe-player", `
.troupe-player { display: flex; flex-direction: column; gap: 4px; height: 100%; min-height: 0; box-sizing: border-box;
  padding: 4px; color: var(--fg-color, #ddd); font: 12px sans-serif; overflow: hidden; }
.troupe-player video { flex: 1 1 0; min-height: 60px; width: 100%; object-fit: contain; background: #000; border-radius: 4px; }
.troupe-player .hint { margin: auto; opacity: 0.8; text-align: center; padding: 8px; }
.troupe-player .bar { display: flex; gap: 6px; align-items: center; }
.troupe-player .bar input { flex: 1; min-width: 40px; accent-color: #0090e0; }
.troupe-player button, .troupe-player select { background: var(--comfy-input-bg, #333); color: var(--input-text, #ddd);
  border: 1px solid var(--border-color, #555); border-radius: 4px; min-width: 28px; height: 24px; cursor: pointer; }
.troupe-player :focus-visible { outline: 2px solid #0090e0; outline-offset: 1px; }
.troupe-curves { flex: 0 0 110px; width: 100%; height: 110px; background: var(--comfy-input-bg, #222); border-radius: 4px; cursor: ew-resize;
  touch-action: none; }
.troupe-curves .troupe-grid { stroke: var(--border-color, #555); stroke-width: 0.5; }
.troupe-curves .troupe-tick { fill: var(--fg-color, #aaa); font: 10px sans-serif; opacity: 0.75; }
.troupe-curves .troupe-cursor { stroke: var(--fg-color, #fff); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.troupe-player .names { display: flex; flex-wrap: wrap; gap: 2px 8px; max-height: 32px; overflow: hidden; }
.troupe-player .names span::before { content: "■ "; color: var(--colour); }
`);

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

/** Takes away the pictures that were shown while a node ran. */
function forgetPictures(node) {
  node.imgs = undefined;
  if (app.nodePreviewImages) delete app.nodePreviewImages[node.id];
  node.setDirtyCanvas?.(true, true);
}

class Player {
  constructor(hint) {
    this.root = el("div", { class: "troupe-player" }, el("div", { class: "hint" }, hint));
    keepEvents(this.root);
    // What nobody sees does not play.
    new IntersectionObserver(([entry]) => (entry.isIntersecting ? this.wake() : this.rest())).observe(this.root);
  }

  /** Shows what a run left: `troupe_video` and `troupe_motion`. */
  show(output) {
    const [file] = output.troupe_video ?? [];
    const motions = output.troupe_motion ?? [];
    if (!file) return;
    this.rest();
    this.stopped = false; // by the user
    this.seconds = file.frames / file.fps;
    this.video = el("video", { src: address(file), loop: true, playsinline: true, "aria-label": "Preview" });
    this.video.muted = true; // a property: browsers play by themselves only what is silent
    this.video.addEventListener("error", () => this.say("The preview is gone: run again."));
    this.play = el("button", { type: "button", "aria-label": "Play or pause", title: "Play or pause" });
    this.sound = el("button", { type: "button", "aria-label": "Sound on or off", title: "Sound on or off" });
    this.range = el("input", { type: "range", min: 0, max: Math.max(file.frames - 1, 0), step: 1, value: 0,
      "aria-label": "Frame" });
    this.time = el("span", { class: "time" }, "0.00 s");
    this.play.addEventListener("click", () => this.toggle());
    this.sound.addEventListener("click", () => (this.video.muted = !this.video.muted));
    this.state();
    this.range.addEventListener("input", () => this.seek(this.range.value / file.fps));
    for (const event of ["play", "pause", "volumechange"]) this.video.addEventListener(event, () => this.state());
    this.file = file;
    this.plot = el("div", { style: "display: contents" });
    this.names = el("div", { class: "names" });
    const bar = el("div", { class: "bar" }, this.play, this.sound, this.range, this.time);
    if (motions.length > 1) bar.append(this.choice(motions));
    this.root.replaceChildren(this.video, bar, this.plot, this.names);
    if (motions.length) this.draw(motions[0]);
    this.wake();
  }

  wake() {
    if (!this.video || !this.root.isConnected) return;
    if (!this.stopped) this.video.play().catch(() => {}); // the browser may want a click first
    this.follow();
  }

  rest() {
    cancelAnimationFrame(this.frame);
    this.video?.pause();
  }

  toggle() {
    this.stopped = !this.video.paused;
    if (this.stopped) this.video.pause();
    else this.wake();
  }

  say(text) {
    this.rest();
    this.video = null;
    this.root.replaceChildren(el("div", { class: "hint" }, text));
  }

  choice(motions) {
    const select = el("select", { "aria-label": "Whose curves" },
      ...motions.map((motion, i) => el("option", { value: i }, motion.name)));
    select.addEventListener("change", () => this.draw(motions[select.value]));
    return select;
  }

  draw(motion) {
    const { root, cursor } = drawCurves(motion, (time) => this.seek(time));
    this.cursor = cursor;
    this.plot.replaceChildren(root);
    this.names.replaceChildren(...curvesOf(motion).map(({ name }, i) =>
      el("span", { style: `--colour: ${COLOURS[i % COLOURS.length]}` }, name)));
    cursor(this.video.currentTime);
  }

  seek(time) {
    this.stopped = true;
    this.video.pause();
    this.video.currentTime = Math.min(time, Math.max(this.seconds - 0.5 / this.file.fps, 0));
    this.mark(this.video.currentTime);
  }

  mark(time) {
    this.range.value = Math.round(time * this.file.fps);
    this.time.textContent = `${time.toFixed(2)} s`;
    this.cursor?.(time);
  }

  state() {
    this.play.replaceChildren(icon(this.video.paused ? "play" : "pause"));
    this.sound.replaceChildren(icon(this.video.muted ? "silent" : "loud"));
    this.sound.setAttribute("aria-pressed", String(!this.video.muted));
  }

  follow() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      if (!this.video) return;
      if (!this.video.paused) this.mark(this.video.currentTime);
      this.follow();
    });
  }
}

app.registerExtension({
  name: "Troupe.MotionPlayer",

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!(nodeData.name in NODES)) return;
    const executed = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output, ...more) {
      executed?.call(this, output, ...more);
      if (!output?.troupe_video) return;
      forgetPictures(this);
      this.troupePlayer?.show(output);
    };
  },

  nodeCreated(node) {
    if (!(node.comfyClass in NODES)) return;
    node.troupePlayer = new Player(NODES[node.comfyClass]);
    addWidget(node, "preview", "troupe_player", node.troupePlayer.root, {
      hideOnZoom: false, getMinHeight: () => HEIGHT,
    });
    const [width, height] = node.computeSize();
    node.setSize([Math.max(node.size[0], width, 320), Math.max(node.size[1], height)]);
  },

  loadedGraphNode(node) {
    const output = node.troupePlayer && app.nodeOutputs?.[node.id];
    if (output) node.troupePlayer.show(output);
  },
});
