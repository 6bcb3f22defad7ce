/** Elements of the page, and what every part of it does with them. Text is text here: nothing is parsed as HTML. */
import { PanelError } from "./backend.js";

/**
 * The element of the page with this id.
 *
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id
 * @param {new () => E} [type]
 * @returns {E}
 */
export function find(id, type) {
  const found = document.getElementById(id);
  if (found === null || !(found instanceof (type ?? HTMLElement)))
    throw new TypeError(`the page has no ${id}`);
  return /** @type {E} */ (found);
}

/**
 * A new element. @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children
 */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A button that does one thing at a time. @param {string} label @param {string} described @param {() => unknown} action */
export function button(label, described, action) {
  const made = element("button", { type: "button", "aria-label": described }, label);
  made.addEventListener("click", () => once(made, action));
  return made;
}

/** Does something unless this control is doing it already. It keeps its focus meanwhile. @param {HTMLElement} control @param {() => unknown} action */
export async function once(control, action) {
  if (control.ariaDisabled === "true") return;
  control.ariaDisabled = "true";
  try {
    await action();
  } finally {
    control.ariaDisabled = null;
  }
}

const SAID_MILLIS = 10_000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let saying;

/** Tells for a while what was done, to eyes and to screen readers. @param {string} text */
export function say(text) {
  clearTimeout(saying);
  find("status").textContent = text;
  if (text !== "") saying = setTimeout(() => say(""), SAID_MILLIS);
}

/** A row of a table; its cells know their column's name, which a narrow screen shows. @param {[string, Node | string][]} cells */
export function tableRow(cells) {
  const made = cells.map(([label, content]) => element("td", { "data-label": label }, content));
  return element("tr", {}, ...made);
}

/** Text of somebody else's, which can't turn the direction of what surrounds it. @param {string} text */
export const foreign = (text) => element("bdi", {}, text);

/** A shared secret's name as people write it. @param {{ namespace: string, name: string }} slot */
export const nameOf = ({ namespace, name }) => (namespace === "default" ? name : `${namespace}/${name}`);

/** A time, in the reader's own time zone. @param {string | Date | null | undefined} at @param {string} never */
export function time(at, never = "never") {
  if (at === null || at === undefined) return element("span", { class: "quiet" }, never);
  const date = new Date(at);
  if (Number.isNaN(date.valueOf())) return foreign(String(at));
  const shown = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return element("time", { datetime: date.toISOString(), title: date.toISOString() }, shown);
}

/** Shows an error at its place: the code, what to do, and a way to try again. @param {HTMLElement} place @param {unknown} error @param {() => unknown} [retry] */
export function showError(place, error, retry) {
  place.replaceChildren(...describe(error));
  if (retry !== undefined) place.append(button("Try again", "Try again", retry));
  place.hidden = false;
}

/** @param {HTMLElement} place */
export function clearError(place) {
  place.replaceChildren();
  place.hidden = true;
}

/** @param {unknown} error @returns {Node[]} */
function describe(error) {
  if (!(error instanceof PanelError)) throw error;
  const shown = [element("p", {}, element("code", {}, error.code), " ", error.message)];
  return error.cause instanceof PanelError ? [...shown, ...describe(error.cause)] : shown;
}
