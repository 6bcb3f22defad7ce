-- The tables of a vault in SQLite. The first nine columns of `secrets` and the first eight of `secrets_audit` are those of
-- the bot that strongroom took over from: statements written for its tables still run.
-- Instants are UTC, ISO 8601 with milliseconds. `rotation_due`, both `expires_at` and `strongroom_fingerprints` are what
-- lists find records by: they follow from the records, and no MAC covers them.

CREATE TABLE secrets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT,
  value_encrypted TEXT,
  encryption_key_id TEXT,
  last_rotated DATETIME,
  accessed_count INTEGER NOT NULL DEFAULT 0,
  created_by TEXT,
  created_at DATETIME,
  updated_at DATETIME,
  namespace TEXT NOT NULL DEFAULT 'default',
  uid TEXT UNIQUE,
  state TEXT,
  version INTEGER,
  value_fingerprint TEXT,
  last_accessed DATETIME,
  data TEXT NOT NULL DEFAULT '{}',
  revision INTEGER NOT NULL DEFAULT 0,
  record_mac TEXT,
  rotation_due DATETIME,
  expires_at DATETIME,
  UNIQUE (namespace, name)
);

CREATE TABLE secrets_audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  secret_id INTEGER,
  secret_name TEXT,
  action TEXT,
  user_id TEXT,
  platform TEXT,
  success BOOLEAN,
  created_at DATETIME,
  namespace TEXT DEFAULT 'default',
  stream TEXT,
  seq INTEGER,
  operation_id TEXT,
  secret_uid TEXT,
  outcome TEXT,
  code TEXT,
  reason TEXT,
  epoch INTEGER,
  digest TEXT,
  prev_mac TEXT,
  mac TEXT,
  rule TEXT,
  UNIQUE (stream, seq)
);

CREATE TABLE strongroom_records (
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  revision INTEGER NOT NULL,
  created_by TEXT,
  created_at DATETIME,
  updated_at DATETIME,
  data TEXT NOT NULL,
  record_mac TEXT,
  expires_at DATETIME,
  PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;

CREATE TABLE strongroom_fingerprints (
  fingerprint TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (fingerprint, namespace, name)
) WITHOUT ROWID;

CREATE TABLE strongroom_schema (version INTEGER NOT NULL);

CREATE INDEX secrets_audit_by_operation ON secrets_audit (operation_id);
CREATE INDEX secrets_audit_by_name ON secrets_audit (namespace, secret_name, id);
CREATE INDEX strongroom_secrets_due ON secrets (rotation_due, namespace, name) WHERE rotation_due IS NOT NULL;
CREATE INDEX strongroom_secrets_end ON secrets (expires_at, namespace, name) WHERE expires_at IS NOT NULL;
CREATE INDEX strongroom_records_end ON strongroom_records (kind, expires_at, namespace, name)
  WHERE expires_at IS NOT NULL;
CREATE INDEX strongroom_fingerprints_of ON strongroom_fingerprints (namespace, name);

INSERT INTO strongroom_schema (version) VALUES (2);
