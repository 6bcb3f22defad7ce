-- What reads: each function takes what a request of the contract carries, and gives what its answer carries.
-- How rows are found is the same whatever the tables hold today: along an index, from where the page begins.

CREATE FUNCTION {schema}.strongroom_load(request jsonb) RETURNS json
LANGUAGE plpgsql STABLE
{settings}
AS $$
BEGIN
  -- One statement, and so one state of the store.
  RETURN (
    SELECT json_build_object('records', coalesce(json_agg(found.record), '[]'))
    FROM (
      SELECT json_build_object(
        'key', json_build_object('kind', 'secret', 'namespace', s.namespace, 'name', s.name),
        'revision', {schema}.strongroom_count(s.revision),
        'columns', json_build_object(
          'uid', s.uid,
          'state', s.state,
          'version', {schema}.strongroom_count(s.version),
          'value_encrypted', s.value_encrypted,
          'encryption_key_id', s.encryption_key_id,
          'value_fingerprint', s.value_fingerprint,
          'last_rotated', {schema}.strongroom_millis(s.last_rotated),
          'created_by', s.created_by,
          'created_at', {schema}.strongroom_millis(s.created_at),
          'updated_at', {schema}.strongroom_millis(s.updated_at)),
        'data', s.data,
        'mac', s.record_mac,
        'counters', json_build_object(
          'accessed_count', {schema}.strongroom_count(s.accessed_count),
          'last_accessed', {schema}.strongroom_millis(s.last_accessed))) AS record
      FROM jsonb_to_recordset(request -> 'keys') AS k (kind text, namespace text, name text)
      JOIN {schema}.secrets AS s ON s.namespace = k.namespace AND s.name = k.name
      WHERE k.kind = 'secret'
      UNION ALL
      SELECT json_build_object(
        'key', json_build_object('kind', r.kind, 'namespace', r.namespace, 'name', r.name),
        'revision', {schema}.strongroom_count(r.revision),
        'columns', json_build_object(
          'created_by', r.created_by,
          'created_at', {schema}.strongroom_millis(r.created_at),
          'updated_at', {schema}.strongroom_millis(r.updated_at)),
        'data', r.data,
        'mac', r.record_mac)
      FROM jsonb_to_recordset(request -> 'keys') AS k (kind text, namespace text, name text)
      JOIN {schema}.strongroom_records AS r ON r.kind = k.kind AND r.namespace = k.namespace AND r.name = k.name
    ) AS found
  );
END
$$;

CREATE FUNCTION {schema}.strongroom_list(request jsonb) RETURNS json
LANGUAGE plpgsql STABLE
{settings}
AS $$
DECLARE
  sought_kind text := request #>> '{query,kind}';
  sought_namespace text := request #>> '{query,namespace}';
  fingerprint_sought text := request #>> '{query,by,fingerprint}';
  due_until timestamptz := {schema}.strongroom_held_instant((request #>> '{query,by,due}')::bigint);
  expired_until timestamptz := {schema}.strongroom_held_instant((request #>> '{query,by,expired}')::bigint);
  page bigint := (request #>> '{query,limit}')::bigint;
  -- Where the last page ended: an instant, where the list is ordered by one, a namespace and a name.
  place jsonb := coalesce((request ->> 'cursor')::jsonb, '[]');
  last_instant timestamptz := coalesce({schema}.strongroom_held_instant((place ->> -3)::bigint), '-infinity');
  last_namespace text := coalesce(place ->> -2, '');
  last_name text := coalesce(place ->> -1, '');
  items json;
  places text[];
BEGIN
  IF fingerprint_sought IS NOT NULL AND sought_kind = 'secret' THEN
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', 'secret', 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array(namespace, name)::text)
    INTO items, places
    FROM (
      SELECT f.namespace, f.name, {schema}.strongroom_count(s.revision) AS revision
      FROM {schema}.strongroom_fingerprints AS f
      JOIN {schema}.secrets AS s ON s.namespace = f.namespace AND s.name = f.name
      WHERE f.fingerprint = fingerprint_sought
        AND (f.namespace, f.name) > (last_namespace, last_name)
        AND (sought_namespace IS NULL OR f.namespace = sought_namespace)
      ORDER BY f.namespace, f.name
      LIMIT page) AS found;
  ELSIF due_until IS NOT NULL AND sought_kind = 'secret' THEN
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', 'secret', 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array({schema}.strongroom_millis(rotation_due), namespace, name)::text)
    INTO items, places
    FROM (
      SELECT rotation_due, namespace, name, {schema}.strongroom_count(revision) AS revision
      FROM {schema}.secrets
      WHERE rotation_due <= due_until
        AND name <> ''
        AND (rotation_due, namespace, name) > (last_instant, last_namespace, last_name)
        -- Few records are due or over, so these are looked through.
        AND (sought_namespace IS NULL OR namespace = sought_namespace)
      ORDER BY rotation_due, namespace, name
      LIMIT page) AS found;
  ELSIF expired_until IS NOT NULL AND sought_kind = 'secret' THEN
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', 'secret', 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array({schema}.strongroom_millis(expires_at), namespace, name)::text)
    INTO items, places
    FROM (
      SELECT expires_at, namespace, name, {schema}.strongroom_count(revision) AS revision
      FROM {schema}.secrets
      WHERE expires_at <= expired_until
        AND name <> ''
        AND (expires_at, namespace, name) > (last_instant, last_namespace, last_name)
        AND (sought_namespace IS NULL OR namespace = sought_namespace)
      ORDER BY expires_at, namespace, name
      LIMIT page) AS found;
  ELSIF expired_until IS NOT NULL THEN
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', kind, 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array({schema}.strongroom_millis(expires_at), namespace, name)::text)
    INTO items, places
    FROM (
      SELECT kind, expires_at, namespace, name, {schema}.strongroom_count(revision) AS revision
      FROM {schema}.strongroom_records
      WHERE kind = sought_kind
        AND expires_at <= expired_until
        AND (expires_at, namespace, name) > (last_instant, last_namespace, last_name)
        AND (sought_namespace IS NULL OR namespace = sought_namespace)
      ORDER BY expires_at, namespace, name
      LIMIT page) AS found;
  ELSIF fingerprint_sought IS NOT NULL OR due_until IS NOT NULL THEN
    -- Other records are not due, and have no values that could be found.
    items := '[]';
  ELSIF sought_kind = 'secret' AND sought_namespace IS NULL THEN
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', 'secret', 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array(namespace, name)::text)
    INTO items, places
    FROM (
      SELECT namespace, name, {schema}.strongroom_count(revision) AS revision
      FROM {schema}.secrets
      WHERE (namespace, name) > (last_namespace, last_name) AND name <> ''
      ORDER BY namespace, name
      LIMIT page) AS found;
  ELSIF sought_kind = 'secret' THEN
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', 'secret', 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array(namespace, name)::text)
    INTO items, places
    FROM (
      SELECT namespace, name, {schema}.strongroom_count(revision) AS revision
      FROM {schema}.secrets
      WHERE namespace = sought_namespace AND name > last_name
      ORDER BY name
      LIMIT page) AS found;
  ELSIF sought_namespace IS NULL THEN
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', kind, 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array(namespace, name)::text)
    INTO items, places
    FROM (
      SELECT kind, namespace, name, {schema}.strongroom_count(revision) AS revision
      FROM {schema}.strongroom_records
      WHERE kind = sought_kind AND (namespace, name) > (last_namespace, last_name)
      ORDER BY namespace, name
      LIMIT page) AS found;
  ELSE
    SELECT json_agg(json_build_object(
        'key', json_build_object('kind', kind, 'namespace', namespace, 'name', name), 'revision', revision)),
      array_agg(json_build_array(namespace, name)::text)
    INTO items, places
    FROM (
      SELECT kind, namespace, name, {schema}.strongroom_count(revision) AS revision
      FROM {schema}.strongroom_records
      WHERE kind = sought_kind AND namespace = sought_namespace AND name > last_name
      ORDER BY name
      LIMIT page) AS found;
  END IF;
  -- A page that is full has a next one.
  RETURN json_build_object('items', coalesce(items, '[]'), 'cursor', places[page]);
END
$$;

CREATE FUNCTION {schema}.strongroom_events(request jsonb) RETURNS json
LANGUAGE plpgsql STABLE
{settings}
AS $$
DECLARE
  scope jsonb := request #> '{query,scope}';
  page bigint := (request #>> '{query,limit}')::bigint;
  place jsonb := coalesce((request ->> 'cursor')::jsonb, '[]');
  -- Where the last page ended: a stream and a number, or the id of an event.
  last_stream text := coalesce(place ->> -2, '');
  last_seq bigint := coalesce((place ->> -1)::bigint, -1);
  last_id bigint := (place ->> -1)::bigint;
  events json;
  places text[];
BEGIN
  IF scope = '"chained"' THEN
    SELECT json_agg(event), array_agg(json_build_array(stream, seq)::text) INTO events, places
    FROM (
      SELECT stream, seq, {schema}.strongroom_event(a) AS event
      FROM {schema}.secrets_audit AS a
      WHERE (stream, seq) > (last_stream, last_seq)
      ORDER BY stream, seq
      LIMIT page) AS found;
  ELSIF scope = '"unchained"' THEN
    SELECT json_agg(event), array_agg(json_build_array(id)::text) INTO events, places
    FROM (
      SELECT id, {schema}.strongroom_event(a) AS event
      FROM {schema}.secrets_audit AS a
      WHERE stream IS NULL AND id > coalesce(last_id, -9223372036854775808)
      ORDER BY id
      LIMIT page) AS found;
  ELSIF scope = '"latest"' THEN
    SELECT json_agg(event), array_agg(json_build_array(id)::text) INTO events, places
    FROM (
      SELECT id, {schema}.strongroom_event(a) AS event
      FROM {schema}.secrets_audit AS a
      WHERE id < coalesce(last_id, 9223372036854775807)
      ORDER BY id DESC
      LIMIT page) AS found;
  ELSE
    SELECT json_agg(event), array_agg(json_build_array(id)::text) INTO events, places
    FROM (
      SELECT id, {schema}.strongroom_event(a) AS event
      FROM {schema}.secrets_audit AS a
      WHERE namespace = scope #>> '{slot,namespace}' AND secret_name = scope #>> '{slot,name}'
        AND id < coalesce(last_id, 9223372036854775807)
      ORDER BY namespace DESC, secret_name DESC, id DESC
      LIMIT page) AS found;
  END IF;
  RETURN json_build_object('events', coalesce(events, '[]'), 'cursor', places[page]);
END
$$;
