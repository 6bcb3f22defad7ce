/** What the operations of a vault take. */
import type { AccessRules, AccessWatch, OnFinding } from "./access.js";
import type { Store } from "./contract.js";
import type { Keyring } from "./keyring.js";
import type { Text } from "./native.js";
import type { AuditEvent } from "./results.js";
import type { Secret } from "./secret.js";
import type { SigningKey } from "./signing.js";

/** Who acts: an id, or an id with the platform it speaks through, the roles that you vouch for, and the end of its session. */
export type Actor =
  | string
  | {
      id: string;
      platform?: string | undefined;
      /** At most 64: what the vault's policy goes by. */
      roles?: string[] | undefined;
      sessionExpiresAt?: Date | undefined;
    };

export type Change = "set" | "rotate" | "delete";

/** What every operation needs. */
export interface ActorOptions {
  actor: Actor;
}

/** What operations on one secret take. */
export interface SecretOptions extends ActorOptions {
  /** `default` unless told otherwise. */
  namespace?: string | undefined;
}

/** When a value ends: at an instant or after a time, one of the two. From that millisecond on it is refused. */
export interface ExpiryOptions {
  /** Null stands for never. */
  expiresAt?: Date | null | undefined;
  expiresInMillis?: number | undefined;
}

/** How much harm a leak would do: the value is due every 30 days, 90 days, 180 days, or never. */
export type Sensitivity = "critical" | "high" | "standard" | "none";

/** What a set can tell of a secret. What is left out stays as it is, but for the end: a new value has none unless given one. */
export interface SetOptions extends SecretOptions, ExpiryOptions {
  /** `standard` for a new secret. */
  sensitivity?: Sensitivity | undefined;
  /** Whom to tell when it is due: at most 16 texts of 1 to 256 bytes. */
  notify?: string[] | undefined;
  /** What makes its next value when it is rotated without one. */
  generator?: Generator | undefined;
}

/** A new secret among many: its value, or how it is made, and what is told of it. */
export interface NewSecret extends ExpiryOptions {
  value: NewValue;
  sensitivity?: Sensitivity | undefined;
  notify?: string[] | undefined;
  generator?: Generator | undefined;
}

/** Values by name; at most 500. */
export type ManyValues = Record<string, NewValue | NewSecret> | Map<string, NewValue | NewSecret>;

export interface SetManyOptions extends SecretOptions {
  /** What becomes of those that are there: nothing is written at all, they stay, or they get the value. */
  ifExists?: "fail" | "skip" | "replace" | undefined;
  /** Tells what would be done, and writes nothing. */
  dryRun?: boolean | undefined;
}

export interface ImportEnvOptions extends SetManyOptions {
  /** The variables that begin so are imported, without it; `SECRET_` unless told otherwise. */
  prefix?: string | undefined;
  /** These variables, as they are, in place of a prefix. */
  names?: string[] | undefined;
}

export interface ImportDotenvOptions extends SetManyOptions {
  /** The variables that begin so are imported, without it; all of them unless told. */
  prefix?: string | undefined;
}

export interface ManifestOptions extends ActorOptions {
  /** Needed when the manifest has entries for certain environments alone. */
  environment?: string | undefined;
}

export interface RotateOptions extends SecretOptions, ExpiryOptions {
  /** For how long `verify` still accepts the old value, at most 366 days; not at all unless told. */
  graceMillis?: number | undefined;
}

/** How a secret is rotated by a rotator, in two steps; or, without one, by its own generator. */
export interface RotatorOptions extends RotateOptions {
  rotator?: Rotator | undefined;
}

/**
 * How a value is made: a kind by name, or with its limits. 16 to 512 random `bytes`, as base64url or hex; 22 to 1024
 * alphanumeric characters; a UUID of version 4; a password of 12 to 1024 characters with one of each class at least.
 */
export type Generator =
  | "token_urlsafe"
  | "hex"
  | "alphanumeric"
  | "uuid"
  | "password"
  | { kind: "token_urlsafe" | "hex"; bytes?: number }
  | { kind: "alphanumeric"; length?: number }
  | { kind: "uuid" }
  | {
      kind: "password";
      length?: number;
      classes?: ("lower" | "upper" | "digit" | "symbol")[];
      symbols?: string;
    };

/** A value, or how the core is to make one. */
export type NewValue = Text | Secret | { generate: Generator };

export type Permission = "read" | "write" | "list" | "delete" | "export" | "admin";

/**
 * Who may do what; everything else is denied. In patterns `*` is any run of characters, `.` and `/` among them, and `?`
 * is exactly one.
 */
export interface PolicyShape {
  rules: {
    /** Unique: 1 to 128 of `A-Z a-z 0-9 _ . - /`. */
    id: string;
    /** One role or user at least. */
    roles?: string[];
    users?: string[];
    actions: (Permission | "*")[];
    /** Patterns; all of them when left out. */
    namespaces?: string[];
    names?: string[];
  }[];
  /** The roles of users, besides those that the actor comes with. */
  members?: Record<string, string[]>;
}

/** Your own policy, or the built-in roles: `senior-engineer` may do everything, `engineer` and `analyst` read by name. */
export type Policy = PolicyShape | "default";

/** One user by id, or whoever has a role. */
export type Grantee = { user: string } | { role: string };

/** What can be granted on a secret. */
export type GrantAction = "read" | "write" | "delete";

/** Access to one secret. */
export interface GrantShape {
  to: Grantee;
  actions: GrantAction[];
  /** From this instant on it gives nothing any more; it does not end when absent. */
  until?: Date | null | undefined;
}

export interface RotationStatusOptions extends SecretOptions {
  /** How far ahead `due_soon` looks; 7 days unless told otherwise. */
  aheadMillis?: number | undefined;
}

/** How the secrets of one namespace or of all are rotated by their generators. */
export interface SweepOptions extends SecretOptions {
  /** For how long `verify` still accepts the old values, at most 366 days; not at all unless told. */
  graceMillis?: number | undefined;
  /** How many secrets are taken at a time: 1 to 500, 50 unless told otherwise. */
  limit?: number | undefined;
  /** Called after each page, and awaited, with the sums so far. */
  onProgress?: ((soFar: SweepProgress) => unknown) | undefined;
}

/** How far a sweep is. */
export interface SweepProgress {
  /** How many secrets have a new value. */
  rotated: number;
  /** How many have none. */
  left: number;
}

/** What leaked: one secret, those of a namespace, or all. */
export interface EmergencyOptions extends Omit<SweepOptions, "graceMillis"> {
  /** The one secret that leaked; all of the namespace, or of the vault, when absent. */
  name?: string | undefined;
  /** Disable what has no generator; otherwise it stays in use until somebody gives it another value. */
  disable?: boolean | undefined;
}

/** How the history is verified. */
export interface VerifyAuditOptions extends ActorOptions {
  /** The text of a checkpoint that was kept elsewhere: what it attests must still be there. */
  checkpoint?: string | undefined;
  /** Who may have signed it, as `SigningKey.verifier()` tells; needed with a checkpoint. */
  verifiers?: string[] | undefined;
}

/** How a checkpoint is made. */
export interface CheckpointOptions extends ActorOptions {
  signingKey: SigningKey;
}

/** How the history is exported. */
export interface ExportAuditOptions extends ActorOptions {
  /** `jsonl`, the events as they are stored, unless told otherwise; `ocsf`: OCSF events in CloudEvents. */
  format?: "jsonl" | "ocsf" | undefined;
  /** How many events a page takes: 1 to 5000, 1000 unless told otherwise. */
  limit?: number | undefined;
}

export interface RekeyPagesOptions extends ActorOptions {
  /** How many secrets a page takes: 1 to 500, 100 unless told otherwise. */
  limit?: number | undefined;
  /** Where to go on: the `next` of a page. */
  after?: string | undefined;
}

export interface RekeyOptions extends ActorOptions {
  /** How many secrets a page takes: 1 to 500, 100 unless told otherwise. */
  limit?: number | undefined;
  /** Called after each page, and awaited, with the sums so far. */
  onProgress?: ((soFar: { examined: number; changed: number; unreadable: number }) => unknown) | undefined;
}

type Awaitable<T> = T | Promise<T>;

/**
 * The value of a variable of the environment, or undefined when it is not set. What it throws is the cause of the error.
 * A `Secret` that it gives is taken over, and wiped.
 */
export type ReadEnv = (name: string) => Text | Secret | undefined;

/**
 * The content of a file, or undefined when there is none; the path is as it was written. What it throws is the cause of the
 * error. A `Secret` that it gives is taken over, and wiped.
 */
export type ReadFile = (path: string) => Awaitable<Text | Secret | undefined>;

/** One rotation: the same in all its steps, and whenever one of them is asked for again. */
export interface Rotation {
  /** Random, 32 hex digits. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** The number of the version that the value will be. */
  readonly version: number;
}

/** Has new values made where they are used, such as by their provider. What it throws is the cause of `ROTATION_FAILED`. */
export interface Rotator {
  /**
   * Has a new value made; the old one stays good. Asked again for the same rotation, it gives the same value, or another in
   * its place. A `Secret` that it gives is taken over, and wiped.
   */
  create(rotation: Rotation): Awaitable<Text | Secret>;
  /**
   * Makes the value the one in use; without this, a value is in use once it is created. It may be asked again after it was
   * done. The `Secret` is wiped when this has ended.
   */
  activate?(rotation: Rotation, value: Secret): Awaitable<unknown>;
}

/**
 * Which events: `denied`, `error`, `previous_used` (a previous value was accepted within its grace), `overdue`, `emergency`, or
 * the name of an action, such as `set_policy`.
 */
export type EventName = "denied" | "error" | "previous_used" | "overdue" | "emergency" | (string & {});

/** Is told of an event when it is committed, and awaited. What it throws is reported, and fails nothing. */
export type OnEvent = (event: AuditEvent) => unknown;

export interface VaultOptions {
  keyring: Keyring;
  store: Store;
  /** The changes that chat commands propose first, for the actor to confirm. */
  confirm?: Change[] | undefined;
  /** The ids of the actors who may use the vault; everybody who can call it when absent. */
  actors?: string[] | undefined;
  /** Who may do what, fixed in code; without it the policy in the store says so, if `setPolicy` put one there. */
  policy?: Policy | undefined;
  /** Is told of every event that this vault commits, or of those that `events` names: for notifications. */
  onEvent?: OnEvent | undefined;
  /** What `onEvent` is told of; all events when absent. */
  events?: EventName[] | undefined;
  /** What of the events that this vault commits is unusual, or a watch that has seen the history. */
  accessRules?: AccessRules | AccessWatch | undefined;
  /** Is told what `accessRules` found, as `onEvent` is of events. */
  onFinding?: OnFinding | undefined;
  /** The vault that the store must hold, 32 hex digits. Pinning it keeps a stripped store from being taken for a new one. */
  vaultId?: string | undefined;
  /** The longest value in bytes; 65536 unless told otherwise. */
  valueMax?: number | undefined;
  /** How long a proposal waits, in milliseconds; 300000 unless told otherwise. */
  proposalMillis?: number | undefined;
  /** Where `env:` references are looked up: `process.env` unless told otherwise, nowhere when null, nor in a browser. */
  readEnv?: ReadEnv | null | undefined;
  /**
   * What reads `file:` references: files of at most 1 MiB that the process can read, unless told otherwise; nothing when
   * null, nor in a browser.
   */
  readFile?: ReadFile | null | undefined;
}
