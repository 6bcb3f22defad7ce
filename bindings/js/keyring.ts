/** Keys, and the encryption of an application's own data. */
import { invalid, listOfText, optional, refuseUnknown, textOnly, textOrBytes } from "./arguments.js";
import { guarded } from "./errors.js";
import { type NativeKeyring, native, type Text } from "./native.js";
import type { Format } from "./secret.js";

/** What may be told of a key. */
export interface KeyInfo {
  /** 64 hex digits; people are shown the first 8. */
  readonly id: string;
  readonly label: string | undefined;
  /** When it was made, where that is known: key text does not say. */
  readonly createdAt: Date | undefined;
  readonly state: "primary" | "enabled" | "disabled" | "destroyed";
}

/** How to encrypt. */
export interface EncryptOptions {
  /** `sealed` unless told otherwise; the others for programs that do not use strongroom yet. */
  format?: Format | undefined;
  /** What the token is bound to, such as the id of its row. Only `sealed` knows it. */
  associatedData?: Text | undefined;
}

/** How to decrypt. */
export interface DecryptOptions {
  /** What the token was bound to. */
  associatedData?: Text | undefined;
  /**
   * The formats that are accepted; all three when absent. `["sealed"]` where no old values are left: the older formats
   * know no associated data, so that a value in one of them could be moved to another place.
   */
  formats?: Format[] | undefined;
}

/** What people call a key: 1 to 128 bytes without control characters. */
export interface LabelOptions {
  label?: string | undefined;
}

/** A key that comes into a keyring. */
export interface NewKeyOptions extends LabelOptions {
  /** Its text, one key as in `Keyring.parse`; a fresh one is made when absent. */
  key?: string | undefined;
}

const handles = new WeakMap<Keyring, NativeKeyring>();

/** The native handle, for the modules of this package. */
export function handleOf(keyring: Keyring): NativeKeyring {
  const handle = handles.get(keyring);
  if (handle === undefined) throw invalid("not a Keyring of this package");
  return handle;
}

/**
 * Keys in order: the primary, which is the first one, writes; it and the enabled ones read. A keyring never changes: what
 * changes one gives another.
 *
 * @example
 * const keyring = Keyring.generate();
 * const token = keyring.encrypt("hunter2", { associatedData: "user:42" });
 * keyring.decrypt(token, { associatedData: "user:42" }); // "hunter2"
 */
export class Keyring {
  /** @internal Use `Keyring.generate` or `Keyring.parse`. */
  constructor(handle: NativeKeyring) {
    handles.set(this, handle);
  }

  /**
   * A keyring of one fresh key. Keep it, by `WrappedKeyring` or by `dangerousExport()`, or what it encrypts is lost. Throws
   * `NAME_INVALID` for the label.
   */
  static generate(options: LabelOptions = {}): Keyring {
    const { label, ...unknown } = options;
    refuseUnknown(unknown, "the options");
    const name = optional(textOnly, label, "the label");
    return new Keyring(guarded(() => native().generateKeyring(Date.now(), name)));
  }

  /**
   * A keyring from text: one key, or several separated by commas or newlines. A key is `srk1.` text, base64 or
   * base64url of 32 bytes, or 64 hex digits. Throws `NOT_CONFIGURED`, `KEY_INVALID`.
   */
  static parse(text: string): Keyring {
    const checked = textOnly(text, "the text of a keyring");
    return new Keyring(guarded(() => native().parseKeyring(checked)));
  }

  /** Encrypts. Throws `INVALID_ARGUMENT` when associated data is given for a format that knows none. */
  encrypt(plaintext: Text, options: EncryptOptions = {}): string {
    const { format, associatedData, ...unknown } = options;
    refuseUnknown(unknown, "the options");
    const value = textOrBytes(plaintext, "the plaintext");
    const [name, bound] = [
      optional(textOnly, format, "the format"),
      optional(textOrBytes, associatedData, "associatedData"),
    ];
    const isSealed = name === undefined || name === "sealed"; // Sealed values carry no time.
    return guarded(() => handleOf(this).encrypt(value, name, bound, isSealed ? 0 : Date.now()));
  }

  /**
   * Decrypts to text, whichever of the three formats the token is in. The formats other than `sealed` know no
   * associated data, and it is not looked at for them. Throws `NOT_AUTHENTIC`, `KEY_UNKNOWN`, `TOKEN_MALFORMED`, also
   * for a format that is not accepted; `VALUE_INVALID` when the value is not UTF-8.
   */
  decrypt(token: string, options: DecryptOptions = {}): string {
    const [text, bound, formats] = decryption(token, options);
    return guarded(() => handleOf(this).decryptText(text, bound, formats));
  }

  /** As `decrypt`, to bytes: any value, UTF-8 or not. */
  decryptBytes(token: string, options: DecryptOptions = {}): Uint8Array {
    const [text, bound, formats] = decryption(token, options);
    return guarded(() => handleOf(this).decryptBytes(text, bound, formats));
  }

  /** Which format a token is in and which key opens it. Opens it to find out; throws as `decrypt` does. */
  inspectToken(
    token: string,
    options: Pick<DecryptOptions, "associatedData"> = {},
  ): { format: Format; keyId: string } {
    const [text, bound] = decryption(token, options);
    const told = guarded(() => handleOf(this).inspect(text, bound));
    const { format, key_id } = JSON.parse(told) as { format: Format; key_id: string };
    return { format, keyId: key_id };
  }

  /** What may be told of every key, in ring order. */
  get keys(): KeyInfo[] {
    const keys = JSON.parse(handleOf(this).keys()) as {
      id: string;
      label: string | null;
      created_at: number | null;
      state: KeyInfo["state"];
    }[];
    return keys.map(({ id, label, created_at, state }) => ({
      id,
      label: label ?? undefined,
      createdAt: dateOf(created_at),
      state,
    }));
  }

  /**
   * A keyring with one key more, which stands last and reads, and does not write yet: the first step of a roll-out. Throws
   * `KEY_INVALID`, also for a key that is there already; `NAME_INVALID` for the label; `LIMIT_EXCEEDED` beyond 1000 keys.
   *
   * @example
   * const step1 = keyring.addEnabled({ label: "2027" });
   * const step2 = step1.makePrimary(step1.keys.at(-1).id);
   */
  addEnabled(options: NewKeyOptions = {}): Keyring {
    const { key, label, ...unknown } = options;
    refuseUnknown(unknown, "the options");
    const [text, name] = [optional(textOnly, key, "the key"), optional(textOnly, label, "the label")];
    return new Keyring(guarded(() => handleOf(this).addEnabled(Date.now(), text, name)));
  }

  /**
   * A keyring in which that key, which was enabled, is the primary and stands first; the old primary is enabled. A vault
   * follows by `rekey`. Throws `KEY_UNKNOWN`; `INVALID_ARGUMENT` for a disabled or destroyed key, and for what is no key id.
   */
  makePrimary(keyId: string): Keyring {
    const id = textOnly(keyId, "the key id");
    return new Keyring(guarded(() => handleOf(this).makePrimary(id)));
  }

  /**
   * A keyring in which a key is one step further: from enabled to disabled, or from there to destroyed. A disabled key opens
   * nothing; a destroyed one is gone but for its id, and this can't be taken back. No vault is asked: see `Vault.retire`,
   * which refuses while anything needs the key. Throws `KEY_UNKNOWN`; `KEY_IN_USE` for the primary; `INVALID_ARGUMENT` for
   * any other step.
   */
  advance(keyId: string, to: "disabled" | "destroyed"): Keyring {
    const [id, state] = [textOnly(keyId, "the key id"), textOnly(to, "the state")];
    return new Keyring(guarded(() => handleOf(this).advance(id, state)));
  }

  /** A keyring in which a key is called something else, or nothing. Throws `KEY_UNKNOWN`, `NAME_INVALID`. */
  relabel(keyId: string, label: string | undefined): Keyring {
    const [id, name] = [textOnly(keyId, "the key id"), optional(textOnly, label, "the label")];
    return new Keyring(guarded(() => handleOf(this).relabel(id, name)));
  }

  /**
   * Every key that reads, as `srk1.` text, the primary first: what opens everything. Write it where keys are kept, nowhere
   * else. `WrappedKeyring` keeps it under a passphrase or under a key of the host's.
   */
  dangerousExport(): string {
    return handleOf(this).dangerousExport();
  }

  toString(): string {
    return `Keyring(${this.keys.map((key) => key.id.slice(0, 8)).join(", ")})`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** What Node's `util.inspect` and `console.log` show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** Undefined also for what no `Date` can be: a wrapped keyring may say so. */
function dateOf(millis: number | null): Date | undefined {
  const date = millis === null ? undefined : new Date(millis);
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date;
}

function decryption(
  token: string,
  options: DecryptOptions,
): [string, Text | undefined, Format[] | undefined] {
  const { associatedData, formats, ...unknown } = options;
  refuseUnknown(unknown, "the options");
  const bound = optional(textOrBytes, associatedData, "associatedData");
  return [
    textOnly(token, "the token"),
    bound,
    optional(listOfText, formats, "formats") as Format[] | undefined,
  ];
}
