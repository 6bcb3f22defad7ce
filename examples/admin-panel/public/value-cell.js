/** A value on the page: masked, until it is asked for; then shown for a while. */
import { button, element, say, showError } from "./element.js";

const SHOWN_MILLIS = 30_000;
const HIDDEN = "••••••••";

/** @type {Set<ValueCell>} */
const shown = new Set();
let hidings = 0;

/** Hides every value, those that are still on their way too. */
export function hideAll() {
  hidings += 1;
  for (const cell of shown) cell.hide();
}

/** One value, with the buttons that reveal and copy it. */
export class ValueCell {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #text = element("code", { class: "value" });
  #error = element("div", { role: "alert", class: "error" });
  /** @type {() => Promise<{ value: string, masked: string }>} */
  #open;
  /** @type {string} */
  #masked;
  /** @type {string} */
  #what;

  /**
   * @param {string} what What the value is, for those who do not see where its buttons are.
   * @param {() => Promise<{ value: string, masked: string }>} open
   * @param {string} [masked] What is shown of it before it is opened.
   */
  constructor(what, open, masked = HIDDEN) {
    [this.#what, this.#open, this.#masked] = [what, open, masked];
    this.reveal = button("Reveal", "", () =>
      shown.has(this) ? this.hide() : this.#do((value) => this.#show(value)),
    );
    this.copy = button("Copy", `Copy ${what}`, () => this.#do((value) => this.#copy(value)));
    this.#error.hidden = true;
    this.shown = element("div", { class: "value-cell" }, this.#text, this.#error);
    this.hide();
  }

  hide() {
    clearTimeout(this.#timer);
    shown.delete(this);
    this.#text.textContent = this.#masked;
    this.#text.classList.remove("revealed");
    this.#label("Reveal");
  }

  /** @param {(value: string) => unknown} then */
  async #do(then) {
    const before = hidings;
    this.#error.hidden = true;
    try {
      const { value, masked } = await this.#open();
      this.#masked = masked;
      if (!shown.has(this)) this.#text.textContent = masked;
      if (before === hidings) await then(value);
    } catch (error) {
      showError(this.#error, error);
    }
  }

  /** @param {string} value */
  #show(value) {
    shown.add(this);
    this.#text.textContent = value;
    this.#text.classList.add("revealed");
    this.#label("Hide");
    this.#timer = setTimeout(() => {
      this.hide();
      say(`Hidden again: ${this.#what}.`);
    }, SHOWN_MILLIS);
    say(`Shown for ${SHOWN_MILLIS / 1000} seconds: ${this.#what}.`);
  }

  /** @param {string} value */
  async #copy(value) {
    try {
      await navigator.clipboard.writeText(value);
      say(`Copied: ${this.#what}. It stays in the clipboard until you copy something else.`);
    } catch {
      say("The browser does not let this page copy: reveal the value and copy it by hand.");
    }
  }

  /** @param {string} label */
  #label(label) {
    this.reveal.textContent = label;
    this.reveal.setAttribute("aria-label", `${label} ${this.#what}`);
  }
}
