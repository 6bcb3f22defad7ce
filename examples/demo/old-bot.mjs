/**
 * A bot's database as hand-written code has filled it for a year: AES-256-GCM from `node:crypto`, values as
 * base64(IV, tag, ciphertext), two tables for secrets and one for something else. Nothing here knows strongroom.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomInt } from "node:crypto";
import { DatabaseSync } from "node:sqlite";

const YEAR = 365 * 24 * 3600 * 1000;

const TABLES = `
  PRAGMA foreign_keys = ON;
  CREATE TABLE secrets (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE,
    value_encrypted TEXT,
    encryption_key_id TEXT,
    last_rotated DATETIME,
    accessed_count INTEGER DEFAULT 0,
    created_by TEXT,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
  );
  CREATE TABLE secrets_audit (
    id INTEGER PRIMARY KEY,
    secret_id INTEGER REFERENCES secrets (id) ON DELETE SET NULL,
    secret_name TEXT,
    action TEXT,
    user_id TEXT,
    platform TEXT,
    success BOOLEAN,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP
  );
  CREATE TABLE reminders (id INTEGER PRIMARY KEY, chat_id TEXT, text TEXT, due DATETIME);
`;

/** What the bot has always asked of its tables. */
export const OLD_SELECTS = {
  list: "SELECT name, last_rotated, accessed_count, created_by FROM secrets ORDER BY name",
  secret: "SELECT * FROM secrets WHERE name = 'TELEGRAM_WEBHOOK_SECRET'",
  history:
    "SELECT s.name, a.action, a.user_id, a.platform, a.success FROM secrets_audit a JOIN secrets s ON s.id = a.secret_id WHERE a.created_at < '2100-01-01' AND a.id <= 60 ORDER BY a.id",
  reminders: "SELECT * FROM reminders ORDER BY id",
};

/** @param {string} text @param {Buffer} key */
export function encrypt(text, key) {
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]).toString("base64");
}

/** @param {string} token @param {Buffer} key */
export function decrypt(token, key) {
  const bytes = Buffer.from(token, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 16));
  decipher.setAuthTag(bytes.subarray(16, 32));
  return Buffer.concat([decipher.update(bytes.subarray(32)), decipher.final()]).toString("utf8");
}

/**
 * Makes the database.
 *
 * @param {{ path: string, key: Buffer, user: string, values: Record<string, string> }} bot
 */
export function makeOldDatabase({ path, key, user, values }) {
  const database = new DatabaseSync(path);
  database.exec(TABLES);
  const secret = database.prepare(
    "INSERT INTO secrets (name, value_encrypted, encryption_key_id, last_rotated, created_by, created_at, updated_at) VALUES (?, ?, 'default', ?, ?, ?, ?)",
  );
  const event = database.prepare(
    "INSERT INTO secrets_audit (secret_id, secret_name, action, user_id, platform, success, created_at) SELECT id, name, ?, ?, 'telegram', ?, ? FROM secrets WHERE name = ?",
  );
  const started = Date.now() - YEAR;
  const names = Object.keys(values);
  for (const [name, value] of Object.entries(values)) {
    const made = instant(started + randomInt(1e9));
    secret.run(name, encrypt(value, key), made, user, made, made);
    event.run("set", user, 1, made, name);
  }
  for (let row = names.length; row < 60; row++) {
    const name = names[row % names.length] ?? "";
    event.run("get", user, row % 17 === 0 ? 0 : 1, instant(started + 1e9 + row * 5e8), name);
  }
  database.exec(
    "UPDATE secrets SET accessed_count = (SELECT count(*) FROM secrets_audit WHERE secret_id = secrets.id AND action = 'get' AND success = 1)",
  );
  const reminder = database.prepare("INSERT INTO reminders (chat_id, text, due) VALUES (?, ?, ?)");
  for (const text of ["water the plants", "renew the certificate", "pay the rent"]) {
    reminder.run(user, text, instant(Date.now() + randomInt(1e9)));
  }
  database.close();
}

/** What the old statements find, with instants as instants: SQLite's own text and ISO 8601 say the same. @param {string} path */
export function oldView(path) {
  const database = new DatabaseSync(path, { readOnly: true });
  const view = Object.entries(OLD_SELECTS).map(([name, sql]) => [name, database.prepare(sql).all()]);
  database.close();
  return JSON.parse(JSON.stringify(Object.fromEntries(view)), (_, value) =>
    typeof value === "string" && /^\d{4}-\d\d-\d\d[ T]/.test(value)
      ? Date.parse(value.endsWith("Z") ? value : `${value.replace(" ", "T")}Z`)
      : value,
  );
}

/** As CURRENT_TIMESTAMP writes it. @param {number} millis */
function instant(millis) {
  return new Date(millis).toISOString().slice(0, 19).replace("T", " ");
}
