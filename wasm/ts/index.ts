/**
 * strongroom for the browser. `await init()` once, then use it like the Node package.
 *
 * @example
 * import { init, Keyring, MemoryStore, Vault } from "strongroom-web";
 * await init();
 * const vault = new Vault({ keyring: Keyring.generate(), store: new MemoryStore() });
 * await vault.set("STRIPE_API_KEY", "sk_test_abc123", { actor: "alice" });
 * (await vault.get("STRIPE_API_KEY", { actor: "alice" })).reveal(); // "sk_test_abc123"
 */

import { sealedElsewhere } from "../../bindings/js/archives.js";
import { install } from "../../bindings/js/native.js";
import load, * as native from "../pkg/strongroom_wasm.js";

export {
  type AccessBurst,
  type AccessFinding,
  type AccessRules,
  AccessWatch,
  type OnFinding,
} from "../../bindings/js/access.js";
export type { ExportOptions, Imported, ImportOptions, ImportReport } from "../../bindings/js/archives.js";
export type * from "../../bindings/js/contract.js";
export {
  type DocumentOptions,
  type DocumentPlace,
  DocumentStore,
  type DocumentWritten,
  type Tagged,
} from "../../bindings/js/document.js";
export {
  type AnyStrongroomError,
  ERROR_CODES,
  type ErrorCode,
  isStrongroomError,
  NothingAppliedError,
  StrongroomError,
} from "../../bindings/js/errors.js";
export {
  type DecryptOptions,
  type EncryptOptions,
  type KeyInfo,
  Keyring,
  type LabelOptions,
  type NewKeyOptions,
} from "../../bindings/js/keyring.js";
export { Manifest, type ManifestEntry, type ManifestFormat } from "../../bindings/js/manifest.js";
export { MemoryStore } from "../../bindings/js/memory.js";
export type * from "../../bindings/js/options.js";
export { revealAll } from "../../bindings/js/resolve.js";
export type * from "../../bindings/js/results.js";
export { type Format, type MaskStyle, mask, Secret, type SecretDetails } from "../../bindings/js/secret.js";
export { Checkpoint, type SignerOptions, SigningKey } from "../../bindings/js/signing.js";
export { Vault } from "../../bindings/js/vault.js";
export {
  type NewWrap,
  OpenedKeyring,
  type Opening,
  type PassphraseCost,
  type Wrap,
  WrappedKeyring,
} from "../../bindings/js/wrapped.js";

/** Where the module comes from: a URL, a response, its bytes, or the module itself. */
export type ModuleSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

// Until `initArchives` of `strongroom-web/archive`.
sealedElsewhere();

let loading: Promise<void> | undefined;

/**
 * Loads the module, from beside this file unless told otherwise. Called again, it waits for the same load; after a load
 * that failed it tries anew. Throws what `fetch` or `WebAssembly` throw.
 */
export function init(source?: ModuleSource | Promise<ModuleSource>): Promise<void> {
  loading ??= load(source === undefined ? undefined : { module_or_path: source }).then(
    () => install(native),
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** The version of this package. Throws before `init()`. */
export const version = (): string => native.version();
