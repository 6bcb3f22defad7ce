-- From version 1 of the tables to version 2: what lists find records by, taken from the records that the vault wrote, as
-- the core would give it when it puts them again; and the rule that allowed what an event tells of.
-- A body that somebody damaged must not stand in the way: its record is found when it is due, and refused then.

ALTER TABLE secrets ADD COLUMN rotation_due DATETIME;
ALTER TABLE secrets ADD COLUMN expires_at DATETIME;
ALTER TABLE strongroom_records ADD COLUMN expires_at DATETIME;
ALTER TABLE secrets_audit ADD COLUMN rule TEXT;

CREATE TABLE strongroom_fingerprints (
  fingerprint TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (fingerprint, namespace, name)
) WITHOUT ROWID;

UPDATE secrets SET (rotation_due, expires_at) = (
  SELECT {instant:due}, {instant:ends}
  FROM (
    SELECT
      CASE sensitivity WHEN 'none' THEN NULL ELSE
        -- Nobody knows since when: it has been due ever since.
        coalesce(
          {ms:last_rotated} + 86400000 * CASE sensitivity WHEN 'critical' THEN 30 WHEN 'high' THEN 90 ELSE 180 END, 0)
      END AS due,
      ends
    FROM (
      SELECT
        json_extract(body, '$.sensitivity') AS sensitivity,
        CASE json_type(body, '$.expires_at') WHEN 'integer' THEN json_extract(body, '$.expires_at') END AS ends
      FROM (SELECT {body:data} AS body))))
WHERE record_mac IS NOT NULL;

UPDATE strongroom_records SET expires_at = (
  SELECT {instant:ends}
  FROM (
    SELECT CASE json_type(body, '$.expires_at') WHEN 'integer' THEN json_extract(body, '$.expires_at') END AS ends
    FROM (SELECT {body:data} AS body)))
WHERE kind = 'pending' AND record_mac IS NOT NULL;

INSERT OR IGNORE INTO strongroom_fingerprints (fingerprint, namespace, name)
SELECT value_fingerprint, namespace, name
FROM secrets
WHERE record_mac IS NOT NULL AND coalesce(json_extract({body:data}, '$.compromised'), 0) = 0;

INSERT OR IGNORE INTO strongroom_fingerprints (fingerprint, namespace, name)
SELECT json_extract(body, version.fullkey || '.fingerprint'), namespace, name
FROM (SELECT namespace, name, {body:data} AS body FROM secrets WHERE record_mac IS NOT NULL)
JOIN json_each(body, '$.versions') AS version
-- No vault wrote more of either: what others put there must not take time.
WHERE json_array_length(body, '$.versions') <= 10 AND json_array_length(body, '$.grace') <= 10
  AND coalesce(json_extract(body, version.fullkey || '.compromised'), 0) = 0
  AND EXISTS (
    SELECT 1 FROM json_each(body, '$.grace') AS grace
    WHERE json_extract(body, grace.fullkey || '.version') = json_extract(body, version.fullkey || '.number'));

DROP INDEX IF EXISTS secrets_by_fingerprint;
CREATE INDEX strongroom_secrets_due ON secrets (rotation_due, namespace, name) WHERE rotation_due IS NOT NULL;
CREATE INDEX strongroom_secrets_end ON secrets (expires_at, namespace, name) WHERE expires_at IS NOT NULL;
CREATE INDEX strongroom_records_end ON strongroom_records (kind, expires_at, namespace, name)
  WHERE expires_at IS NOT NULL;
CREATE INDEX strongroom_fingerprints_of ON strongroom_fingerprints (namespace, name);

UPDATE strongroom_schema SET version = 2;
