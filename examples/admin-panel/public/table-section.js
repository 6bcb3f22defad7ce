/** A part of the page that is a table: it loads, may be empty, may fail, and can be filtered. */
import { clearError, find, showError } from "./element.js";

/** @typedef {{ row: HTMLTableRowElement, text: string }} Line A row, and the text that the filter looks into. */

export class TableSection {
  /** @type {Line[]} */
  #lines = [];
  #filter = "";
  #loads = 0;
  /** @type {HTMLElement} */
  #section;
  /** @type {string} */
  #nothing;
  /** @type {HTMLElement} */
  #note;
  /** @type {HTMLElement} */
  #error;
  /** @type {HTMLElement} */
  #heading;
  /** @type {HTMLElement} */
  #table;
  /** @type {HTMLElement} */
  #body;

  /** @param {string} id The element's. @param {string} nothing What is said of an empty table. */
  constructor(id, nothing) {
    this.#section = find(id);
    this.#nothing = nothing;
    const part = (/** @type {string} */ selector) =>
      /** @type {HTMLElement} */ (this.#section.querySelector(selector));
    [this.#note, this.#error, this.#heading] = [part(".note"), part(".error"), part("h2")];
    [this.#table, this.#body] = [part("table"), part("tbody")];
  }

  /** Shows what is given, or why it can't be had; the last call wins. @param {() => Promise<Line[]>} give */
  async load(give) {
    const load = ++this.#loads;
    const isLast = () => load === this.#loads;
    clearError(this.#error);
    this.#section.ariaBusy = "true";
    this.#note.textContent = "Loading …";
    try {
      const lines = await give();
      if (isLast()) this.#show(lines);
    } catch (error) {
      if (!isLast()) return;
      this.#note.textContent = "";
      showError(this.#error, error, () => this.load(give));
    } finally {
      if (isLast()) this.#section.ariaBusy = "false";
    }
  }

  /** Forgets what it shows, and what is on its way. */
  clear() {
    this.#loads += 1;
    this.#section.ariaBusy = "false";
    clearError(this.#error);
    this.#show([]);
  }

  /** Shows the rows that hold this text. @param {string} text */
  filter(text) {
    this.#filter = text.trim().toLowerCase();
    const matching = this.#lines.filter((line) => {
      line.row.hidden = !line.text.toLowerCase().includes(this.#filter);
      return !line.row.hidden;
    });
    const all = this.#lines.length;
    this.#table.hidden = matching.length === 0;
    if (all === 0) this.#note.textContent = this.#nothing;
    else if (matching.length === 0) this.#note.textContent = `None of ${all} matches the filter.`;
    else this.#note.textContent = matching.length === all ? `${all}` : `${matching.length} of ${all}`;
  }

  /** Puts the focus where it was: on the button of the same name, or, when that is gone, on the heading. @param {Line[]} lines */
  #show(lines) {
    const focused = this.#body.contains(document.activeElement) ? document.activeElement : null;
    this.#lines = lines;
    this.#body.replaceChildren(...lines.map(({ row }) => row));
    this.filter(this.#filter);
    if (focused === null) return;
    const buttons = [...this.#body.querySelectorAll("button")];
    (buttons.find(({ ariaLabel }) => ariaLabel === focused.ariaLabel) ?? this.#heading).focus();
  }
}
