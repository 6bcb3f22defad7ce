-- What a SQLite store runs. Every statement takes ?1, JSON as the storage contract has it, and gives JSON: the hosts
-- only pass it on. A statement begins with a line `-- name:` and its name. {ms:X} and {iso:X} stand for conversions between the
-- DATETIME text of a column and the milliseconds of the contract, {instant:X} for {iso:X} held within the years that such
-- a text can have, {text:X} and {count:X} for readings that survive columns which somebody filled with another type.

-- name: load
SELECT json_object(
  'key', json_object('kind', 'secret', 'namespace', s.namespace, 'name', s.name),
  'revision', {count:s.revision},
  'columns', json_object(
    'uid', {text:s.uid},
    'state', {text:s.state},
    'version', {count:s.version},
    'value_encrypted', {text:s.value_encrypted},
    'encryption_key_id', {text:s.encryption_key_id},
    'value_fingerprint', {text:s.value_fingerprint},
    'last_rotated', {ms:s.last_rotated},
    'created_by', {text:s.created_by},
    'created_at', {ms:s.created_at},
    'updated_at', {ms:s.updated_at}),
  'data', {text:s.data},
  'mac', {text:s.record_mac},
  'counters', json_object(
    'accessed_count', coalesce({count:s.accessed_count}, 0),
    'last_accessed', {ms:s.last_accessed})) AS record
FROM json_each(?1, '$.keys') AS k
JOIN secrets AS s
  ON s.namespace = json_extract(k.value, '$.namespace') AND s.name = json_extract(k.value, '$.name')
WHERE json_extract(k.value, '$.kind') = 'secret'
UNION ALL
SELECT json_object(
  'key', json_object('kind', r.kind, 'namespace', r.namespace, 'name', r.name),
  'revision', {count:r.revision},
  'columns', json_object(
    'created_by', {text:r.created_by},
    'created_at', {ms:r.created_at},
    'updated_at', {ms:r.updated_at}),
  'data', {text:r.data},
  'mac', {text:r.record_mac})
FROM json_each(?1, '$.keys') AS k
JOIN strongroom_records AS r
  ON r.kind = json_extract(k.value, '$.kind')
  AND r.namespace = json_extract(k.value, '$.namespace')
  AND r.name = json_extract(k.value, '$.name');

-- name: list_secrets
SELECT
  json_object('key', json_object('kind', 'secret', 'namespace', namespace, 'name', name),
              'revision', {count:revision}) AS item,
  json_array(namespace, name) AS cursor
FROM secrets
WHERE {after_key}
  -- Names that no program could ask for; rows of an adopted table may have them.
  AND typeof(namespace) = 'text' AND typeof(name) = 'text'
  AND length(CAST(name AS BLOB)) BETWEEN 1 AND 4096 AND instr(name, char(0)) = 0
ORDER BY namespace, name
LIMIT json_extract(?1, '$.query.limit');

-- name: list_records
SELECT
  json_object('key', json_object('kind', kind, 'namespace', namespace, 'name', name),
              'revision', {count:revision}) AS item,
  json_array(namespace, name) AS cursor
FROM strongroom_records
WHERE kind = json_extract(?1, '$.query.kind') AND typeof(namespace) = 'text' AND typeof(name) = 'text'
  AND {after_key}
ORDER BY namespace, name
LIMIT json_extract(?1, '$.query.limit');

-- name: list_due
SELECT
  json_object('key', json_object('kind', 'secret', 'namespace', namespace, 'name', name),
              'revision', {count:revision}) AS item,
  json_array(rotation_due, namespace, name) AS cursor
FROM secrets
WHERE rotation_due <= {instant:json_extract(?1, '$.query.by.due')}
  AND name <> ''
  AND (rotation_due, namespace, name) > {last_instant}
  AND {in_namespace}
ORDER BY rotation_due, namespace, name
LIMIT json_extract(?1, '$.query.limit');

-- name: list_expired_secrets
SELECT
  json_object('key', json_object('kind', 'secret', 'namespace', namespace, 'name', name),
              'revision', {count:revision}) AS item,
  json_array(expires_at, namespace, name) AS cursor
FROM secrets
WHERE expires_at <= {instant:json_extract(?1, '$.query.by.expired')}
  AND name <> ''
  AND (expires_at, namespace, name) > {last_instant}
  AND {in_namespace}
ORDER BY expires_at, namespace, name
LIMIT json_extract(?1, '$.query.limit');

-- name: list_expired_records
SELECT
  json_object('key', json_object('kind', kind, 'namespace', namespace, 'name', name),
              'revision', {count:revision}) AS item,
  json_array(expires_at, namespace, name) AS cursor
FROM strongroom_records
WHERE kind = json_extract(?1, '$.query.kind')
  AND expires_at <= {instant:json_extract(?1, '$.query.by.expired')}
  AND (expires_at, namespace, name) > {last_instant}
  AND {in_namespace}
ORDER BY expires_at, namespace, name
LIMIT json_extract(?1, '$.query.limit');

-- name: list_fingerprint
SELECT
  json_object('key', json_object('kind', 'secret', 'namespace', f.namespace, 'name', f.name),
              'revision', {count:s.revision}) AS item,
  json_array(f.namespace, f.name) AS cursor
FROM (SELECT fingerprint, namespace, name FROM strongroom_fingerprints
      WHERE fingerprint = json_extract(?1, '$.query.by.fingerprint') AND {after_key}) AS f
CROSS JOIN secrets AS s ON s.namespace = f.namespace AND s.name = f.name
ORDER BY f.namespace, f.name
LIMIT json_extract(?1, '$.query.limit');

-- name: list_none
SELECT NULL AS item, NULL AS cursor WHERE ?1 IS NULL;

-- name: events_slot
SELECT {event} AS item, CAST(id AS TEXT) AS cursor
FROM secrets_audit
WHERE namespace = json_extract(?1, '$.query.scope.slot.namespace')
  AND secret_name = json_extract(?1, '$.query.scope.slot.name')
  AND id < {before_event}
ORDER BY id DESC
LIMIT json_extract(?1, '$.query.limit');

-- name: events_latest
SELECT {event} AS item, CAST(id AS TEXT) AS cursor
FROM secrets_audit
WHERE id < {before_event}
ORDER BY id DESC
LIMIT json_extract(?1, '$.query.limit');

-- name: events_chained
SELECT {event} AS item, json_array({text:stream}, {count:seq}) AS cursor
FROM secrets_audit
WHERE (stream, seq) > (
  coalesce(json_extract(json_extract(?1, '$.cursor'), '$[0]'), ''),
  coalesce(json_extract(json_extract(?1, '$.cursor'), '$[1]'), -1))
ORDER BY stream, seq
LIMIT json_extract(?1, '$.query.limit');

-- name: events_unchained
SELECT {event} AS item, CAST(id AS TEXT) AS cursor
FROM secrets_audit
WHERE stream IS NULL
  AND id > coalesce(CAST(json_extract(?1, '$.cursor') AS INTEGER), -9223372036854775808)
ORDER BY id
LIMIT json_extract(?1, '$.query.limit');

-- name: applied
SELECT 1 FROM secrets_audit WHERE operation_id = json_extract(?1, '$.operation_id') LIMIT 1;

-- name: revision_of_secret
SELECT {count:revision} AS revision FROM secrets
WHERE namespace = json_extract(?1, '$.namespace') AND name = json_extract(?1, '$.name');

-- name: revision_of_record
SELECT {count:revision} AS revision FROM strongroom_records
WHERE kind = json_extract(?1, '$.kind')
  AND namespace = json_extract(?1, '$.namespace') AND name = json_extract(?1, '$.name');

-- name: insert_secret
INSERT INTO secrets (
  name, value_encrypted, encryption_key_id, last_rotated, accessed_count, created_by, created_at, updated_at,
  namespace, uid, state, version, value_fingerprint, last_accessed, data, revision, record_mac,
  rotation_due, expires_at)
VALUES (
  json_extract(?1, '$.record.key.name'),
  json_extract(?1, '$.record.columns.value_encrypted'),
  json_extract(?1, '$.record.columns.encryption_key_id'),
  {iso:json_extract(?1, '$.record.columns.last_rotated')},
  json_extract(?1, '$.record.counters.accessed_count'),
  json_extract(?1, '$.record.columns.created_by'),
  {iso:json_extract(?1, '$.record.columns.created_at')},
  {iso:json_extract(?1, '$.record.columns.updated_at')},
  json_extract(?1, '$.record.key.namespace'),
  json_extract(?1, '$.record.columns.uid'),
  json_extract(?1, '$.record.columns.state'),
  json_extract(?1, '$.record.columns.version'),
  json_extract(?1, '$.record.columns.value_fingerprint'),
  {iso:json_extract(?1, '$.record.counters.last_accessed')},
  json_extract(?1, '$.record.data'),
  json_extract(?1, '$.record.revision'),
  json_extract(?1, '$.record.mac'),
  {instant:json_extract(?1, '$.index.due_at')},
  {instant:json_extract(?1, '$.index.expires_at')});

-- name: update_secret
UPDATE secrets SET
  value_encrypted = json_extract(?1, '$.record.columns.value_encrypted'),
  encryption_key_id = json_extract(?1, '$.record.columns.encryption_key_id'),
  -- An adopted row may hold times that nobody can read: they are kept as they are.
  last_rotated = coalesce({iso:json_extract(?1, '$.record.columns.last_rotated')}, last_rotated),
  created_by = json_extract(?1, '$.record.columns.created_by'),
  created_at = coalesce({iso:json_extract(?1, '$.record.columns.created_at')}, created_at),
  updated_at = coalesce({iso:json_extract(?1, '$.record.columns.updated_at')}, updated_at),
  uid = json_extract(?1, '$.record.columns.uid'),
  state = json_extract(?1, '$.record.columns.state'),
  version = json_extract(?1, '$.record.columns.version'),
  value_fingerprint = json_extract(?1, '$.record.columns.value_fingerprint'),
  data = json_extract(?1, '$.record.data'),
  revision = json_extract(?1, '$.record.revision'),
  record_mac = json_extract(?1, '$.record.mac'),
  rotation_due = {instant:json_extract(?1, '$.index.due_at')},
  expires_at = {instant:json_extract(?1, '$.index.expires_at')}
WHERE namespace = json_extract(?1, '$.record.key.namespace') AND name = json_extract(?1, '$.record.key.name');

-- name: delete_secret
DELETE FROM secrets
WHERE namespace = json_extract(?1, '$.namespace') AND name = json_extract(?1, '$.name');

-- name: drop_fingerprints
DELETE FROM strongroom_fingerprints
WHERE namespace = json_extract(?1, '$.key.namespace') AND name = json_extract(?1, '$.key.name')
  AND fingerprint NOT IN (SELECT value FROM json_each(?1, '$.fingerprints'));

-- name: add_fingerprints
INSERT OR IGNORE INTO strongroom_fingerprints (fingerprint, namespace, name)
SELECT value, json_extract(?1, '$.key.namespace'), json_extract(?1, '$.key.name')
FROM json_each(?1, '$.fingerprints');

-- name: put_record
INSERT INTO strongroom_records (
  kind, namespace, name, revision, created_by, created_at, updated_at, data, record_mac, expires_at)
VALUES (
  json_extract(?1, '$.record.key.kind'),
  json_extract(?1, '$.record.key.namespace'),
  json_extract(?1, '$.record.key.name'),
  json_extract(?1, '$.record.revision'),
  json_extract(?1, '$.record.columns.created_by'),
  {iso:json_extract(?1, '$.record.columns.created_at')},
  {iso:json_extract(?1, '$.record.columns.updated_at')},
  json_extract(?1, '$.record.data'),
  json_extract(?1, '$.record.mac'),
  {instant:json_extract(?1, '$.index.expires_at')})
ON CONFLICT (kind, namespace, name) DO UPDATE SET
  revision = excluded.revision,
  created_by = excluded.created_by,
  created_at = excluded.created_at,
  updated_at = excluded.updated_at,
  data = excluded.data,
  record_mac = excluded.record_mac,
  expires_at = excluded.expires_at;

-- name: delete_record
DELETE FROM strongroom_records
WHERE kind = json_extract(?1, '$.kind')
  AND namespace = json_extract(?1, '$.namespace') AND name = json_extract(?1, '$.name');

-- name: count_access
UPDATE secrets SET
  accessed_count = coalesce({count:accessed_count}, 0) + json_extract(?1, '$.accessed'),
  last_accessed = max(coalesce(last_accessed, ''), {iso:json_extract(?1, '$.at')})
WHERE namespace = json_extract(?1, '$.key.namespace') AND name = json_extract(?1, '$.key.name');

-- name: place_taken
SELECT 1 FROM secrets_audit
WHERE stream = json_extract(?1, '$.stream') AND seq = json_extract(?1, '$.seq') LIMIT 1;

-- name: insert_event
INSERT INTO secrets_audit (
  secret_id, secret_name, action, user_id, platform, success, created_at, namespace, stream, seq, operation_id,
  secret_uid, outcome, code, reason, epoch, digest, rule, prev_mac, mac)
VALUES (
  -- For programs that join the two tables by it; the vault itself goes by secret_uid.
  (SELECT id FROM secrets WHERE uid = json_extract(?1, '$.secret_uid')),
  json_extract(?1, '$.name'),
  json_extract(?1, '$.action'),
  json_extract(?1, '$.actor'),
  json_extract(?1, '$.platform'),
  json_extract(?1, '$.success'),
  {iso:json_extract(?1, '$.at')},
  json_extract(?1, '$.namespace'),
  json_extract(?1, '$.stream'),
  json_extract(?1, '$.seq'),
  json_extract(?1, '$.operation_id'),
  json_extract(?1, '$.secret_uid'),
  json_extract(?1, '$.outcome'),
  json_extract(?1, '$.code'),
  json_extract(?1, '$.reason'),
  json_extract(?1, '$.epoch'),
  json_extract(?1, '$.digest'),
  json_extract(?1, '$.rule'),
  json_extract(?1, '$.prev_mac'),
  json_extract(?1, '$.mac'));

-- name: inspect
SELECT json_object(
  'current', (SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'strongroom_schema'),
  'objects', json((SELECT json_group_array(json_object(
                     'type', type, 'table', lower(tbl_name), 'sql', sql,
                     'columns', json((SELECT json_group_array(i.name) FROM pragma_index_info(m.name) AS i))))
                   FROM sqlite_master AS m
                   WHERE type IN ('index', 'trigger') AND lower(tbl_name) IN ('secrets', 'secrets_audit')
                     AND sql IS NOT NULL)),
  'columns', json((SELECT json_group_array(json_object(
                     'table', t.value, 'name', c.name, 'type', c.type, 'required', c."notnull",
                     'default', c.dflt_value, 'hidden', c.hidden))
                   FROM json_each('["secrets", "secrets_audit"]') AS t
                   JOIN pragma_table_xinfo(t.value) AS c)),
  'foreign_keys', json((SELECT json_group_array(json_object(
                     'table', t.value, 'column', f."from", 'parent', f."table", 'parent_column', f."to",
                     'on_update', f.on_update, 'on_delete', f.on_delete))
                   FROM json_each('["secrets", "secrets_audit"]') AS t
                   JOIN pragma_foreign_key_list(t.value) AS f))) AS inspection;

-- name: schema_version
SELECT version FROM strongroom_schema;
