/** Keys that sign checkpoints, and what checkpoints say of themselves. */
import { invalid, listOfText, optional, refuseUnknown, textOnly } from "./arguments.js";
import { guarded } from "./errors.js";
import { type NativeSecret, native } from "./native.js";
import { handleOf, Secret } from "./secret.js";

/** What a signing key is called, where its checkpoints have several signatures. */
export interface SignerOptions {
  /**
   * `strongroom` unless told otherwise: 1 to 128 bytes without white space and plus signs, such as `example.com/vault`. It is
   * no part of the key's text.
   */
  name?: string | undefined;
}

interface Held {
  key: Secret;
  name: string;
}

const handles = new WeakMap<SigningKey, Held>();

/** The key's text, in a handle, and its name: for the modules of this package. */
export function heldBy(key: SigningKey): Held {
  const held = handles.get(key);
  if (held === undefined) throw invalid("signingKey must be a SigningKey of this package");
  return held;
}

/**
 * A key that signs checkpoints. No vault keeps it: it is given for the call, and kept apart from the vault's keys.
 *
 * @example
 * const key = SigningKey.generate({ name: "example.com/vault" });
 * const kept = await vault.checkpoint({ actor: "cron", signingKey: key });
 * await vault.verifyAudit({ actor: "cron", checkpoint: kept, verifiers: [key.verifier()] });
 */
export class SigningKey {
  /** @internal Use `SigningKey.generate` or `SigningKey.parse`. */
  constructor(handle: NativeSecret, name: string) {
    handles.set(this, { key: new Secret(handle), name });
  }

  /** A fresh key. Keep it by `dangerousExport()`, apart from the vault's keys. Throws `NAME_INVALID`. */
  static generate(options: SignerOptions = {}): SigningKey {
    const name = signerName(options);
    return new SigningKey(
      guarded(() => native().generateSigningKey(name)),
      name,
    );
  }

  /** A key from its `srs1.` text. Throws `KEY_INVALID`, `NAME_INVALID`. */
  static parse(text: string, options: SignerOptions = {}): SigningKey {
    const [checked, name] = [textOnly(text, "the text of a signing key"), signerName(options)];
    return new SigningKey(
      guarded(() => native().parseSigningKey(checked, name)),
      name,
    );
  }

  /** What it is called. */
  get name(): string {
    return heldBy(this).name;
  }

  /** What verifies its signatures, public: a C2SP verifier key, `<name>+<key id>+<base64 of the public key>`. */
  verifier(): string {
    const { key, name } = heldBy(this);
    return guarded(() => native().verifierOf(handleOf(key), name));
  }

  /** The key as `srs1.` text, without its name. Whoever has it can sign histories that never were. */
  dangerousExport(): string {
    return heldBy(this).key.reveal();
  }

  toString(): string {
    return `SigningKey(${this.name})`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** What Node's `util.inspect` and `console.log` show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** What a checkpoint says of itself. */
export class Checkpoint {
  /** @internal Use `Checkpoint.parse`. */
  constructor(
    /** The vault that it is of, 32 hex digits. */
    readonly vaultId: string,
    /** When it was made. */
    readonly at: Date,
    /** Of how many streams it says how far they went. */
    readonly streams: number,
  ) {}

  /**
   * Reads a checkpoint that one of the verifiers signed, without any vault. Throws `BACKUP_INVALID` when it is malformed, was
   * altered, or nobody of them signed it; `INVALID_ARGUMENT` for verifiers that are none, or none at all.
   */
  static parse(text: string, options: { verifiers: string[] }): Checkpoint {
    const { verifiers, ...unknown } = options ?? {};
    refuseUnknown(unknown, "the options");
    const [checked, list] = [textOnly(text, "the checkpoint"), listOfText(verifiers, "verifiers")];
    const told = JSON.parse(guarded(() => native().readCheckpoint(checked, list))) as {
      vault_id: string;
      at: number;
      streams: number;
    };
    return new Checkpoint(told.vault_id, new Date(told.at), told.streams);
  }
}

/** The name that the options give. */
export function signerName(options: SignerOptions): string {
  const { name, ...unknown } = options ?? {};
  refuseUnknown(unknown, "the options");
  return optional(textOnly, name, "the name") ?? "strongroom";
}
