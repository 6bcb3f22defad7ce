/**
 * Where key and values are: a worker with the wasm package. The page asks by name and gets what it is to show; when
 * the page ends the worker, its memory goes with it, keyring and secrets included.
 */
import { Backend, PanelError } from "./backend.js";
import { init, isStrongroomError, Keyring, mask, Vault } from "./strongroom-web/wasm/ts/index.js";

/** @typedef {import("./backend.js").Row} Row */
/** @typedef {{ namespace: string, name: string }} Slot */
/** @typedef {import("./strongroom-web/wasm/ts/index.js").Change} Change */
/** @typedef {{ code: string, message: string, cause?: Told | undefined }} Told What is told of an error. */
/** @typedef {{ keyring: Keyring, vault: Vault, actor: { id: string, platform: string } }} Unlocked */
/** @typedef {typeof calls} Calls */

/** @type {Unlocked | undefined} */
let unlocked;

/** What the page may ask. */
const calls = {
  /** Makes the keyring, and sees that it opens the vault. @param {string} keyText @param {string} token @param {string} actor */
  async unlock(keyText, token, actor) {
    await init().catch(() => {
      throw new PanelError("PACKAGE_MISSING", "The module of strongroom-web does not load: try again.");
    });
    const keyring = Keyring.parse(keyText);
    const vault = new Vault({ keyring, store: new Backend(token).store });
    unlocked = { keyring, vault, actor: { id: actor, platform: "panel" } };
    return { keys: keyring.keys.map(({ id }) => id.slice(0, 8)), secrets: await calls.list() };
  },

  /** Decrypts every row, and tells what to show of it. @param {Row[]} rows */
  maskRows(rows) {
    return rows.map((row) => {
      try {
        return { masked: mask(open(row)) };
      } catch (error) {
        return { failed: told(error) };
      }
    });
  },

  /** @param {Row} row */
  openRow(row) {
    const value = open(row);
    return { value, masked: mask(value) };
  },

  list() {
    const { vault, actor } = opened();
    return vault.list({ actor });
  },

  /** Reads a shared secret, which its history records. @param {Slot} slot */
  async read({ namespace, name }) {
    const { vault, actor } = opened();
    const secret = await vault.get(name, { actor, namespace });
    try {
      return { value: secret.reveal(), masked: secret.masked() };
    } finally {
      secret.wipe();
    }
  },

  /** @param {Change} change @param {Slot} slot @param {string} value Of no matter for a deletion. */
  propose(change, { namespace, name }, value) {
    const { vault, actor } = opened();
    const options = { actor, namespace };
    return change === "delete"
      ? vault.propose(change, name, options)
      : vault.propose(change, name, value, options);
  },

  /** @param {string} id */
  confirm(id) {
    const { vault, actor } = opened();
    return vault.confirm(id, { actor });
  },

  /** @param {string} id */
  cancel(id) {
    const { vault, actor } = opened();
    return vault.cancel(id, { actor });
  },

  /** The latest events: of one secret, or of the whole vault. @param {Slot} [slot] */
  audit(slot) {
    const { vault, actor } = opened();
    return vault.audit({ actor, limit: 100, ...slot });
  },

  verifyAudit() {
    const { vault, actor } = opened();
    return vault.verifyAudit({ actor });
  },
};

/**
 * Opens a row's value. What it is bound to is made from what the page shows, not from what the backend says it is: so a
 * value can't be shown as another owner's.
 *
 * @param {Row} row
 */
function open({ id, owner, provider, encrypted_key }) {
  return opened().keyring.decrypt(encrypted_key, {
    associatedData: `api_keys:${id}:${owner}:${provider}`,
    formats: encrypted_key.startsWith("sr1.") ? ["sealed"] : ["fernet"],
  });
}

function opened() {
  if (unlocked === undefined) throw new PanelError("LOCKED", "Unlock the panel first.");
  return unlocked;
}

/** @param {unknown} error @returns {Told} */
function told(error) {
  if (error instanceof PanelError) return { code: error.code, message: error.message };
  if (!isStrongroomError(error)) {
    return { code: "INTERNAL", message: "Something failed that should not: lock the panel and try again." };
  }
  const { code, message, cause } = error;
  return { code, message, cause: cause instanceof PanelError ? told(cause) : undefined };
}

addEventListener("message", async ({ data: { id, name, given } }) => {
  try {
    const call = /** @type {(...given: any[]) => unknown} */ (calls[/** @type {keyof Calls} */ (name)]);
    postMessage({ id, answer: await call(...given) });
  } catch (error) {
    postMessage({ id, failed: told(error) });
  }
});
