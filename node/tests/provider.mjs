/** A provider of values in a file, which outlives its processes. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";

export class Provider {
  #path;

  constructor(path) {
    this.#path = path;
  }

  get state() {
    return JSON.parse(readFileSync(this.#path, "utf8"));
  }

  startWith(value) {
    this.#write({ inUse: value, before: null, issued: {}, activations: [] });
  }

  /** What is in use is good, what was before it, and what is still to be activated. */
  accepts(value) {
    const { inUse, before, issued } = this.state;
    return [inUse, before, ...Object.values(issued)].includes(value);
  }

  /** The same value, however often it is asked for the same rotation. */
  create({ id, name }) {
    const state = this.state;
    state.issued[id] ??= `issued ${Object.keys(state.issued).length + 1} of ${name}`;
    this.#write(state);
    return state.issued[id];
  }

  activate({ id }, value) {
    const state = this.state;
    const revealed = value.reveal();
    if (state.issued[id] !== revealed) throw new Error(`rotation ${id} was never given that value`);
    if (state.inUse !== revealed) Object.assign(state, { before: state.inUse, inUse: revealed });
    state.activations.push(revealed);
    this.#write(state);
  }

  #write(state) {
    writeFileSync(`${this.#path}.new`, JSON.stringify(state));
    renameSync(`${this.#path}.new`, this.#path);
  }
}
