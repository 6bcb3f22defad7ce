/** The backend, as the panel asks it: ciphertext comes and goes, nothing else. */

/** What failed outside of the vault: a code, and what to do. */
export class PanelError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * A row of the backend's table `api_keys`. Whatever it says may be a lie.
 *
 * @typedef {{ id: string, owner: string, provider: string, encrypted_key: string, created_at: string, last_used: string | null }} Row
 */

const TIMEOUT = 30_000;
const PAGE = 100;

/** Asks with the panel's token, which lives as long as this object. */
export class Backend {
  #token;

  /** @param {string} token */
  constructor(token) {
    this.#token = token;
  }

  /** All rows of `api_keys`. @returns {Promise<Row[]>} */
  async rows() {
    const rows = await this.#ask("GET", "secrets");
    if (!Array.isArray(rows) || !rows.every(isRow)) throw answeredNonsense();
    return rows;
  }

  /** The names of the shared secrets, as the store has them. Only an unlocked vault can tell whether they are right. */
  async names() {
    /** @type {{ namespace: string, name: string }[]} */
    const names = [];
    /** @type {string | null} */
    let cursor = null;
    do {
      const query = { kind: /** @type {const} */ ("secret"), namespace: null, limit: PAGE };
      /** @type {import("./strongroom-web/wasm/ts/index.js").ListPage} */
      const page = await this.store.list(query, cursor);
      if (!Array.isArray(page?.items)) throw answeredNonsense();
      names.push(
        ...page.items.map(({ key }) => ({ namespace: String(key?.namespace), name: String(key?.name) })),
      );
      cursor = page.cursor ?? null;
    } while (cursor !== null);
    return names;
  }

  /** The vault's store. What it answers is checked by the vault. @type {import("./strongroom-web/wasm/ts/index.js").Store} */
  store = {
    load: (keys) => this.#ask("POST", "store/load", { keys }),
    list: (query, cursor) => this.#ask("POST", "store/list", { query, cursor }),
    events: (query, cursor) => this.#ask("POST", "store/events", { query, cursor }),
    commit: (changeSet) => this.#ask("POST", "store/commit", { change_set: changeSet }),
  };

  /** @param {"GET" | "POST"} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async #ask(method, path, body) {
    // Anything else can't be a token, and no header either.
    if (!/^[\x21-\x7e]+$/.test(this.#token)) throw unauthorized();
    /** @type {Response} */
    let response;
    /** @type {any} */
    let answer;
    try {
      response = await fetch(new URL(`api/${path}`, import.meta.url), {
        method,
        headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT),
      });
      const text = await response.text();
      answer = response.headers.get("content-type")?.startsWith("application/json")
        ? JSON.parse(text)
        : undefined;
    } catch {
      throw new PanelError(
        "UNREACHABLE",
        "The backend gives no answer: check that it runs and that you are online, then try again.",
      );
    }
    if (response.ok && answer !== undefined) return answer;
    if (response.status === 401) throw unauthorized();
    if (response.ok) throw answeredNonsense();
    throw new PanelError(
      String(answer?.code ?? `HTTP_${response.status}`),
      String(
        answer?.message ?? `The backend failed (HTTP ${response.status}): try again; its log says more.`,
      ),
    );
  }
}

/** @param {any} row @returns {row is Row} */
function isRow(row) {
  const texts = [
    row?.id,
    row?.owner,
    row?.provider,
    row?.encrypted_key,
    row?.created_at,
    row?.last_used ?? "",
  ];
  return texts.every((text) => typeof text === "string");
}

function unauthorized() {
  return new PanelError(
    "UNAUTHORIZED",
    "The backend does not know this token: sign in with its PANEL_TOKEN.",
  );
}

function answeredNonsense() {
  return new PanelError(
    "ANSWER_INVALID",
    "This is no answer of the backend: check that the panel is served by it, and that both are of one version.",
  );
}
