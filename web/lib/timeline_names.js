// The names a timeline knows, as in engine/motion: presets, beats, blendshapes, head channels, curves. A test holds
// them to the engine's own. Nothing happens on import.

export const BLENDSHAPES = [
  "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
  "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
  "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
  "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
  "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
  "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
  "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
  "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
  "noseSneerLeft", "noseSneerRight", "tongueOut",
];
/** Shapes of both sides, written without the side. */
export const PAIRS = [
  "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp",
  "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch",
  "mouthUpperUp", "noseSneer",
];
export const HEAD = ["pitch", "yaw", "roll", "x", "y", "z"];
/** Feelings: they rise, hold and let go. */
export const EXPRESSIONS = [
  "happy", "sad", "angry", "surprised", "fearful", "disgusted", "contemptuous", "neutral", "smile", "frown",
  "doubtful", "thoughtful", "sleepy",
];
/** Gestures with a course of their own, and their natural seconds. */
export const BEATS = {
  blink: 0.34, wink: 0.8, wink_right: 0.8, nod: 1.1, shake: 1.3, kiss: 1.1, laugh: 2.6, yawn: 3.6,
};
const ALIASES = {
  happiness: "happy", joy: "happy", sadness: "sad", anger: "angry", mad: "angry", surprise: "surprised", fear:
  "fearful", afraid: "fearful", scared: "fearful", disgust: "disgusted", contempt: "contemptuous", scornful:
  "contemptuous", calm: "neutral", rest: "neutral", wink_left: "wink", pout: "kiss", sceptical: "doubtful",
  skeptical: "doubtful", tired: "sleepy", headshake: "shake", blinking: "blink", nodding: "nod",
};
export const CURVES = ["linear", "ease_in", "ease_out", "ease_in_out", "bounce"];
export const CHANNELS = [...BLENDSHAPES, ...PAIRS, ...HEAD];
const KNOWN = [...EXPRESSIONS, ...Object.keys(BEATS), ...CHANNELS];

const plain = (name) => name.replace(/[\s_-]/g, "").toLowerCase();
let table = null;

/** The known name that `name` means, or null; case, `_` and `-` do not matter. */
export function findName(name) {
  table ??= new Map([
    ...Object.entries(ALIASES).map(([alias, known]) => [plain(alias), known]),
    ...KNOWN.map((known) => [plain(known), known]),
  ]);
  return table.get(plain(name)) ?? null;
}

/** Letters to change, add or take away to get from one word to the other. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

/** The name nearest to a misspelt one, or null. */
export function nearName(name, known = KNOWN) {
  const wanted = plain(name).slice(0, 40);
  let best = null, least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const each of known) {
    const steps = distance(wanted, plain(each));
    if (steps < least) [best, least] = [each, steps];
  }
  return best;
}

/** Values a name can take: {low, high, unit}. */
export function rangeOf(name) {
  if (["pitch", "yaw", "roll"].includes(name)) return { low: -90, high: 90, unit: " degrees" };
  if (["x", "y", "z"].includes(name)) return { low: -5, high: 5, unit: " eye distances" };
  return { low: 0, high: 1, unit: "" };
}
