// Small builders of HTML and SVG, and ComfyUI's theme as CSS variables. Nothing happens on import.
const SVG = "http://www.w3.org/2000/svg";

/** ComfyUI's theme, with what to use where an older editor lacks a variable; `var(...)` texts for any style. */
export const theme = {
  text: "var(--fg-color, #ddd)",
  inputText: "var(--input-text, #ddd)",
  inputBackground: "var(--comfy-input-bg, #222)",
  menuBackground: "var(--comfy-menu-bg, #353535)",
  border: "var(--border-color, #4e4e4e)",
  faint: "var(--descrip-text, #999)",
  error: "var(--error-text, #ff4444)",
  accent: "var(--p-primary-color, #2f9bff)",
};

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") node.addEventListener(name.replace(/^on/, ""), value);
    else if (name === "value" && "value" in node && node.namespaceURI !== SVG) node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: `el("button", {class: "x", onclick: f, disabled: false}, "text", child, null)`. Functions are
 *  listened with, `true` is a bare attribute; `false`, `null` and `undefined` are left out. */
export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Puts a style sheet into the page, once for each id. */
export function style(id, css) {
  const name = `${id}-style`;
  if (!document.getElementById(name)) document.head.append(el("style", { id: name }, css));
}

/** Keeps what happens inside a widget from the canvas behind it: presses, wheel, keys, menus. Listeners of the
 *  widget's own parts still hear it, because they lie deeper. */
export function keepEvents(root, types = ["pointerdown", "wheel", "keydown", "keyup", "contextmenu", "dblclick", "paste"]) {
  for (const type of types) root.addEventListener(type, (event) => event.stopPropagation());
}
