-- What a SQLite store runs. Every statement takes ?1, JSON as the storage contract has it, and gives JSON: the hosts
-- only pass it on. A line `-- name: NAME` begins a statement. {ms:X} and {iso:X} stand for conversions between the
-- DATETIME text of a column and the milliseconds of the contract, {text:X} and {count:X} for readings that survive
-- columns which somebody filled with another type.

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
WHERE (json_extract(?1, '$.query.namespace') IS NULL OR namespace = json_extract(?1, '$.query.namespace'))
  AND (json_extract(?1, '$.cursor') IS NULL
       OR (namespace, name) > (json_extract(json_extract(?1, '$.cursor'), '$[0]'),
                               json_extract(json_extract(?1, '$.cursor'), '$[1]')))
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
  AND (json_extract(?1, '$.query.namespace') IS NULL OR namespace = json_extract(?1, '$.query.namespace'))
  AND (json_extract(?1, '$.cursor') IS NULL
       OR (namespace, name) > (json_extract(json_extract(?1, '$.cursor'), '$[0]'),
                               json_extract(json_extract(?1, '$.cursor'), '$[1]')))
ORDER BY namespace, name
LIMIT json_extract(?1, '$.query.limit');

-- name: events_slot
SELECT {event} AS item, CAST(id AS TEXT) AS cursor
FROM secrets_audit
WHERE namespace = json_extract(?1, '$.query.scope.slot.namespace')
  AND secret_name = json_extract(?1, '$.query.scope.slot.name')
  AND (json_extract(?1, '$.cursor') IS NULL OR id < CAST(json_extract(?1, '$.cursor') AS INTEGER))
ORDER BY id DESC
LIMIT json_extract(?1, '$.query.limit');

-- name: events_latest
SELECT {event} AS item, CAST(id AS TEXT) AS cursor
FROM secrets_audit
WHERE json_extract(?1, '$.cursor') IS NULL OR id < CAST(json_extract(?1, '$.cursor') AS INTEGER)
ORDER BY id DESC
LIMIT json_extract(?1, '$.query.limit');

-- name: events_chained
SELECT {event} AS item, json_array({text:stream}, {count:seq}) AS cursor
FROM secrets_audit
WHERE stream IS NOT NULL
  AND (json_extract(?1, '$.cursor') IS NULL
       OR (stream, seq) > (json_extract(json_extract(?1, '$.cursor'), '$[0]'),
                           json_extract(json_extract(?1, '$.cursor'), '$[1]')))
ORDER BY stream, seq
LIMIT json_extract(?1, '$.query.limit');

-- name: events_unchained
SELECT {event} AS item, CAST(id AS TEXT) AS cursor
FROM secrets_audit
WHERE stream IS NULL
  AND (json_extract(?1, '$.cursor') IS NULL OR id > CAST(json_extract(?1, '$.cursor') AS INTEGER))
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
  namespace, uid, state, version, value_fingerprint, last_accessed, data, revision, record_mac)
VALUES (
  json_extract(?1, '$.key.name'),
  json_extract(?1, '$.columns.value_encrypted'),
  json_extract(?1, '$.columns.encryption_key_id'),
  {iso:json_extract(?1, '$.columns.last_rotated')},
  json_extract(?1, '$.counters.accessed_count'),
  json_extract(?1, '$.columns.created_by'),
  {iso:json_extract(?1, '$.columns.created_at')},
  {iso:json_extract(?1, '$.columns.updated_at')},
  json_extract(?1, '$.key.namespace'),
  json_extract(?1, '$.columns.uid'),
  json_extract(?1, '$.columns.state'),
  json_extract(?1, '$.columns.version'),
  json_extract(?1, '$.columns.value_fingerprint'),
  {iso:json_extract(?1, '$.counters.last_accessed')},
  json_extract(?1, '$.data'),
  json_extract(?1, '$.revision'),
  json_extract(?1, '$.mac'));

-- name: update_secret
UPDATE secrets SET
  value_encrypted = json_extract(?1, '$.columns.value_encrypted'),
  encryption_key_id = json_extract(?1, '$.columns.encryption_key_id'),
  -- An adopted row may hold times that nobody can read: they are kept as they are.
  last_rotated = coalesce({iso:json_extract(?1, '$.columns.last_rotated')}, last_rotated),
  created_by = json_extract(?1, '$.columns.created_by'),
  created_at = coalesce({iso:json_extract(?1, '$.columns.created_at')}, created_at),
  updated_at = coalesce({iso:json_extract(?1, '$.columns.updated_at')}, updated_at),
  uid = json_extract(?1, '$.columns.uid'),
  state = json_extract(?1, '$.columns.state'),
  version = json_extract(?1, '$.columns.version'),
  value_fingerprint = json_extract(?1, '$.columns.value_fingerprint'),
  data = json_extract(?1, '$.data'),
  revision = json_extract(?1, '$.revision'),
  record_mac = json_extract(?1, '$.mac')
WHERE namespace = json_extract(?1, '$.key.namespace') AND name = json_extract(?1, '$.key.name');

-- name: delete_secret
DELETE FROM secrets
WHERE namespace = json_extract(?1, '$.namespace') AND name = json_extract(?1, '$.name');

-- name: put_record
INSERT INTO strongroom_records (kind, namespace, name, revision, created_by, created_at, updated_at, data, record_mac)
VALUES (
  json_extract(?1, '$.key.kind'),
  json_extract(?1, '$.key.namespace'),
  json_extract(?1, '$.key.name'),
  json_extract(?1, '$.revision'),
  json_extract(?1, '$.columns.created_by'),
  {iso:json_extract(?1, '$.columns.created_at')},
  {iso:json_extract(?1, '$.columns.updated_at')},
  json_extract(?1, '$.data'),
  json_extract(?1, '$.mac'))
ON CONFLICT (kind, namespace, name) DO UPDATE SET
  revision = excluded.revision,
  created_by = excluded.created_by,
  created_at = excluded.created_at,
  updated_at = excluded.updated_at,
  data = excluded.data,
  record_mac = excluded.record_mac;

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
  secret_uid, outcome, code, reason, epoch, digest, prev_mac, mac)
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
