/** strongroom for Node. */
import { optional, textOnly } from "../../bindings/js/arguments.js";
import { guarded } from "../../bindings/js/errors.js";
import { Keyring as SharedKeyring } from "../../bindings/js/keyring.js";
import { install } from "../../bindings/js/native.js";
import { surroundedBy } from "../../bindings/js/surroundings.js";
import { native } from "./native.js";
import { readEnv, readFile } from "./process.js";

install(native);
surroundedBy({ env: readEnv, file: readFile });

export type * from "../../bindings/js/contract.js";
export {
  type AnyStrongroomError,
  ERROR_CODES,
  type ErrorCode,
  isStrongroomError,
  StrongroomError,
} from "../../bindings/js/errors.js";
export type { DecryptOptions, EncryptOptions, KeyInfo } from "../../bindings/js/keyring.js";
export { MemoryStore } from "../../bindings/js/memory.js";
export type * from "../../bindings/js/options.js";
export type * from "../../bindings/js/results.js";
export { type Format, type MaskStyle, mask, Secret, type SecretDetails } from "../../bindings/js/secret.js";
export { Vault } from "../../bindings/js/vault.js";

/** Keys in order: the first one writes, all of them read. */
export class Keyring extends SharedKeyring {
  /**
   * The keyring of this process: `ENCRYPTION_KEY`, or the file that `ENCRYPTION_KEY_FILE` names; both set is an error.
   * One key, or several separated by commas or newlines, the first of them primary. Throws `NOT_CONFIGURED`,
   * `KEY_INVALID`, `INVALID_ARGUMENT`.
   */
  static fromEnv(env: Record<string, string | undefined> = process.env): Keyring {
    const key = optional(textOnly, env.ENCRYPTION_KEY, "ENCRYPTION_KEY");
    const file = optional(textOnly, env.ENCRYPTION_KEY_FILE, "ENCRYPTION_KEY_FILE");
    return new Keyring(guarded(() => native.keyringFromEnvironmentValues(key, file)));
  }
}

/** The version of this package. */
export const version = (): string => native.version();
