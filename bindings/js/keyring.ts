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

const handles = new WeakMap<Keyring, NativeKeyring>();

/** The native handle, for the modules of this package. */
export function handleOf(keyring: Keyring): NativeKeyring {
  const handle = handles.get(keyring);
  if (handle === undefined) throw invalid("not a Keyring of this package");
  return handle;
}

/**
 * Keys in order: the first one writes, all of them read.
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

  /** A keyring of one fresh key. Keep what `dangerousExport()` gives, or what it encrypts is lost. */
  static generate(): Keyring {
    return new Keyring(guarded(() => native().generateKeyring(Date.now())));
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
      createdAt: created_at === null ? undefined : new Date(created_at),
      state,
    }));
  }

  /** All keys as `srk1.` text, the primary first: what opens everything. Write it where keys are kept, nowhere else. */
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
