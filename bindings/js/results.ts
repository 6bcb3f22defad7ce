/** What the operations of a vault tell. */
import type { Change, GrantAction, Grantee, PolicyShape, Sensitivity } from "./options.js";
import type { Format, Secret } from "./secret.js";

export interface Written {
  namespace: string;
  name: string;
  /** The version that is current now; absent after a deletion. */
  version: number | undefined;
  created: boolean;
  at: Date;
}

/** What a write of many did, or would do. */
export interface WrittenMany {
  /** In the order in which they were given. */
  written: Written[];
  /** What was there and stayed as it is. */
  skipped: Skipped[];
  /** Whether nothing was done, and this is what would be. */
  dryRun: boolean;
}

export interface Skipped {
  namespace: string;
  name: string;
}

/** How the entries of a manifest stand in an environment. */
export interface ManifestReport {
  environment: string | undefined;
  /** Whether nothing is left to do. */
  ok: boolean;
  /** In the order of the manifest. */
  entries: EntryReport[];
}

export interface EntryReport {
  namespace: string;
  name: string;
  kind: "secret" | "plain";
  /** Whether it is a fault when it is missing. */
  required: boolean;
  /** `unreadable`: no key of the keyring opens it; `unchecked`: nobody looked, or the actor may not read it. */
  state:
    | "ok"
    | "missing"
    | "weak"
    | "placeholder"
    | "expired"
    | "disabled"
    | "compromised"
    | "unreadable"
    | "unchecked";
  weaknesses: (
    | "wrong_type"
    | "too_short"
    | "lacks_class"
    | "pattern_not_met"
    | "placeholder"
    | "weak_ssl_mode"
  )[];
  /** Whether it was made just now. */
  created: boolean;
}

export interface Listed {
  namespace: string;
  name: string;
  version: number;
  state: "active" | "disabled";
  lastRotated: Date | undefined;
  accessedCount: number;
  lastAccessed: Date | undefined;
  createdBy: string | undefined;
  createdAt: Date | undefined;
  /** From this instant on the value is refused; absent when it does not end. */
  expiresAt: Date | undefined;
}

export interface ListedVersion {
  /** From 1. */
  number: number;
  current: boolean;
  at: Date | undefined;
  by: string | undefined;
  reason: "manual" | "rotation" | "emergency" | "rollback" | "import";
  /** 12 hex digits: equal values of a vault have equal ones. */
  fingerprint: string | undefined;
  /** Whether it leaked, and is never accepted again. */
  compromised: boolean;
  /** Until when `verify` accepts it although it is a previous one. */
  validUntil: Date | undefined;
}

export interface Verified {
  accepted: boolean;
  /** Which value it is; absent when it is not accepted. */
  matches: "current" | "previous" | undefined;
  version: number | undefined;
  /** Until when a previous one is accepted. */
  validUntil: Date | undefined;
}

export interface Purged {
  /** Secrets whose value had ended. */
  secrets: number;
  /** Proposals that were over. */
  proposals: number;
}

export interface RotationState {
  namespace: string;
  name: string;
  sensitivity: Sensitivity;
  /** `never` when nobody knows since when its value is there. */
  standing: "compliant" | "due_soon" | "overdue" | "never";
  lastRotated: Date | undefined;
  dueAt: Date | undefined;
  /** Whom to tell. */
  notify: string[];
}

export interface RotationReport {
  /** Ordered by namespace and name. */
  secrets: RotationState[];
  /** How many of them there are of each standing. */
  compliant: number;
  dueSoon: number;
  overdue: number;
  never: number;
  /** When the next one is due that is not overdue. */
  nextDue: Date | undefined;
  /** When the keyring's primary was made, where that is known. */
  primaryCreatedAt: Date | undefined;
}

export interface Identified extends Verified {
  /** Whose value it is; absent when no secret accepts it. */
  namespace: string | undefined;
  name: string | undefined;
}

/** What was rotated, and what was not. */
export interface Swept {
  rotated: Written[];
  left: LeftOver[];
}

/** A secret that was given no new value. */
export interface LeftOver {
  namespace: string;
  name: string;
  /** `no_generator`: somebody has to give it another value. `disabled`: it has none either, and was disabled. */
  why: "no_generator" | "disabled" | "expired" | "failed";
  /** The code of the error, when it failed. */
  code: string | undefined;
}

export interface PolicyInForce {
  /** Absent when everybody may do everything. */
  policy: PolicyShape | undefined;
  /** Whether it is fixed in code and can't be set. */
  fixed: boolean;
}

export interface Granted {
  /** By which the grant is revoked. */
  id: string;
}

export interface Grant {
  /** By which it is revoked. */
  id: string;
  to: Grantee;
  actions: GrantAction[];
  until: Date | undefined;
  grantedBy: string;
  grantedAt: Date;
}

export interface Rekeyed {
  /** Records that were looked at: secrets, and proposals. */
  examined: number;
  /** Those of them that were written. */
  changed: number;
  /** Values that no key of the keyring opens, left as they are. */
  unreadable: number;
}

export interface RekeyedPage extends Rekeyed {
  /** Where the next page begins; absent when this was the last. */
  next: string | undefined;
}

export interface Renewed extends Rekeyed {
  /** Which root is in force, from 1. */
  epoch: number;
}

export interface RenewedPage extends Renewed {
  /** Where the next page begins; absent when this was the last, and the root before is believed no more. */
  next: string | undefined;
}

/** What was copied to another store. */
export interface Copied {
  /** Which vault it is, 32 hex digits. */
  vaultId: string;
  secrets: number;
  proposals: number;
  /** The old rows outside the chain among them. */
  events: number;
  /** Rows of another program that were left behind: nobody could ask for their names. */
  left: number;
}

export interface Retired {
  /** The key's id, 64 hex digits. */
  id: string;
  state: "disabled" | "destroyed";
}

export interface AuditEvent {
  /** `vault` or a secret's uid; absent in old rows of an adopted store, which are outside the chain. */
  stream: string | undefined;
  seq: number | undefined;
  at: Date | undefined;
  /** The operation that wrote it, 32 hex digits. */
  operationId: string | undefined;
  action: string | undefined;
  secretUid: string | undefined;
  namespace: string | undefined;
  name: string | undefined;
  actor: string | undefined;
  platform: string | undefined;
  outcome: "success" | "denied" | "error" | undefined;
  success: boolean | undefined;
  code: string | undefined;
  reason: string | undefined;
  /** What allowed it: the id of a rule of the policy, or `grant:` and that of a grant. */
  rule: string | undefined;
}

export interface AuditReport {
  /** Which vault it is, 32 hex digits: to be pinned with the option `vaultId`. */
  vaultId: string;
  events: number;
  streams: number;
  /** Old rows outside the chain, found as they were adopted. */
  unchained: number;
}

export interface Proposed {
  /** 22 characters of `A-Z a-z 0-9 _ -`. */
  id: string;
  change: Change;
  namespace: string;
  name: string;
  masked: string | undefined;
  exists: boolean;
  expiresAt: Date;
}

export interface Confirmed {
  change: Change;
  written: Written;
  /** Whether it had been confirmed before, and nothing was done this time. */
  repeated: boolean;
}

export interface Census {
  /** What needs each key, by key id. */
  keys: Record<string, { values: number; versions: number; proposals: number; root: number }>;
  formats: Partial<Record<Format, number>>;
  unreadable: number;
}

/** A tree whose texts are texts still, or the secrets that they stood for. */
export type Resolved<T> = T extends string
  ? string | Secret
  : T extends readonly unknown[]
    ? { -readonly [K in keyof T]: Resolved<T[K]> }
    : T extends Secret | Date | ((...args: never[]) => unknown)
      ? T
      : T extends object
        ? { -readonly [K in keyof T]: Resolved<T[K]> }
        : T;

export interface CommandReply {
  text: string;
  /** What to show under the text. Pressing one runs its command, at most 64 bytes. */
  buttons: { label: string; command: string }[];
  /** Whether the message carried a value: delete it. */
  carriedValue: boolean;
  /** The error code, when the command was refused or failed. */
  code: string | undefined;
}
