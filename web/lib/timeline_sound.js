// The sound that is wired to a timeline: from the file that the browser can read, or from what a run left.
import { api } from "../../../scripts/api.js";
import { classOf, placeOf, sourceOf, value } from "./graph.js";
import { decode } from "./waveform.js";

export class TimelineSound {
  /** `changed()` is called when `now`, {seconds, peaks} or null, is another one. */
  constructor(node, changed) {
    Object.assign(this, { node, changed, now: null, ran: null, heard: null });
  }

  /** Looks what is wired to `audio`. */
  hear() {
    const link = this.node.inputs?.find((input) => input.name === "audio")?.link ?? null;
    const place = link === null ? null : placeOf(this.node);
    const from = place && sourceOf(place, "audio");
    const file = from && classOf(from.node) === "LoadAudio" ? value(from, "audio") : null;
    const heard = from ? (file ?? "run") : null;
    if (heard === this.heard) return;
    this.heard = heard;
    this.now = heard === "run" ? this.ran : null;
    if (file) this.load(String(file));
    this.changed();
  }

  async load(file) {
    const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/s.exec(file), cut = path.lastIndexOf("/");
    const asked = new URLSearchParams({ filename: path.slice(cut + 1), subfolder: path.slice(0, Math.max(cut, 0)), type: type ?? "input" });
    const sound = await decode(api.apiURL(`/view?${asked}`));
    if (this.heard !== file) return;
    this.now = sound ?? this.ran;
    this.changed();
  }

  /** What a run left: the peaks of whatever is wired. */
  show(output) {
    const [ran] = output?.troupe_audio ?? [];
    if (!ran?.peaks?.length) return;
    this.ran = ran;
    if (!this.now || this.heard === "run") this.now = ran;
    this.changed();
  }
}
