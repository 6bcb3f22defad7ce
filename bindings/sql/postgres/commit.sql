-- What writes. It takes its locks in one order, whoever asks for what, so that commits wait for each other and never in a
-- circle: the operation, then places where something is missing, then rows by their keys. Only what it has locked does it
-- judge, so that nobody changes it before this transaction ends. It runs as one statement of its own, in READ COMMITTED.

CREATE FUNCTION {schema}.strongroom_commit(request jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE
{settings}
AS $$
#variable_conflict use_column
DECLARE
  change_set jsonb := request -> 'change_set';
  operation text := change_set ->> 'operation_id';
  -- For advisory locks: of this schema, and of no other vault of the database.
  operations integer := (quote_ident({schema_name}) || '.secrets_audit')::regclass::oid::integer;
  places integer := (quote_ident({schema_name}) || '.strongroom_records')::regclass::oid::integer;
  kinds text[] := '{secret,pending,stream,head,ring,policy}';
  -- Of these there are few records, which every commit checks. Whoever comes later waits behind one that would put them:
  -- among the locks of rows, checks go past him, and he waits for ever.
  kinds_of_all text[] := '{head,ring,policy}';
  -- Most commits tell of a read: they put the head of a stream, and make nothing. What such a one has none of is not looked for.
  puts_secrets boolean := jsonb_path_exists(change_set, '$.puts[*].record.key.kind ? (@ == "secret")');
  makes_records boolean := false;
  held record;
  found_revision bigint;
  is_expected boolean := true;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'strongroom_commit runs in READ COMMITTED, and this transaction is %',
        upper(current_setting('transaction_isolation'))
      USING ERRCODE = 'invalid_transaction_state', HINT = 'Set default_transaction_isolation for the role of the vault.';
  END IF;
  -- What is answered to be committed is on disk, whatever the session prefers for its other work.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  -- Somebody who sits in a transaction, with a lock that this one needs, keeps no connection for ever. A
  -- commit of thousands of records, which this one may wait behind, is given the time that it takes.
  IF current_setting('lock_timeout') = '0' THEN
    PERFORM set_config('lock_timeout', '30s', true);
  END IF;

  -- Whoever asks a second time waits for the first to end, and sees what came of it before he waits for anything else,
  -- which could fail: each statement of READ COMMITTED sees what was committed before it.
  PERFORM pg_advisory_xact_lock(operations, hashtext(operation));
  IF EXISTS (SELECT FROM {schema}.secrets_audit WHERE operation_id = operation) THEN
    RETURN '"committed"';
  END IF;
  -- Few locks, so that a commit with thousands of new records does not fill the lock table: two that share one only wait.
  FOR held IN
    SELECT array_position(kinds, kind) * 64 + (hashtext(namespace || '/' || name) & 63) AS bucket, bool_or(is_put) AS is_put,
      bool_or(expected IS NULL) AS is_new
    FROM {schema}.strongroom_expectations(change_set)
    WHERE expected IS NULL OR kind = ANY (kinds_of_all)
    GROUP BY 1
    ORDER BY 1
  LOOP
    makes_records := makes_records OR held.is_new;
    IF held.is_put THEN
      PERFORM pg_advisory_xact_lock(places, held.bucket);
    ELSE
      PERFORM pg_advisory_xact_lock_shared(places, held.bucket);
    END IF;
  END LOOP;
  FOR held IN
    -- A counter is locked as an UPDATE of it would do, which a check does not wait for.
    SELECT kind, namespace, name, min(expected) AS expected, max(expected) AS expected_too, max(strength) AS strength
    FROM (
      SELECT kind, namespace, name, expected, CASE WHEN is_put THEN 3 ELSE 1 END AS strength
      FROM {schema}.strongroom_expectations(change_set)
      WHERE expected IS NOT NULL
      UNION ALL
      SELECT key ->> 'kind', key ->> 'namespace', key ->> 'name', NULL, 2
      FROM jsonb_to_recordset(change_set -> 'counters') AS c (key jsonb)
      WHERE key ->> 'kind' = 'secret') AS rows
    GROUP BY kind, namespace, name
    ORDER BY kind COLLATE "C", namespace COLLATE "C", name COLLATE "C"
  LOOP
    IF held.kind = 'secret' AND held.strength = 3 THEN
      SELECT revision INTO found_revision FROM {schema}.secrets
        WHERE namespace = held.namespace AND name = held.name FOR UPDATE;
    ELSIF held.kind = 'secret' AND held.strength = 2 THEN
      SELECT revision INTO found_revision FROM {schema}.secrets
        WHERE namespace = held.namespace AND name = held.name FOR NO KEY UPDATE;
    ELSIF held.kind = 'secret' THEN
      SELECT revision INTO found_revision FROM {schema}.secrets
        WHERE namespace = held.namespace AND name = held.name FOR KEY SHARE;
    ELSIF held.strength = 3 THEN
      SELECT revision INTO found_revision FROM {schema}.strongroom_records
        WHERE kind = held.kind AND namespace = held.namespace AND name = held.name FOR UPDATE;
    ELSIF held.kind = ANY (kinds_of_all) THEN
      SELECT revision INTO found_revision FROM {schema}.strongroom_records
        WHERE kind = held.kind AND namespace = held.namespace AND name = held.name;
    ELSE
      SELECT revision INTO found_revision FROM {schema}.strongroom_records
        WHERE kind = held.kind AND namespace = held.namespace AND name = held.name FOR KEY SHARE;
    END IF;
    is_expected := is_expected AND (
      held.expected IS NULL
      OR held.expected IS NOT DISTINCT FROM found_revision AND held.expected_too = held.expected);
  END LOOP;

  IF NOT is_expected
    OR makes_records AND EXISTS (
      SELECT FROM {schema}.strongroom_expectations(change_set) AS e
      JOIN {schema}.secrets AS s ON s.namespace = e.namespace AND s.name = e.name
      WHERE e.expected IS NULL AND e.kind = 'secret')
    OR makes_records AND EXISTS (
      SELECT FROM {schema}.strongroom_expectations(change_set) AS e
      JOIN {schema}.strongroom_records AS r ON r.kind = e.kind AND r.namespace = e.namespace AND r.name = e.name
      WHERE e.expected IS NULL)
    OR EXISTS (
      SELECT FROM jsonb_to_recordset(change_set -> 'events') AS e (stream text, seq bigint)
      JOIN {schema}.secrets_audit AS a ON a.stream = e.stream AND a.seq = e.seq)
  THEN
    RETURN '"conflict"';
  END IF;

  IF puts_secrets THEN
    INSERT INTO {schema}.secrets (
      name, value_encrypted, encryption_key_id, last_rotated, accessed_count, created_by, created_at, updated_at,
      namespace, uid, state, version, value_fingerprint, last_accessed, data, revision, record_mac, rotation_due,
      expires_at)
    SELECT
      name, value_encrypted, encryption_key_id, last_rotated, accessed_count, created_by, created_at, updated_at,
      namespace, uid, state, version, value_fingerprint, last_accessed, data, revision, mac, due_at, expires_at
    FROM {schema}.strongroom_puts(change_set)
    WHERE kind = 'secret' AND expected IS NULL;

    UPDATE {schema}.secrets AS s SET
      value_encrypted = p.value_encrypted,
      encryption_key_id = p.encryption_key_id,
      last_rotated = p.last_rotated,
      created_by = p.created_by,
      created_at = p.created_at,
      updated_at = p.updated_at,
      uid = p.uid,
      state = p.state,
      version = p.version,
      value_fingerprint = p.value_fingerprint,
      data = p.data,
      revision = p.revision,
      record_mac = p.mac,
      rotation_due = p.due_at,
      expires_at = p.expires_at
    FROM {schema}.strongroom_puts(change_set) AS p
    WHERE p.kind = 'secret' AND p.expected IS NOT NULL AND s.namespace = p.namespace AND s.name = p.name;

    DELETE FROM {schema}.strongroom_fingerprints AS f
    USING {schema}.strongroom_puts(change_set) AS p
    WHERE p.kind = 'secret' AND f.namespace = p.namespace AND f.name = p.name AND NOT p.fingerprints ? f.fingerprint;

    INSERT INTO {schema}.strongroom_fingerprints (fingerprint, namespace, name)
    SELECT print, p.namespace, p.name
    FROM {schema}.strongroom_puts(change_set) AS p
    CROSS JOIN jsonb_array_elements_text(p.fingerprints) AS print
    WHERE p.kind = 'secret'
    ON CONFLICT DO NOTHING;
  END IF;

  IF change_set -> 'puts' <> '[]' THEN
    INSERT INTO {schema}.strongroom_records (
      kind, namespace, name, revision, created_by, created_at, updated_at, data, record_mac, expires_at)
    SELECT kind, namespace, name, revision, created_by, created_at, updated_at, data, mac, expires_at
    FROM {schema}.strongroom_puts(change_set)
    WHERE kind <> 'secret' AND expected IS NULL;

    UPDATE {schema}.strongroom_records AS r SET
      revision = p.revision,
      created_by = p.created_by,
      created_at = p.created_at,
      updated_at = p.updated_at,
      data = p.data,
      record_mac = p.mac,
      expires_at = p.expires_at
    FROM {schema}.strongroom_puts(change_set) AS p
    WHERE p.expected IS NOT NULL AND r.kind = p.kind AND r.namespace = p.namespace AND r.name = p.name;
  END IF;

  IF change_set -> 'counters' <> '[]' THEN
    UPDATE {schema}.secrets AS s SET
      accessed_count = {schema}.strongroom_count(s.accessed_count + c.accessed),
      last_accessed = greatest(s.last_accessed, c.accessed_at)
    FROM (
      SELECT key ->> 'namespace' AS namespace, key ->> 'name' AS name, sum(accessed)::bigint AS accessed,
        max({schema}.strongroom_instant(at)) AS accessed_at
      FROM jsonb_to_recordset(change_set -> 'counters') AS delta (key jsonb, accessed bigint, at bigint)
      WHERE key ->> 'kind' = 'secret'
      GROUP BY 1, 2) AS c
    WHERE s.namespace = c.namespace AND s.name = c.name;
  END IF;

  -- Before the deletions, so that an event finds the row of the secret that it is about.
  INSERT INTO {schema}.secrets_audit (
    secret_id, secret_name, action, user_id, platform, success, created_at, namespace, stream, seq, operation_id,
    secret_uid, outcome, code, reason, epoch, digest, rule, prev_mac, mac)
  SELECT
    -- For programs that join the two tables by it; the vault itself goes by secret_uid.
    (SELECT id FROM {schema}.secrets AS s WHERE s.uid = e.secret_uid),
    name, action, actor, platform, success, {schema}.strongroom_instant(at), namespace, stream, seq, operation_id,
    secret_uid, outcome, code, reason, epoch, digest, rule, prev_mac, mac
  FROM ROWS FROM (jsonb_to_recordset(change_set -> 'events') AS (
    stream text, seq bigint, at bigint, operation_id text, action text, secret_uid text, namespace text, name text,
    actor text, platform text, outcome text, success boolean, code text, reason text, epoch bigint, digest text,
    rule text, prev_mac text, mac text)) WITH ORDINALITY AS e
  ORDER BY e.ordinality;

  IF change_set -> 'deletes' <> '[]' THEN
    DELETE FROM {schema}.strongroom_fingerprints AS f
    USING jsonb_to_recordset(change_set -> 'deletes') AS d (key jsonb)
    WHERE d.key ->> 'kind' = 'secret' AND f.namespace = d.key ->> 'namespace' AND f.name = d.key ->> 'name';

    DELETE FROM {schema}.secrets AS s
    USING jsonb_to_recordset(change_set -> 'deletes') AS d (key jsonb)
    WHERE d.key ->> 'kind' = 'secret' AND s.namespace = d.key ->> 'namespace' AND s.name = d.key ->> 'name';

    DELETE FROM {schema}.strongroom_records AS r
    USING jsonb_to_recordset(change_set -> 'deletes') AS d (key jsonb)
    WHERE r.kind = d.key ->> 'kind' AND r.namespace = d.key ->> 'namespace' AND r.name = d.key ->> 'name';
  END IF;
  RETURN '"committed"';
END
$$;
