// What the widgets say, in the editor's language. The English text itself is the key, so that the code can be read and a text
// without a translation is shown in English. Nothing happens on import; ask when a text is shown, not when a module is
// loaded, for the settings come later.
import ko from "./words_ko.js";
import zh from "./words_zh.js";

const TABLES = { ko, zh };

/** The language that the editor is set to; English outside an editor. */
export const language = () => globalThis.app?.extensionManager?.setting?.get("Comfy.Locale") ?? "en";

/** A text in the editor's language: `say("Face {face} of {count}", {face: 1, count: 2})`. */
export function say(english, values = {}) {
  const said = TABLES[language()]?.[english] ?? english;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
