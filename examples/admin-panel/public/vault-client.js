/** The page's end of the vault's worker. Closing it ends the worker and all that it knew. */
import { PanelError } from "./backend.js";

/** @typedef {import("./vault-worker.js").Calls} Calls */

/** What the worker's vault threw, as the page shows it. */
export class VaultError extends PanelError {
  /** @param {import("./vault-worker.js").Told} told */
  constructor({ code, message, cause }) {
    super(code, message);
    if (cause !== undefined) this.cause = new VaultError(cause);
  }
}

/** Calls what the worker offers. */
export class VaultClient {
  #worker = new Worker(new URL("vault-worker.js", import.meta.url), { type: "module" });
  /** @type {Map<number, { resolve: (answer: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  #last = 0;
  /** @type {PanelError | undefined} */
  #ended;

  constructor() {
    this.#worker.addEventListener("message", ({ data: { id, answer, failed } }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failed === undefined) waiting?.resolve(answer);
      else waiting?.reject(new VaultError(failed));
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#end(
        new PanelError("PACKAGE_MISSING", "strongroom-web does not load: run build.sh, then try again."),
      );
    });
  }

  /**
   * @template {keyof Calls} Name
   * @param {Name} name
   * @param {Parameters<Calls[Name]>} given
   * @returns {Promise<Awaited<ReturnType<Calls[Name]>>>}
   */
  call(name, ...given) {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, given });
    });
  }

  /** Ends the worker. What was still asked fails with `LOCKED`. */
  close() {
    this.#end(
      new PanelError("LOCKED", "The panel was locked before this was done: unlock it and look again."),
    );
  }

  /** @param {PanelError} error */
  #end(error) {
    this.#ended = error;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
