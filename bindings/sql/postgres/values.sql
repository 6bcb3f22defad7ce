-- How values of the contract become values of columns, and the other way round. The functions are written out where they are
-- used: they cost nothing.

-- An instant from milliseconds, exact: no floating point has part in what is more than a day. Raises 22008 or 22003 for what
-- PostgreSQL cannot keep, before 4714 BC or after 294276.
CREATE FUNCTION {schema}.strongroom_instant(millis bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  (date '1970-01-01' + ((millis - ((millis % 86400000) + 86400000) % 86400000) / 86400000)::integer)
  + (((millis % 86400000) + 86400000) % 86400000) * interval '1 millisecond'
) AT TIME ZONE 'UTC';

-- The same where only lists find by it: what PostgreSQL cannot keep stands at that end.
CREATE FUNCTION {schema}.strongroom_held_instant(millis bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN {schema}.strongroom_instant(
  CASE WHEN millis IS NOT NULL THEN greatest(least(millis, 9224318015999999), -210866803200000) END);

-- Milliseconds; nothing of what another program set to an infinity. `extract` is stable, and so is this, or it would be called.
CREATE FUNCTION {schema}.strongroom_millis(instant timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN isfinite(instant) THEN (extract(epoch FROM instant) * 1000)::bigint END;

-- A number that the contract can tell.
CREATE FUNCTION {schema}.strongroom_count(number bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN number IS NOT NULL THEN greatest(least(number, 9007199254740991), 0) END;

-- An event as JSON.
CREATE FUNCTION {schema}.strongroom_event(a {schema}.secrets_audit) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN json_build_object(
  'stream', a.stream, 'seq', {schema}.strongroom_count(a.seq), 'at', {schema}.strongroom_millis(a.created_at),
  'operation_id', a.operation_id, 'action', a.action, 'secret_uid', a.secret_uid, 'namespace', a.namespace,
  'name', a.secret_name, 'actor', a.user_id, 'platform', a.platform, 'outcome', a.outcome, 'success', a.success,
  'code', a.code, 'reason', a.reason, 'epoch', {schema}.strongroom_count(a.epoch), 'digest', a.digest,
  'rule', a.rule, 'prev_mac', a.prev_mac, 'mac', a.mac);

-- The puts of a change set, as rows. `expected` is the revision that must be there, null for none.
CREATE FUNCTION {schema}.strongroom_puts(change_set jsonb) RETURNS TABLE (
  kind text, namespace text, name text, expected bigint, revision bigint, uid text, state text, version bigint,
  value_encrypted text, encryption_key_id text, value_fingerprint text, last_rotated timestamptz, created_by text,
  created_at timestamptz, updated_at timestamptz, data text, mac text, accessed_count bigint, last_accessed timestamptz,
  due_at timestamptz, expires_at timestamptz, fingerprints jsonb)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT
    r.key ->> 'kind', r.key ->> 'namespace', r.key ->> 'name', (p.put #>> '{expected,revision}')::bigint, r.revision,
    c.uid, c.state, c.version, c.value_encrypted, c.encryption_key_id, c.value_fingerprint,
    {schema}.strongroom_instant(c.last_rotated), c.created_by, {schema}.strongroom_instant(c.created_at),
    {schema}.strongroom_instant(c.updated_at), r.data, r.mac,
    coalesce((r.counters ->> 'accessed_count')::bigint, 0),
    {schema}.strongroom_instant((r.counters ->> 'last_accessed')::bigint),
    {schema}.strongroom_held_instant((p.put #>> '{index,due_at}')::bigint),
    {schema}.strongroom_held_instant((p.put #>> '{index,expires_at}')::bigint),
    coalesce(p.put #> '{index,fingerprints}', '[]')
  FROM jsonb_array_elements(change_set -> 'puts') AS p (put)
  CROSS JOIN jsonb_to_record(p.put -> 'record')
    AS r (key jsonb, revision bigint, columns jsonb, data text, mac text, counters jsonb)
  CROSS JOIN jsonb_to_record(coalesce(r.columns, '{}')) AS c (
    uid text, state text, version bigint, value_encrypted text, encryption_key_id text, value_fingerprint text,
    last_rotated bigint, created_by text, created_at bigint, updated_at bigint);
END;

-- What a change set is about, as rows. `expected` is the revision that must be there, null for none; a counter judges nothing.
-- `is_put` is for what is written or deleted.
CREATE FUNCTION {schema}.strongroom_expectations(change_set jsonb) RETURNS TABLE (
  kind text, namespace text, name text, expected bigint, is_judged boolean, is_put boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT key ->> 'kind', key ->> 'namespace', key ->> 'name', (expected -> 'revision')::bigint, is_judged, is_put
  FROM (
    SELECT put #> '{record,key}' AS key, put -> 'expected' AS expected, true AS is_judged, true AS is_put
    FROM jsonb_array_elements(change_set -> 'puts') AS p (put)
    UNION ALL
    SELECT key, expected, true, true FROM jsonb_to_recordset(change_set -> 'deletes') AS d (key jsonb, expected jsonb)
    UNION ALL
    SELECT key, expected, true, false FROM jsonb_to_recordset(change_set -> 'checks') AS c (key jsonb, expected jsonb)
    UNION ALL
    SELECT key, NULL, false, false FROM jsonb_to_recordset(change_set -> 'counters') AS c (key jsonb)
  ) AS expectations;
END;
