// The waveform under a timeline: from a node's run, or from a file of ComfyUI's input folder that the browser decodes.
import { svg } from "./dom.js";

const MOST = 1000, LARGEST = 64 * 2 ** 20; // peaks; bytes of a file
const kept = new Map();

/** {seconds, peaks} of the sound file at an address; null if it cannot be read, decoded, or is too large. */
export function decode(url) {
  if (!kept.has(url)) {
    kept.set(url, load(url).catch(() => null));
    if (kept.size > 8) kept.delete(kept.keys().next().value);
  }
  return kept.get(url);
}

async function load(url) {
  const reply = await fetch(url);
  if (!reply.ok || Number(reply.headers.get("Content-Length") ?? 0) > LARGEST) return null;
  const sound = await new OfflineAudioContext(1, 1, 22050).decodeAudioData(await reply.arrayBuffer());
  return { seconds: sound.duration, peaks: peaksOf(sound) };
}

function peaksOf(sound) {
  const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
  const count = Math.min(MOST, sound.length), peaks = new Array(count).fill(0);
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * sound.length) / count), to = Math.floor(((i + 1) * sound.length) / count);
    for (const channel of channels) for (let at = from; at < to; at++) peaks[i] = Math.max(peaks[i], Math.abs(channel[at]));
  }
  return peaks;
}

/** The waveform as a path: `x(seconds)` gives pixels; drawn around the middle of `height`. Quiet sound is drawn larger. */
export function wavePath({ seconds, peaks }, x, height, from, to) {
  const loudest = Math.max(0.05, ...peaks), middle = height / 2, step = seconds / peaks.length;
  const first = Math.max(0, Math.floor(from / step) - 1), last = Math.min(peaks.length, Math.ceil(to / step) + 1);
  const up = [], down = [];
  for (let i = first; i < last; i++) {
    const at = x((i + 0.5) * step).toFixed(1), tall = Math.max(0.5, (peaks[i] / loudest) * (middle - 2));
    up.push(`${at},${(middle - tall).toFixed(1)}`);
    down.unshift(`${at},${(middle + tall).toFixed(1)}`);
  }
  return svg("path", { class: "peaks", d: up.length ? `M${up.join("L")}L${down.join("L")}Z` : "" });
}
