/**
 * What the native part offers, in Node (napi) and in the browser (wasm). Plaintext crosses through arguments and results
 * made for it; everything else is JSON.
 */
import { StrongroomError } from "./errors.js";

export type Text = string | Uint8Array;

export interface NativeSecret {
  revealText(): string;
  revealBytes(): Uint8Array;
  masked(style: string): string;
  equals(other: NativeSecret): boolean;
  wipe(): void;
}

export interface NativeKeyring {
  encrypt(plaintext: Text, format: string | undefined, associatedData: Text | undefined, now: number): string;
  decryptText(token: string, associatedData?: Text, formats?: string[]): string;
  decryptBytes(token: string, associatedData?: Text, formats?: string[]): Uint8Array;
  /** Which format a token has and which key opens it: `{ format, key_id }`, as JSON. */
  inspect(token: string, associatedData?: Text): string;
  /** `[{ id, label, created_at, state }]`, as JSON. */
  keys(): string;
  addEnabled(now: number, key?: string, label?: string): NativeKeyring;
  makePrimary(keyId: string): NativeKeyring;
  advance(keyId: string, to: string): NativeKeyring;
  relabel(keyId: string, label?: string): NativeKeyring;
  dangerousExport(): string;
}

/** What tries a passphrase takes a while: it gives a promise where there are threads. */
export interface NativeWrapped {
  toText(): string;
  /** `[{ label, kind, cost }]`, as JSON. */
  wraps(): string;
  hostWrap(index: number): Uint8Array | null | undefined;
  openWithPassphrase(passphrase: NativeSecret): NativeOpened | Promise<NativeOpened>;
  openWithDataKey(dataKey: NativeSecret): NativeOpened;
}

export interface NativeOpened {
  keyring(): NativeKeyring;
  wrapped(): NativeWrapped;
  dataKey(): Uint8Array;
  addPassphrase(label: string, passphrase: NativeSecret, cost: string): unknown;
  addHost(label: string, opaque: Uint8Array): void;
  remove(label: string): void;
  reseal(keyring: NativeKeyring): void;
  close(): void;
}

export interface NativeSession {
  step(now: number, reply?: string): string;
  /** The same in another thread, where there are threads and the next step may take a second; nothing otherwise. */
  stepLong?(now: number, reply?: string): Promise<string> | null | undefined;
  /** Gives a value: of an operation on many before its first step, or what the next answer tells of. */
  offer(value: NativeSecret): void;
  /** The value that goes with the open request, or the next one that the operation gave. */
  takeSecret(): NativeSecret | null | undefined;
  /** The last call: the session may be gone afterwards. */
  close(): void;
}

export interface NativeVault {
  begin(operation: string, value?: NativeSecret): NativeSession;
  /** What it has seen, in the text format of Prometheus. */
  metrics(prefix: string): string;
}

export interface NativeWatch {
  /** Looks at an event, and tells what it found, both as JSON. */
  observe(event: string): string;
}

/** A whole vault in one text. */
export interface NativeDocument {
  /** The answer as JSON, and what to write in place of the text, if anything. */
  answer(request: string, text?: Uint8Array): NativeAnswered | Promise<NativeAnswered>;
}

export interface NativeAnswered {
  answer: string;
  text?: Uint8Array | null;
}

export interface Native {
  version(): string;
  mask(value: Text, style: string): string;
  makeSecret(value: Text): NativeSecret;
  generateKeyring(now: number, label?: string): NativeKeyring;
  parseKeyring(text: string): NativeKeyring;
  /** The key's text, in a handle. */
  generateSigningKey(name: string): NativeSecret;
  parseSigningKey(text: string, name: string): NativeSecret;
  verifierOf(key: NativeSecret, name: string): string;
  /** `{ vault_id, at, streams }`, as JSON. */
  readCheckpoint(text: string, verifiers: string[]): string;
  parseWrappedKeyring(text: string): NativeWrapped;
  sealKeyring(keyring: NativeKeyring): NativeOpened;
  openVault(keyring: NativeKeyring, options: string): NativeVault;
  makeDocument(limit?: number): NativeDocument;
  /** The same, its access watched. */
  openWatchedVault(keyring: NativeKeyring, options: string, watch: NativeWatch): NativeVault;
  /** By rules as JSON. */
  makeWatch(rules: string): NativeWatch;
  /** A manifest as JSON. */
  readManifest(text: Text, format: string): string;
  /** The text of `.env.example`. */
  manifestExample(manifest: string, environment?: string): string;
}

/** Variables by name. */
export type Environment = Record<string, string | undefined>;

let installed: Native | undefined;
let variables: (() => Environment) | undefined;

/** Called once by the package's entry; hosts that have an environment say how it is read. */
export function install(native: Native, ofHost?: () => Environment): void {
  installed = native;
  variables = ofHost ?? variables;
}

/** The environment as it is now, where there is one. */
export function environment(): Environment | undefined {
  return variables?.();
}

/** The native part, or an error that says how to get it. */
export function native(): Native {
  if (installed === undefined) {
    throw new StrongroomError(
      "UNSUPPORTED",
      "strongroom is not loaded: in the browser, `await init()` first",
    );
  }
  return installed;
}
