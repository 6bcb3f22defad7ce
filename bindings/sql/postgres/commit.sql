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
  held record;
  put record;
  counter record;
  found_revision bigint;
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
    SELECT array_position(kinds, kind) * 64 + (hashtext(namespace || '/' || name) & 63) AS bucket, is_put
    FROM {schema}.strongroom_expectations(change_set)
    WHERE expected IS NULL AND is_judged OR kind = ANY (kinds_of_all)
    ORDER BY bucket, is_put DESC
  LOOP
    IF held.is_put THEN
      PERFORM pg_advisory_xact_lock(places, held.bucket);
    ELSE
      PERFORM pg_advisory_xact_lock_shared(places, held.bucket);
    END IF;
  END LOOP;
  -- A counter is locked as an UPDATE of it would do, which a check does not wait for.
  FOR held IN
    SELECT kind, namespace, name, expected, is_judged,
      CASE WHEN is_put THEN 3 WHEN NOT is_judged THEN 2 WHEN kind = ANY (kinds_of_all) THEN 0 ELSE 1 END AS strength
    FROM {schema}.strongroom_expectations(change_set)
    ORDER BY kind COLLATE "C", namespace COLLATE "C", name COLLATE "C", strength DESC
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
    ELSIF held.strength = 1 THEN
      SELECT revision INTO found_revision FROM {schema}.strongroom_records
        WHERE kind = held.kind AND namespace = held.namespace AND name = held.name FOR KEY SHARE;
    ELSE
      SELECT revision INTO found_revision FROM {schema}.strongroom_records
        WHERE kind = held.kind AND namespace = held.namespace AND name = held.name;
    END IF;
    IF held.is_judged AND held.expected IS DISTINCT FROM found_revision THEN
      RETURN '"conflict"';
    END IF;
  END LOOP;
  IF EXISTS (
    SELECT FROM jsonb_to_recordset(change_set -> 'events') AS e (stream text, seq bigint)
    JOIN {schema}.secrets_audit AS a ON a.stream = e.stream AND a.seq = e.seq)
  THEN
    RETURN '"conflict"';
  END IF;

  FOR put IN SELECT * FROM {schema}.strongroom_puts(change_set) LOOP
    IF put.kind = 'secret' THEN
      IF put.expected IS NULL THEN
        INSERT INTO {schema}.secrets (
          name, value_encrypted, encryption_key_id, last_rotated, accessed_count, created_by, created_at, updated_at,
          namespace, uid, state, version, value_fingerprint, last_accessed, data, revision, record_mac, rotation_due,
          expires_at)
        VALUES (
          put.name, put.value_encrypted, put.encryption_key_id, put.last_rotated, put.accessed_count, put.created_by,
          put.created_at, put.updated_at, put.namespace, put.uid, put.state, put.version, put.value_fingerprint,
          put.last_accessed, put.data, put.revision, put.mac, put.due_at, put.expires_at);
      ELSE
        UPDATE {schema}.secrets SET
          value_encrypted = put.value_encrypted,
          encryption_key_id = put.encryption_key_id,
          last_rotated = put.last_rotated,
          created_by = put.created_by,
          created_at = put.created_at,
          updated_at = put.updated_at,
          uid = put.uid,
          state = put.state,
          version = put.version,
          value_fingerprint = put.value_fingerprint,
          data = put.data,
          revision = put.revision,
          record_mac = put.mac,
          rotation_due = put.due_at,
          expires_at = put.expires_at
        WHERE namespace = put.namespace AND name = put.name;
      END IF;
      -- Of a new one too: another program may have deleted the row of an earlier one.
      DELETE FROM {schema}.strongroom_fingerprints
      WHERE namespace = put.namespace AND name = put.name AND NOT put.fingerprints ? fingerprint;

      INSERT INTO {schema}.strongroom_fingerprints (fingerprint, namespace, name)
      SELECT print, put.namespace, put.name FROM jsonb_array_elements_text(put.fingerprints) AS print
      ON CONFLICT DO NOTHING;
    ELSIF put.expected IS NULL THEN
      INSERT INTO {schema}.strongroom_records (
        kind, namespace, name, revision, created_by, created_at, updated_at, data, record_mac, expires_at)
      VALUES (
        put.kind, put.namespace, put.name, put.revision, put.created_by, put.created_at, put.updated_at, put.data, put.mac,
        put.expires_at);
    ELSE
      UPDATE {schema}.strongroom_records SET
        revision = put.revision,
        created_by = put.created_by,
        created_at = put.created_at,
        updated_at = put.updated_at,
        data = put.data,
        record_mac = put.mac,
        expires_at = put.expires_at
      WHERE kind = put.kind AND namespace = put.namespace AND name = put.name;
    END IF;
  END LOOP;

  FOR counter IN
    SELECT key ->> 'namespace' AS namespace, key ->> 'name' AS name, accessed, {schema}.strongroom_instant(at) AS accessed_at
    FROM jsonb_to_recordset(change_set -> 'counters') AS delta (key jsonb, accessed bigint, at bigint)
    WHERE key ->> 'kind' = 'secret'
  LOOP
    UPDATE {schema}.secrets SET
      accessed_count = {schema}.strongroom_count(accessed_count + counter.accessed),
      last_accessed = greatest(last_accessed, counter.accessed_at)
    WHERE namespace = counter.namespace AND name = counter.name;
  END LOOP;

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
