/** strongroom for Node. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename, extname } from "node:path";
import { invalid, optional, textOnly } from "../../bindings/js/arguments.js";
import { guarded } from "../../bindings/js/errors.js";
import { Keyring as SharedKeyring } from "../../bindings/js/keyring.js";
import { type ManifestFormat, Manifest as SharedManifest, textOf } from "../../bindings/js/manifest.js";
import { install } from "../../bindings/js/native.js";
import { SigningKey as SharedSigningKey, type SignerOptions, signerName } from "../../bindings/js/signing.js";
import { surroundedBy } from "../../bindings/js/surroundings.js";
import { native } from "./native.js";
import { readEnv, readFile } from "./process.js";

surroundedBy({ env: readEnv, file: readFile });
install(native, () => process.env);

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
export type {
  DecryptOptions,
  EncryptOptions,
  KeyInfo,
  LabelOptions,
  NewKeyOptions,
} from "../../bindings/js/keyring.js";
export type { ManifestEntry, ManifestFormat } from "../../bindings/js/manifest.js";
export { MemoryStore } from "../../bindings/js/memory.js";
export type * from "../../bindings/js/options.js";
export { revealAll } from "../../bindings/js/resolve.js";
export type * from "../../bindings/js/results.js";
export { type Format, type MaskStyle, mask, Secret, type SecretDetails } from "../../bindings/js/secret.js";
export { Checkpoint, type SignerOptions } from "../../bindings/js/signing.js";
export { Vault } from "../../bindings/js/vault.js";
export {
  type NewWrap,
  OpenedKeyring,
  type Opening,
  type PassphraseCost,
  type Wrap,
  WrappedKeyring,
} from "../../bindings/js/wrapped.js";

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

/** A key that signs checkpoints. */
export class SigningKey extends SharedSigningKey {
  /**
   * The signing key of this process: `STRONGROOM_SIGNING_KEY`, or the file that `STRONGROOM_SIGNING_KEY_FILE` names; both set
   * is an error. Throws `NOT_CONFIGURED`, `KEY_INVALID`, `NAME_INVALID`, `INVALID_ARGUMENT`.
   */
  static fromEnv(
    options: SignerOptions & { env?: Record<string, string | undefined> | undefined } = {},
  ): SigningKey {
    const { env = process.env, ...rest } = options;
    const name = signerName(rest);
    const key = optional(textOnly, env.STRONGROOM_SIGNING_KEY, "STRONGROOM_SIGNING_KEY");
    const file = optional(textOnly, env.STRONGROOM_SIGNING_KEY_FILE, "STRONGROOM_SIGNING_KEY_FILE");
    return new SigningKey(
      guarded(() => native.signingKeyFromEnvironmentValues(name, key, file)),
      name,
    );
  }
}

/** What an application needs: rules, and no values of secrets. */
export class Manifest extends SharedManifest {
  /**
   * A manifest from a file: `.yaml`, `.yml`, `.json`, `.toml`, or one such as `.env.example`. Throws what `parse` throws,
   * `INVALID_ARGUMENT` for another name, and what `node:fs` throws.
   */
  static read(path: string): Manifest {
    const name = basename(textOnly(path, "the path")).toLowerCase();
    const isDotenv = name.startsWith(".env") || name.endsWith(".env");
    const format = ENDINGS[extname(name)] ?? (isDotenv ? "dotenv" : undefined);
    if (format === undefined)
      throw invalid("the file's name does not tell its format: .yaml, .yml, .json, .toml, or .env.example");
    return new Manifest(textOf(Manifest.parse(readBounded(path), { format })));
  }
}

const ENDINGS: Record<string, ManifestFormat> = {
  ".yaml": "yaml",
  ".yml": "yaml",
  ".json": "json",
  ".toml": "toml",
};

/** One byte more than is read of a manifest: what is longer is refused, and not cut. */
function readBounded(path: string): Uint8Array {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(Math.min(fstatSync(file).size, 10 * 1024 * 1024) + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** The version of this package. */
export const version = (): string => native.version();
