/**
 * The storage contract: what a host implements so that a vault can live in its database. Records and events are rows,
 * and their fields have the names of the columns, in every language.
 */

/** Milliseconds since the Unix epoch, UTC. */
export type Millis = number;

/** The key of a record, unique in every store, compared byte by byte. */
export interface RecordKey {
  kind: "secret" | "pending" | "stream" | "head" | "ring" | "policy";
  namespace: string;
  name: string;
}

/** A record. Keep every field to the letter: a MAC covers all of them but the counters. */
export interface StoredRecord {
  key: RecordKey;
  /** 0 in rows that were never adopted. */
  revision: number;
  columns: {
    uid?: string | null;
    state?: string | null;
    version?: number | null;
    value_encrypted?: string | null;
    encryption_key_id?: string | null;
    value_fingerprint?: string | null;
    last_rotated?: Millis | null;
    created_by?: string | null;
    created_at?: Millis | null;
    updated_at?: Millis | null;
  };
  /** JSON text. */
  data: string;
  mac?: string | null;
  counters?: { accessed_count: number; last_accessed?: Millis | null };
}

/** An audit event. */
export interface StoredEvent {
  stream?: string | null;
  seq?: number | null;
  at?: Millis | null;
  operation_id?: string | null;
  action?: string | null;
  secret_uid?: string | null;
  namespace?: string | null;
  name?: string | null;
  actor?: string | null;
  platform?: string | null;
  outcome?: string | null;
  success?: boolean | null;
  code?: string | null;
  reason?: string | null;
  epoch?: number | null;
  digest?: string | null;
  /** The id of the rule of a policy that allowed the operation. */
  rule?: string | null;
  prev_mac?: string | null;
  mac?: string | null;
}

/** What must be there for a change set to apply. */
export type Expected = "absent" | { revision: number };

/**
 * What lists find a record by besides its key. It comes with each put, in place of what the record was found by before; it
 * is never loaded.
 */
export interface Index {
  /** When a secret is due for rotation. */
  due_at?: Millis;
  /** When a secret's value or a proposal ends. */
  expires_at?: Millis;
  /** Of a secret's values, 64 hex digits each, all different. */
  fingerprints?: string[];
}

/** A record to put. One without an index is found by its key alone from then on. */
export interface Put {
  record: StoredRecord;
  expected: Expected;
  index?: Index;
}

/** One atomic write. A store that finds the operation id among its events answers `committed` and does nothing. */
export interface ChangeSet {
  operation_id: string;
  puts: Put[];
  deletes: { key: RecordKey; expected: Expected }[];
  checks: { key: RecordKey; expected: Expected }[];
  counters: { key: RecordKey; accessed: number; at: Millis }[];
  events: StoredEvent[];
}

export interface ListQuery {
  kind: RecordKey["kind"];
  /** Null stands for all; an empty one is a namespace like any other. */
  namespace: string | null;
  /** Those that are found by something else than their keys; all when absent. */
  by?: Lookup | null;
  limit: number;
}

/**
 * What a list finds records by besides their keys: those that are due, or end, at an instant or before it, by that instant
 * of theirs, the earliest first, then by namespace and name; or those with a fingerprint, by namespace and name.
 */
export type Lookup = { due: Millis } | { expired: Millis } | { fingerprint: string };

/**
 * Which events. `latest` is all, and a slot those of one namespace and name: what was committed last comes first, whatever
 * its time. `chained` is all that have a stream, by stream and `seq`; `unchained` the others, in their order.
 */
export interface EventQuery {
  scope: { slot: { namespace: string; name: string } } | "latest" | "chained" | "unchained";
  limit: number;
}

/**
 * A page, and where it ended: any text that says after which row to go on, whatever was written since, or null when the
 * page was the last. Only the last one may be empty.
 */
export interface ListPage {
  items: { key: RecordKey; revision: number }[];
  cursor: string | null;
}

export interface EventPage {
  events: StoredEvent[];
  cursor: string | null;
}

/**
 * How a commit ended. `failed` says that nothing was applied, as `NothingAppliedError` does, which can tell why; when a
 * store does not know, it throws anything else, and is asked again with the same operation id.
 */
export type CommitAnswer = "committed" | "conflict" | "failed";

type Awaitable<T> = T | Promise<T>;

/**
 * A store: four callbacks, each sync or async. What they throw becomes the cause of a `STORAGE_FAILED`. `checkStore` of
 * `strongroom/testing` tells whether one is right, and `docs/writing-a-store.md` how to write one.
 */
export interface Store {
  /**
   * The records with these keys that exist, each once, in any order, and no others. Up to 1000 keys at once; all records as
   * they were at one moment, with no commit in between.
   */
  load(keys: RecordKey[]): Awaitable<StoredRecord[]>;
  /**
   * A page of keys and revisions, ordered by namespace and name, byte by byte in UTF-8: not as strings compare. Before that
   * comes the instant, where the query asks for what is due or over.
   */
  list(query: ListQuery, cursor: string | null): Awaitable<ListPage>;
  /** Applies all of a change set or none of it: `conflict` when a record or the place of an event is not as expected. */
  commit(changeSet: ChangeSet): Awaitable<CommitAnswer>;
  /** A page of events. */
  events(query: EventQuery, cursor: string | null): Awaitable<EventPage>;
}

/** What a flow asks. */
export type Request =
  | StoreRequest
  | { wait: { millis: number } }
  | { read_env: { names: string[] } }
  | { read_file: { paths: string[] } }
  | { rotate: { step: "create" | "activate"; id: string; namespace: string; name: string; version: number } }
  | { target: { request: StoreRequest } };

/** What a flow asks of a store: the vault's own, or under `target` the one that the vault is copied to. */
export type StoreRequest =
  | { load: { keys: RecordKey[] } }
  | { list: { query: ListQuery; cursor: string | null } }
  | { commit: { change_set: ChangeSet } }
  | { events: { query: EventQuery; cursor: string | null } };

/** What a host answers. */
export type Answer =
  | { load: { records: StoredRecord[] } }
  | { list: ListPage }
  | { commit: "committed" | "conflict" }
  | { events: EventPage }
  | { wait: Record<string, never> }
  /** One for each that was asked for, in that order. What is given goes beside the answer. */
  | { values: { found: ("given" | "missing" | "failed")[] } }
  | { activated: Record<string, never> }
  | { unsupported: Record<string, never> }
  | { failed: { applied: "no" | "unknown" } };
