/** Keyrings that can be kept: sealed, and opened by passphrases or by what the host has to wrap a key with. */
import { invalid, optional, refuseUnknown, textOnly, textOrBytes, wholeNumber } from "./arguments.js";
import { guarded, StrongroomError, translated } from "./errors.js";
import { Keyring, handleOf as keyringHandle } from "./keyring.js";
import { type NativeOpened, type NativeSecret, type NativeWrapped, native, type Text } from "./native.js";
import { Secret, handleOf as secretHandle } from "./secret.js";

/**
 * What argon2id has to spend on each try of a passphrase. The default takes 64 MiB and some tenths of a second; in a
 * browser more, in the thread that calls: see `WrappedKeyring`.
 */
export interface PassphraseCost {
  /** 8192 to 262144 KiB (8 to 256 MiB); 65536 unless told otherwise. */
  memoryKib?: number | undefined;
  /** How often the memory is passed over: 1 to 16; 3 unless told otherwise. */
  passes?: number | undefined;
  /** 1 to 16; 1 unless told otherwise. They are computed one after another: more help nobody but an attacker. */
  lanes?: number | undefined;
}

/** One way to open a wrapped keyring, as far as may be told. */
export interface Wrap {
  /** What people call it, unique among the wraps of a keyring. */
  readonly label: string;
  readonly kind: "passphrase" | "host";
  /** What its passphrase costs to try. */
  readonly cost: { readonly memoryKib: number; readonly passes: number; readonly lanes: number } | undefined;
}

/** A way to open a wrapped keyring that is to be made. */
export type NewWrap =
  | {
      /** 1 to 128 bytes without control characters. */
      label: string;
      /** Text of at least 8 characters and at most 1024 bytes, every one of which counts. */
      passphrase: Text | Secret;
      cost?: PassphraseCost | undefined;
    }
  | {
      label: string;
      /**
       * What your KMS, Transit or keychain makes of the data key, 1 to 8192 bytes. It is called once, with bytes that are
       * wiped when it has answered; what copies are made of them are out of reach.
       */
      wrap: (dataKey: Uint8Array) => Uint8Array | Promise<Uint8Array>;
    };

/** How a wrapped keyring is opened. */
export type Opening =
  | { passphrase: Text | Secret }
  | {
      /**
       * The reverse of the `wrap` that was used: called with what that gave, for one wrap of the host's after another until
       * one opens the keyring. What it gives is wiped, unless it is a `Secret`.
       */
      unwrap: (wrapped: Uint8Array) => Uint8Array | Secret | Promise<Uint8Array | Secret>;
    };

/**
 * A keyring that only its wraps open, with all that is told of its keys. `toText()` is to be kept.
 *
 * A wrap is a passphrase, or what the host's `wrap` made of the data key: 32 random bytes that the keyring is sealed under.
 * Each opens all of it; up to 32 stand side by side. It never changes: `open` it, and make another of it. Passphrases are
 * tried in a thread of their own in Node; in a browser in the thread that calls, so do it in a Web Worker where the page
 * must go on meanwhile.
 *
 * @example
 * const wrapped = await WrappedKeyring.seal(keyring, { label: "alice", passphrase });
 * const again = await WrappedKeyring.parse(wrapped.toText()).unwrap({ passphrase });
 */
export class WrappedKeyring {
  readonly #handle: NativeWrapped;

  /** @internal Use `WrappedKeyring.seal` or `WrappedKeyring.parse`. */
  constructor(handle: NativeWrapped) {
    this.#handle = handle;
  }

  /**
   * Wraps a keyring, in one way; further ones are added when it is opened. Rejects with `VALUE_INVALID` for the passphrase,
   * `NAME_INVALID` for the label, `STORAGE_FAILED` when `wrap` fails, with what it threw as the cause; `LIMIT_EXCEEDED`.
   */
  static async seal(keyring: Keyring, wrap: NewWrap): Promise<WrappedKeyring> {
    const opened = new OpenedKeyring(guarded(() => native().sealKeyring(keyringHandle(keyring))));
    try {
      await opened.add(wrap);
      return opened.wrapped;
    } finally {
      opened.close();
    }
  }

  /**
   * A wrapped keyring from its text, `srw1....`; white space around it does not count. Nothing is opened yet. Throws
   * `KEY_INVALID` for a text that is none, or was altered or cut; `LIMIT_EXCEEDED` for one with a passphrase that would cost
   * too much to try.
   */
  static parse(text: string): WrappedKeyring {
    const checked = textOnly(text, "the text of a wrapped keyring");
    return new WrappedKeyring(guarded(() => native().parseWrappedKeyring(checked)));
  }

  /** The text to keep, one line of ASCII. Without a passphrase or the host, nobody learns a key from it. */
  toText(): string {
    return guarded(() => this.#handle.toText());
  }

  /** What opens it, in the order in which it was added. */
  get wraps(): Wrap[] {
    const wraps = JSON.parse(this.#handle.wraps()) as {
      label: string;
      kind: Wrap["kind"];
      cost: { memory_kib: number; passes: number; lanes: number } | null;
    }[];
    return wraps.map(({ label, kind, cost }) => ({
      label,
      kind,
      cost:
        cost === null ? undefined : { memoryKib: cost.memory_kib, passes: cost.passes, lanes: cost.lanes },
    }));
  }

  /**
   * The keyring, by a passphrase or by the host; nothing else is kept. A passphrase is tried with every wrap that has one,
   * each at its own cost. Rejects with `NOT_AUTHENTIC` for a wrong passphrase or data key; `STORAGE_FAILED` when `unwrap`
   * fails, with what it threw as the cause; `UNSUPPORTED` when no wrap is of that kind; `LIMIT_EXCEEDED` without the memory.
   */
  async unwrap(opening: Opening): Promise<Keyring> {
    const opened = await this.open(opening);
    try {
      return opened.keyring;
    } finally {
      opened.close();
    }
  }

  /** Opens it to be changed: as `unwrap`, and the data key stays until it is closed. */
  async open(opening: Opening): Promise<OpenedKeyring> {
    const { passphrase, unwrap, ...unknown } = opening as { passphrase?: unknown; unwrap?: unknown };
    refuseUnknown(unknown, "the options");
    if (oneOfTwo(passphrase, unwrap, "unwrap") === "function")
      return this.#openByHost(unwrap as HostFunction);
    const opened = await withSecret(passphrase, "the passphrase", (secret) =>
      this.#handle.openWithPassphrase(secret),
    );
    return new OpenedKeyring(opened);
  }

  async #openByHost(unwrap: HostFunction): Promise<OpenedKeyring> {
    let refusal = new StrongroomError(
      "UNSUPPORTED",
      "no wrap of this keyring is the host's: open it by a passphrase",
    ) as unknown;
    let failure: { cause: unknown } | undefined;
    for (let index = 0; ; index += 1) {
      const opaque = this.#handle.hostWrap(index);
      if (opaque === undefined || opaque === null) break;
      let gave: unknown;
      try {
        gave = await unwrap(opaque);
      } catch (cause) {
        failure ??= { cause }; // It may be meant for another of the wraps.
        continue;
      }
      try {
        const dataKey = gave instanceof Secret ? gave : bytesOnly(gave, "what `unwrap` gives");
        const opened = await withSecret(dataKey, "the data key", (secret) =>
          this.#handle.openWithDataKey(secret),
        );
        return new OpenedKeyring(opened);
      } catch (error) {
        refusal = error;
      } finally {
        wipe(gave);
      }
    }
    if (failure === undefined) throw refusal;
    throw new StrongroomError(
      "STORAGE_FAILED",
      "the host's unwrap failed, and the keyring was not opened: look at the cause, then try again",
      failure,
    );
  }

  toString(): string {
    return `WrappedKeyring(${shown(this)})`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** What Node's `util.inspect` and `console.log` show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/**
 * A wrapped keyring, opened to be changed: it has the data key, until it is closed (or by `using opened = ...`). What it
 * made, `wrapped` and `keyring`, stays afterwards. Every wrap stays good for a keyring that is sealed again: so a wrap, once
 * known, opens what is sealed later, and removing one keeps out who has not kept a copy of it.
 *
 * @example
 * const opened = await wrapped.open({ passphrase });
 * await opened.add({ label: "kms", wrap: (dataKey) => kms.encrypt(dataKey) });
 * opened.reseal(opened.keyring.addEnabled({ label: "2027" }));
 * opened.close();
 * await writeFile("keyring.srw", opened.wrapped.toText());
 */
export class OpenedKeyring {
  readonly #handle: NativeOpened;

  /** @internal Use `WrappedKeyring.open`. */
  constructor(handle: NativeOpened) {
    this.#handle = handle;
  }

  /** The keyring, as it was sealed last. */
  get keyring(): Keyring {
    return new Keyring(this.#handle.keyring());
  }

  /** As it is now, to keep. */
  get wrapped(): WrappedKeyring {
    return new WrappedKeyring(guarded(() => this.#handle.wrapped()));
  }

  /** Adds a wrap: takes what `WrappedKeyring.seal` does, and rejects as that does; a label must be new. */
  async add(newWrap: NewWrap): Promise<void> {
    const { label, passphrase, cost, wrap, ...unknown } = newWrap as {
      [option in "label" | "passphrase" | "cost" | "wrap"]?: unknown;
    };
    refuseUnknown(unknown, "the options");
    const name = textOnly(label, "the label");
    if (oneOfTwo(passphrase, wrap, "wrap") === "function") {
      if (cost !== undefined) throw invalid("a cost is that of a passphrase: leave it out with `wrap`");
      return this.#addHost(name, wrap as HostFunction);
    }
    const told = costOf(cost);
    await withSecret(passphrase, "the passphrase", (secret) =>
      this.#handle.addPassphrase(name, secret, told),
    );
  }

  async #addHost(label: string, wrap: HostFunction): Promise<void> {
    const dataKey = guarded(() => this.#handle.dataKey());
    try {
      let gave: unknown;
      try {
        gave = await wrap(dataKey);
      } catch (cause) {
        throw new StrongroomError(
          "STORAGE_FAILED",
          "the host's wrap failed, and nothing was wrapped: look at the cause, then try again",
          { cause },
        );
      }
      const opaque = bytesOnly(gave, "what `wrap` gives");
      guarded(() => this.#handle.addHost(label, opaque));
    } finally {
      wipe(dataKey);
    }
  }

  /** Removes a wrap. Throws `INVALID_ARGUMENT` when none has that label, `KEY_IN_USE` for the last one. */
  remove(label: string): void {
    const name = textOnly(label, "the label");
    guarded(() => this.#handle.remove(name));
  }

  /** Seals a changed keyring in place of the one that is there. */
  reseal(keyring: Keyring): void {
    guarded(() => this.#handle.reseal(keyringHandle(keyring)));
  }

  /** Wipes the data key: nothing can be changed any more. */
  close(): void {
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return `OpenedKeyring(${shown(this.wrapped)})`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** What Node's `util.inspect` and `console.log` show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

function shown(wrapped: WrappedKeyring): string {
  return wrapped.wraps.map(({ label, kind }) => `${label}: ${kind}`).join(", ");
}

type HostFunction = (bytes: Uint8Array) => unknown;

/** Which of the two is there, and it alone. */
function oneOfTwo(passphrase: unknown, host: unknown, name: string): "passphrase" | "function" {
  if ((passphrase === undefined) === (host === undefined)) {
    throw invalid(`give a passphrase or the function ${name}, one of the two`);
  }
  if (passphrase !== undefined) return "passphrase";
  if (typeof host !== "function") throw invalid(`${name} must be a function`);
  return "function";
}

/** Does something with a secret, or with a text or bytes that are out of JavaScript's heap for as long as it takes. */
async function withSecret<T>(
  given: unknown,
  what: string,
  use: (secret: NativeSecret) => T | Promise<T>,
): Promise<T> {
  const secret = given instanceof Secret ? given : Secret.of(textOrBytes(given, what));
  try {
    return await use(secretHandle(secret));
  } catch (error) {
    throw translated(error);
  } finally {
    if (secret !== given) secret.wipe();
  }
}

function bytesOnly(given: unknown, what: string): Uint8Array {
  if (!ArrayBuffer.isView(given)) throw invalid(`${what} must be a Uint8Array`);
  return textOrBytes(given, what) as Uint8Array;
}

function wipe(bytes: unknown): void {
  if (ArrayBuffer.isView(bytes)) new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).fill(0);
}

function costOf(given: unknown): string {
  if (given === undefined) return "{}";
  const { memoryKib, passes, lanes, ...unknown } = given as PassphraseCost;
  refuseUnknown(unknown, "the costs");
  return JSON.stringify({
    memory_kib: optional(wholeNumber, memoryKib, "memoryKib"),
    passes: optional(wholeNumber, passes, "passes"),
    lanes: optional(wholeNumber, lanes, "lanes"),
  });
}
