// How the timeline editor looks; colours are ComfyUI's theme wherever it has one.
import { theme } from "./dom.js";

export const LABELS = 104, ROW = 40, RULER = 20, WAVE = 36, ALONG = 9;

export const CSS = `
.troupe-timeline { position: relative; display: flex; flex-direction: column; gap: 4px; box-sizing: border-box; width: 100%;
  height: 100%; min-height: 290px; min-width: 0; padding: 6px; overflow: hidden; border-radius: 6px; color: ${theme.inputText};
  background: ${theme.inputBackground}; font: 12px system-ui, sans-serif; outline: none; text-align: left; }
.troupe-timeline .bar { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; flex: none; }
.troupe-timeline .gap { flex: 1; }
.troupe-timeline button, .troupe-timeline input, .troupe-timeline select { height: 24px; box-sizing: border-box; padding: 0 7px;
  color: ${theme.inputText}; background: ${theme.menuBackground}; border: 1px solid ${theme.border}; border-radius: 4px;
  font: inherit; margin: 0; }
.troupe-timeline button { cursor: pointer; white-space: nowrap; }
.troupe-timeline button:hover:not(:disabled) { border-color: ${theme.accent}; }
.troupe-timeline :disabled { opacity: 0.45; cursor: default; }
.troupe-timeline label { display: inline-flex; gap: 4px; align-items: center; color: ${theme.faint}; }
.troupe-timeline input[type=number] { width: 54px; padding: 0 2px 0 6px; }
.troupe-timeline .bar button { min-width: 30px; }
.troupe-timeline .break { flex-basis: 100%; }
.troupe-timeline .fields b { flex: 0 1 auto; max-width: 96px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.troupe-timeline .fields .hint { color: ${theme.faint}; line-height: 24px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.troupe-timeline :is(button, input, select, [data-id]):focus-visible { outline: 2px solid ${theme.accent}; outline-offset: 1px; }
.troupe-timeline svg { display: block; width: 100%; touch-action: none; user-select: none; }
.troupe-timeline .ruler, .troupe-timeline .wave { flex: none; width: calc(100% - 2px); margin: 0 1px; cursor: col-resize; }
.troupe-timeline .along { flex: none; width: calc(100% - 2px); margin: 0 1px; cursor: ew-resize; }
.troupe-timeline .groove { fill: ${theme.border}; opacity: 0.45; }
.troupe-timeline .thumb { fill: ${theme.faint}; opacity: 0.8; }
.troupe-timeline .along:hover .thumb { fill: ${theme.accent}; opacity: 1; }
.troupe-timeline .scroll { flex: 1 1 0; min-height: 84px; contain: size; overflow: hidden auto; border: 1px solid ${theme.border}; border-radius: 4px; }
.troupe-timeline text { fill: ${theme.inputText}; font: 11px system-ui, sans-serif; }
.troupe-timeline .tick { fill: ${theme.faint}; font-size: 10px; }
.troupe-timeline .line { stroke: ${theme.border}; stroke-width: 1; }
.troupe-timeline .grid { stroke: ${theme.border}; stroke-width: 1; opacity: 0.5; }
.troupe-timeline .labels { fill: ${theme.inputBackground}; }
.troupe-timeline .past { fill: ${theme.border}; opacity: 0.35; }
.troupe-timeline .playhead { stroke: ${theme.accent}; stroke-width: 1.5; }
.troupe-timeline .head { fill: ${theme.accent}; }
.troupe-timeline .peaks { fill: ${theme.faint}; }
.troupe-timeline [data-id] { cursor: grab; }
.troupe-timeline .name { cursor: pointer; }
.troupe-timeline [data-part=start], .troupe-timeline [data-part=end] { cursor: ew-resize; fill: transparent; }
.troupe-timeline .block { fill: var(--track); fill-opacity: 0.16; stroke: var(--track); stroke-opacity: 0.8; }
.troupe-timeline .shape { fill: var(--track); fill-opacity: 0.6; pointer-events: none; }
.troupe-timeline .crowd { fill: var(--track); fill-opacity: 0.35; stroke: var(--track); stroke-opacity: 0.35; stroke-width: 0.5; }
.troupe-timeline .crowd.chosen { fill-opacity: 0.85; stroke: none; }
.troupe-timeline .band { fill: ${theme.accent}; fill-opacity: 0.14; stroke: ${theme.accent}; stroke-dasharray: 3 2; pointer-events: none; }
.troupe-timeline .curve { fill: none; stroke: var(--track); stroke-width: 2; pointer-events: none; }
.troupe-timeline .held { stroke-dasharray: 3 3; opacity: 0.7; }
.troupe-timeline .key { fill: var(--track); stroke: ${theme.inputBackground}; stroke-width: 1.5; }
.troupe-timeline .hit { fill: transparent; }
.troupe-timeline .chosen .block { fill-opacity: 0.3; stroke: ${theme.inputText}; stroke-width: 2; stroke-opacity: 1; }
.troupe-timeline .chosen .key { stroke: ${theme.inputText}; stroke-width: 2; }
.troupe-timeline .feeling { --track: #3b8fd9; }
.troupe-timeline .gesture { --track: #dd8a12; }
.troupe-timeline .channel { --track: #2fa36b; }
.troupe-timeline .turn { --track: #a06be0; }
.troupe-timeline.stale .scroll svg, .troupe-timeline.stale .ruler { opacity: 0.55; filter: grayscale(1); pointer-events: none; }
.troupe-timeline .mistake { flex: none; max-height: 96px; overflow: auto; padding: 4px 6px; border: 1px solid ${theme.error};
  border-radius: 4px; cursor: text; user-select: text; }
.troupe-timeline .mistake.calm { border-color: ${theme.border}; color: ${theme.faint}; cursor: default; }
.troupe-timeline .mistake code { font: 12px/1.3 ui-monospace, monospace; color: ${theme.inputText}; }
.troupe-timeline .mistake[hidden] { display: none; }
.troupe-timeline .mistake pre { margin: 0; padding-bottom: 5px; font: 12px/1.3 ui-monospace, monospace; white-space: pre; overflow: hidden; }
.troupe-timeline .mistake u { text-decoration: underline wavy ${theme.error}; text-decoration-skip-ink: none; text-underline-offset: 3px; }
.troupe-timeline .mistake .where { color: ${theme.error}; font-weight: 600; }
.troupe-timeline .menu { position: absolute; z-index: 5; inset: 36px 6px 6px 6px; max-width: 420px; display: flex; flex-direction: column;
  gap: 6px; padding: 8px; background: ${theme.menuBackground}; border: 1px solid ${theme.border}; border-radius: 6px;
  box-shadow: 0 4px 16px #0006; }
.troupe-timeline .menu[hidden] { display: none; }
.troupe-timeline .menu input { background: ${theme.inputBackground}; }
.troupe-timeline .menu .list { overflow: auto; flex: 1; min-height: 0; display: flex; flex-wrap: wrap; gap: 4px; align-content: flex-start; }
.troupe-timeline .menu h4 { flex-basis: 100%; margin: 4px 0 0; font-size: 11px; font-weight: 600; color: ${theme.faint}; }
.troupe-timeline .menu .list button { background: ${theme.inputBackground}; }
`;
