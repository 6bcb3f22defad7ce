/** A secret value that shows itself to nobody who does not ask. */
import { invalid, textOnly, textOrBytes } from "./arguments.js";
import { guarded } from "./errors.js";
import { type NativeSecret, native, type Text } from "./native.js";

/** What is shown of a value: `sk_t****`, `sk_test_...`, `123***...xyz` or `****`. */
export type MaskStyle = "prefix(4)" | "prefix(8)" | "ends(3)" | "full";

/** What is told of a secret beside its value. */
export interface SecretDetails {
  readonly namespace: string;
  readonly name: string;
  /** The number of the version, from 1. */
  readonly version: number;
  /** How it is stored. */
  readonly format: Format;
  /** The id of the key that it is stored under, 64 hex digits. */
  readonly keyId: string;
  /** Since when it is the current value. */
  readonly lastRotated: Date | undefined;
}

/** The three formats of encrypted values. */
export type Format = "sealed" | "node_gcm" | "fernet";

const handles = new WeakMap<Secret, NativeSecret>();

/** The native handle, for the modules of this package. */
export function handleOf(secret: Secret): NativeSecret {
  const handle = handles.get(secret);
  if (handle === undefined) throw invalid("not a Secret of this package");
  return handle;
}

/**
 * A value outside of JavaScript's heap. `toString`, `toJSON` and `util.inspect` are masked; `reveal()` is the one way
 * out. What it reveals is a JavaScript string, which nothing can wipe: keep it short-lived.
 *
 * @example
 * const secret = Secret.of("sk_test_abc123");
 * `${secret}`; // "sk_t****"
 */
export class Secret {
  /** What the vault tells of it, if it came from one. */
  readonly details: SecretDetails | undefined;

  /** @internal Use `Secret.of`. */
  constructor(handle: NativeSecret, details?: SecretDetails) {
    this.details = details;
    handles.set(this, handle);
  }

  /** A secret of your own. */
  static of(value: Text): Secret {
    const checked = textOrBytes(value, "the value");
    return new Secret(guarded(() => native().makeSecret(checked)));
  }

  /** The value as text. Throws `VALUE_INVALID` when it is not UTF-8. */
  reveal(): string {
    return guarded(() => handleOf(this).revealText());
  }

  /** The value as bytes. */
  revealBytes(): Uint8Array {
    return guarded(() => handleOf(this).revealBytes());
  }

  /** The value, masked. */
  masked(style: MaskStyle = "prefix(4)"): string {
    const name = textOnly(style, "the mask style");
    return guarded(() => handleOf(this).masked(name));
  }

  /** Whether two secrets are the same, in constant time for equal lengths. */
  equals(other: Secret): boolean {
    return guarded(() => handleOf(this).equals(handleOf(other)));
  }

  /** Wipes the value; it reveals nothing afterwards. Also by `using secret = ...`. */
  wipe(): void {
    handleOf(this).wipe();
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  toString(): string {
    return this.#shown();
  }

  toJSON(): string {
    return this.#shown();
  }

  /** Never throws: a log line must not. */
  #shown(): string {
    try {
      return this.masked();
    } catch {
      return "wiped";
    }
  }

  /** What Node's `util.inspect` and `console.log` show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Secret(${this.#shown()})`;
  }

  get [Symbol.toStringTag](): string {
    return "Secret";
  }
}

/**
 * A text that stands for a value on a screen or in a log. Never tells the length; a value with fewer than three times
 * the characters that would be shown is `****`.
 */
export function mask(value: Text, style: MaskStyle = "prefix(4)"): string {
  const [checked, name] = [textOrBytes(value, "the value"), textOnly(style, "the mask style")];
  return guarded(() => native().mask(checked, name));
}
