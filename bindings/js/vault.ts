/** The vault: typed methods over sessions. What they return is converted here and decided in the core. */
import { invalid, refuseUnknown } from "./arguments.js";
import type { Store } from "./contract.js";
import { drive } from "./driver.js";
import { guarded } from "./errors.js";
import { type Keyring, handleOf as keyringHandle } from "./keyring.js";
import { type NativeSession, type NativeVault, native, type Text } from "./native.js";
import { type Format, handleOf, Secret } from "./secret.js";

/** Who acts: an id, or an id with the platform it speaks through and the end of its session. */
export type Actor =
  | string
  | { id: string; platform?: string | undefined; sessionExpiresAt?: Date | undefined };

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

export interface VaultOptions {
  keyring: Keyring;
  store: Store;
  /** The changes that chat commands propose first, for the actor to confirm. */
  confirm?: Change[] | undefined;
  /** The ids of the actors who may use the vault; everybody who can call it when absent. */
  actors?: string[] | undefined;
  /** The vault that the store must hold, 32 hex digits. Pinning it keeps a stripped store from being taken for a new one. */
  vaultId?: string | undefined;
  /** The longest value in bytes; 65536 unless told otherwise. */
  valueMax?: number | undefined;
  /** How long a proposal waits, in milliseconds; 300000 unless told otherwise. */
  proposalMillis?: number | undefined;
}

export interface Written {
  namespace: string;
  name: string;
  /** The version that is current now; absent after a deletion. */
  version: number | undefined;
  created: boolean;
  at: Date;
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

export interface CommandReply {
  text: string;
  /** What to show under the text. Pressing one runs its command, at most 64 bytes. */
  buttons: { label: string; command: string }[];
  /** Whether the message carried a value: delete it. */
  carriedValue: boolean;
  /** The error code, when the command was refused or failed. */
  code: string | undefined;
}

/**
 * A vault over a store. It keeps no state of the store and caches no value.
 *
 * Every method throws `StrongroomError`; besides what each one says: `PERMISSION_DENIED`, `SESSION_EXPIRED`,
 * `NAME_INVALID`, `CONFLICT`, `STORAGE_FAILED`, `RECORD_TAMPERED`, `VAULT_HEAD_MISSING`, `KEY_UNKNOWN`, `INVALID_ARGUMENT`.
 */
export class Vault {
  readonly #native: NativeVault;
  readonly #store: Store;

  constructor(options: VaultOptions) {
    const { keyring, store, confirm, actors, vaultId, valueMax, proposalMillis, ...unknown } = options;
    refuseUnknown(unknown, "the vault's options");
    const callbacks = [store?.load, store?.list, store?.commit, store?.events];
    if (callbacks.some((callback) => typeof callback !== "function")) {
      throw invalid("the vault's options give no store: it has the methods load, list, commit and events");
    }
    const wire = { confirm, actors, vault_id: vaultId, value_max: valueMax, proposal_millis: proposalMillis };
    this.#native = guarded(() => native().openVault(keyringHandle(keyring), JSON.stringify(wire)));
    this.#store = store;
  }

  /** Gives a secret a value, whether it is new or not. Throws `VALUE_INVALID`. */
  async set(name: string, value: Text | Secret, options: SecretOptions): Promise<Written> {
    return written(await this.#run("set", { name, ...common(options) }, value));
  }

  /** Reads a secret's value. Throws `SECRET_NOT_FOUND`, `SECRET_DISABLED`, `NOT_AUTHENTIC`. */
  async get(name: string, options: SecretOptions): Promise<Secret> {
    const { told, secret } = await this.#drive("get", { name, ...common(options) });
    if (secret === undefined) throw new TypeError("the native part gave no value");
    const { namespace, version, format, key_id, last_rotated } = told as Wire;
    return new Secret(secret, {
      namespace: namespace as string,
      name,
      version: version as number,
      format: format as Format,
      keyId: key_id as string,
      lastRotated: date(last_rotated),
    });
  }

  /** Whether there is a secret of that name. Recorded only when refused. */
  async exists(name: string, options: SecretOptions): Promise<boolean> {
    return (await this.#run("exists", { name, ...common(options) })) as boolean;
  }

  /** What secrets there are, in one namespace or in all, without a value of any. */
  async list(options: SecretOptions): Promise<Listed[]> {
    const { secrets } = (await this.#run("list", common(options))) as { secrets: Wire[] };
    return secrets.map((secret) => camel(secret) as unknown as Listed);
  }

  /** Gives an existing secret a new value. Throws `SECRET_NOT_FOUND`, `VALUE_INVALID`. */
  async rotate(name: string, value: Text | Secret, options: SecretOptions): Promise<Written> {
    return written(await this.#run("rotate", { name, ...common(options) }, value));
  }

  /** Deletes a secret; its history stays under the name. Throws `SECRET_NOT_FOUND`. */
  async delete(name: string, options: SecretOptions): Promise<Written> {
    return written(await this.#run("delete", { name, ...common(options) }));
  }

  /** The latest events of one secret or of the whole vault, latest first; 20 unless told otherwise, 1000 at most. */
  async audit(
    options: SecretOptions & { name?: string | undefined; limit?: number | undefined },
  ): Promise<AuditEvent[]> {
    const { name, limit, ...rest } = options ?? {};
    const { events } = (await this.#run("audit", { name, limit, ...common(rest) })) as { events: Wire[] };
    return events.map(({ mac: _, prev_mac: _prev, digest: _digest, epoch: _epoch, ...event }) => {
      return camel(event) as unknown as AuditEvent;
    });
  }

  /** Verifies the whole history. Throws `AUDIT_TAMPERED`, naming the first bad event and what is wrong with it. */
  async verifyAudit(options: ActorOptions): Promise<AuditReport> {
    return camel((await this.#run("verify_audit", common(options))) as Wire) as unknown as AuditReport;
  }

  /** Proposes a change for the actor to confirm; a deletion takes no value. */
  async propose(
    change: "set" | "rotate",
    name: string,
    value: Text | Secret,
    options: SecretOptions,
  ): Promise<Proposed>;
  async propose(change: "delete", name: string, options: SecretOptions): Promise<Proposed>;
  async propose(change: Change, name: string, ...rest: unknown[]): Promise<Proposed> {
    const [value, options] = rest.length > 1 ? rest : [undefined, rest[0]];
    const wire = { change, name, ...common(options as SecretOptions) };
    return camel(
      (await this.#run("propose", wire, value as Text | Secret | undefined)) as Wire,
    ) as unknown as Proposed;
  }

  /**
   * Confirms a proposal; confirmed again, it tells its first outcome. Throws `CONFIRMATION_NOT_FOUND`,
   * `CONFIRMATION_EXPIRED`, `CONFIRMATION_MISMATCH`, `CHANGED_SINCE_PROPOSED`.
   */
  async confirm(id: string, options: ActorOptions): Promise<Confirmed> {
    const confirmed = (await this.#run("confirm", { id, ...common(options) })) as Confirmed;
    return { ...confirmed, written: written(confirmed.written) };
  }

  /** Withdraws a proposal. Throws `CONFIRMATION_NOT_FOUND`, `CONFIRMATION_MISMATCH`. */
  async cancel(id: string, options: ActorOptions): Promise<void> {
    await this.#run("cancel", { id, ...common(options) });
  }

  /** Counts the stored values by key and by format: what a change of keys has left to do. */
  async census(options: ActorOptions): Promise<Census> {
    return (await this.#run("census", common(options))) as Census;
  }

  /** Adopts rows that another program wrote into the store after its adoption; until then they are refused. */
  async adopt(options: ActorOptions): Promise<{ secrets: number; events: number }> {
    return (await this.#run("adopt", common(options))) as { secrets: number; events: number };
  }

  /**
   * Runs a chat command such as `secret get NAME` and answers in words, values masked. Throws only what the sender can
   * do nothing about, such as `STORAGE_FAILED`; refusals are answered in words, with their `code`.
   */
  async command(text: string, options: ActorOptions): Promise<CommandReply> {
    return camel((await this.#run("command", common(options), text)) as Wire) as unknown as CommandReply;
  }

  async #run(operation: string, wire: object, value?: Text | Secret): Promise<unknown> {
    return (await this.#drive(operation, wire, value)).told;
  }

  async #drive(operation: string, wire: object, value?: Text | Secret) {
    const own = value === undefined || value instanceof Secret ? undefined : Secret.of(value);
    const secret = own ?? (value as Secret | undefined);
    let session: NativeSession;
    try {
      const json = JSON.stringify({ op: operation, ...wire });
      const handle = secret === undefined ? undefined : handleOf(secret);
      session = guarded(() => this.#native.begin(json, handle), operation);
    } finally {
      own?.wipe(); // The session has its copy, if it came to one.
    }
    return await drive(session, this.#store, operation); // Awaited, so that an error's stack shows who called.
  }
}

type Wire = Record<string, unknown>;

/** The options that every operation has, as the core names them. Misspelled ones are errors. */
function common(options: SecretOptions): object {
  const { actor, namespace, ...unknown } = options ?? {};
  refuseUnknown(unknown, "the options");
  if (typeof actor === "string") return { namespace, actor: { id: actor } };
  if (typeof actor !== "object" || actor === null)
    throw invalid("the options name no actor: give an id, as a string, or an object with one");
  const { id, platform, sessionExpiresAt, ...more } = actor;
  if (typeof id !== "string") throw invalid("the actor's id must be a string");
  refuseUnknown(more, "the actor");
  const ends = sessionExpiresAt?.getTime?.();
  if (sessionExpiresAt !== undefined && !Number.isFinite(ends))
    throw invalid("sessionExpiresAt is not a valid date");
  return { namespace, actor: { id, platform, session_expires_at: ends } };
}

const INSTANTS = new Set(["at", "last_rotated", "last_accessed", "created_at", "expires_at"]);

/** The same object in JavaScript's words: camelCase, `Date`, `undefined`. */
function camel(wire: Wire): Wire {
  const named = Object.entries(wire).map(([key, value]) => [
    key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    INSTANTS.has(key) ? date(value) : (value ?? undefined),
  ]);
  return Object.fromEntries(named) as Wire;
}

function date(millis: unknown): Date | undefined {
  return typeof millis === "number" ? new Date(millis) : undefined;
}

function written(told: unknown): Written {
  return camel(told as Wire) as unknown as Written;
}
