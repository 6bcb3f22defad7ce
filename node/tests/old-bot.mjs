/** The database that a bot has filled with hand-written encryption, in all the shapes that a year of changes gave it. */
import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { oldEncrypt } from "./support.mjs";

const PLAIN_TABLES = `
  CREATE TABLE secrets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    value_encrypted TEXT NOT NULL,
    encryption_key_id TEXT DEFAULT 'default',
    last_rotated DATETIME DEFAULT CURRENT_TIMESTAMP,
    accessed_count INTEGER DEFAULT 0,
    created_by TEXT,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
  );
  CREATE TABLE secrets_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    secret_id INTEGER REFERENCES secrets(id) ON DELETE CASCADE,
    secret_name TEXT,
    action TEXT,
    user_id TEXT,
    platform TEXT,
    success BOOLEAN,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP
  );`;

const LIVED_IN_TABLES = `
  CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT);
  INSERT INTO owners VALUES (1, 'alice'), (2, 'bob');
  CREATE TABLE secrets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT,
    value_encrypted TEXT,
    encryption_key_id TEXT,
    last_rotated DATETIME,
    accessed_count INTEGER,
    created_by TEXT,
    created_at DATETIME,
    updated_at DATETIME,
    notes TEXT DEFAULT 'none; "quoted"',
    priority INTEGER NOT NULL DEFAULT 3,
    "odd ""name""" NOT NULL,
    added DATETIME DEFAULT CURRENT_TIMESTAMP,
    owner_id INTEGER REFERENCES owners(id) ON DELETE SET NULL
  );
  CREATE UNIQUE INDEX secrets_name ON secrets (name);
  CREATE UNIQUE INDEX secrets_lower ON secrets (lower(name));
  CREATE INDEX secrets_notes ON secrets (notes, priority);
  CREATE TABLE secrets_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    secret_id INTEGER REFERENCES secrets(id) ON DELETE CASCADE,
    secret_name TEXT,
    action TEXT,
    user_id TEXT,
    platform TEXT,
    success BOOLEAN,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    ip TEXT
  );
  CREATE INDEX secrets_audit_ip ON secrets_audit (ip);
  CREATE TABLE secret_tags (
    secret_id INTEGER NOT NULL REFERENCES secrets(id) ON DELETE CASCADE,
    tag TEXT NOT NULL
  );
  CREATE TABLE change_log (secret_id INTEGER, name TEXT);
  CREATE VIEW named AS SELECT s.id, s.name, o.name AS owner FROM secrets s LEFT JOIN owners o ON o.id = s.owner_id;`;

const TRIGGERS = `
  CREATE TRIGGER secrets_log AFTER UPDATE ON secrets BEGIN
    INSERT INTO change_log SELECT id, name FROM secrets WHERE id = NEW.id;
  END;
  CREATE TRIGGER secrets_touch AFTER UPDATE ON secrets WHEN NEW.updated_at IS OLD.updated_at BEGIN
    UPDATE secrets SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
  END;`;

/** Names as no new secret may have them, and all the same there. */
export const ODD_NAMES = [
  "my key",
  "prod: stripe",
  "it's",
  "line\nbreak",
  "z\u00fcrich \u{1F511}",
  "x".repeat(129),
  "y".repeat(4096),
];

/** Names that nobody can ask a vault for: their rows stay as they are. */
const NAMELESS = [null, "", "z".repeat(4097), "nul\0inside"];

/** Instants as programs wrote them, and what they mean. */
export const INSTANTS = [
  ["2024-05-06 07:08:09", Date.UTC(2024, 4, 6, 7, 8, 9)],
  ["2024-05-06T07:08:09.123Z", Date.UTC(2024, 4, 6, 7, 8, 9, 123)],
  ["2024-05-06T07:08:09+02:00", Date.UTC(2024, 4, 6, 5, 8, 9)],
  ["2024-05-06", Date.UTC(2024, 4, 6)],
  [1_714_979_289_123, 1_714_979_289_123],
  [1_714_979_289, 1_714_979_289_000],
  [1_714_979_289.5, 1_714_979_289_500],
  ["yesterday", undefined],
  ["", undefined],
  ["Mon May 06 2024 07:08:09 GMT+0000", undefined],
  [null, undefined],
];

/**
 * Makes the database. `plain` has the bot's own tables and tidy rows; otherwise they are as the year left them. Gives
 * what was put in: the secrets' values by name, and every row of every table.
 */
export function makeOldDatabase(
  path,
  { key = randomBytes(32), rows = 20, plain = false, journal = "delete" } = {},
) {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = ${journal}; PRAGMA wal_autocheckpoint = 0`);
  database.exec(plain ? PLAIN_TABLES : LIVED_IN_TABLES);
  const values = new Map();
  database.exec("BEGIN");
  const insert = inserter(database);
  for (let index = 0; index < rows; index += 1) {
    const value = `value-${index}-${randomBytes(8).toString("hex")}`;
    const name = `SECRET_${index}`;
    values.set(name, value);
    const [instant] = INSTANTS[index % (plain ? 1 : INSTANTS.length)];
    insert.secret({
      name,
      value_encrypted: oldEncrypt(key, value),
      last_rotated: instant,
      created_at: instant,
      updated_at: instant,
      encryption_key_id: "default",
      accessed_count: index,
      created_by: `user${index % 3}`,
      ...(plain ? {} : livedIn(index)),
    });
    insert.event({
      secret_id: index + 1,
      secret_name: name,
      action: "set",
      user_id: `user${index % 3}`,
      platform: "telegram",
      success: 1,
    });
  }
  if (!plain) addOddities(insert, key, values, rows);
  database.exec("COMMIT");
  if (!plain) database.exec(TRIGGERS);
  const before = snapshot(database);
  // With a WAL that nobody has checkpointed, unless the last connection closes: the caller does that.
  return { database, key, values, before };
}

function livedIn(index) {
  return {
    notes: `note ${index}`,
    priority: index % 5,
    'odd "name"': index % 2 === 0 ? index : `t${index}`,
    owner_id: (index % 2) + 1,
  };
}

function addOddities(insert, key, values, rows) {
  const odd = { 'odd "name"': "x" };
  for (const name of ODD_NAMES) {
    const value = `value of ${name.slice(0, 20)}`;
    values.set(name, value);
    insert.secret({ name, value_encrypted: oldEncrypt(key, value), ...odd });
    insert.event({ secret_name: name, action: "set" });
  }
  for (const name of NAMELESS) insert.secret({ name, value_encrypted: oldEncrypt(key, "nameless"), ...odd });
  const large = "v".repeat(200_000);
  values.set("LARGE", large);
  values.set("BARE", undefined);
  values.set("GARBAGE", undefined);
  values.set("BLANK", "");
  insert.secret({ name: "LARGE", value_encrypted: oldEncrypt(key, large), accessed_count: -4, ...odd });
  insert.secret({ name: "BARE", ...odd });
  insert.secret({
    name: "GARBAGE",
    value_encrypted: "not encrypted at all",
    encryption_key_id: "",
    created_by: "",
    ...odd,
  });
  insert.secret({ name: "BLANK", value_encrypted: oldEncrypt(key, ""), ...odd });
  insert.event({});
  insert.event({
    secret_name: "SECRET_0",
    action: "get",
    user_id: "alice",
    platform: "discord",
    success: 0,
    ip: "::1",
  });
  for (let id = 1; id <= rows; id += 1) insert.tag({ secret_id: id, tag: `tag${id}` });
}

function inserter(database) {
  const into = (table) => (row) => {
    const names = Object.keys(row).map((name) => `"${name.replaceAll('"', '""')}"`);
    if (names.length === 0) return database.exec(`INSERT INTO ${table} DEFAULT VALUES`);
    const marks = names.map(() => "?").join();
    return database.prepare(`INSERT INTO ${table} (${names}) VALUES (${marks})`).run(...Object.values(row));
  };
  return { secret: into("secrets"), event: into("secrets_audit"), tag: into("secret_tags") };
}

const TABLES = ["secrets", "secrets_audit", "secret_tags", "owners"];

/** Every row of every table of the bot, by the columns that it had. */
export function snapshot(database, columns = {}) {
  const found = {};
  for (const table of TABLES) {
    const names =
      columns[table] ??
      database
        .prepare(`SELECT name FROM pragma_table_info(?)`)
        .all(table)
        .map((each) => each.name);
    if (names.length === 0) continue;
    const listed = names.map((name) => `"${name.replaceAll('"', '""')}"`).join();
    found[table] = { names, rows: database.prepare(`SELECT ${listed} FROM ${table} ORDER BY rowid`).all() };
  }
  return found;
}

export function columnsOf(taken) {
  return Object.fromEntries(Object.entries(taken).map(([table, { names }]) => [table, names]));
}

const INSTANT_COLUMNS = new Set(["last_rotated", "created_at", "updated_at"]);

/** What the rows are after the adoption: instants in one form, counts that are counts, and everything else the same. */
export function expectedAfter(before) {
  const rows = (table, change) => before[table].rows.map((row) => ({ ...row, ...change(row) }));
  const instants = (row) => {
    const named = Object.entries(row).filter(([name]) => INSTANT_COLUMNS.has(name));
    return Object.fromEntries(named.map(([name, value]) => [name, iso(value)]));
  };
  const secrets = rows("secrets", (row) => ({
    ...instants(row),
    accessed_count: Math.max(row.accessed_count ?? 0, 0),
  }));
  const after = { secrets, secrets_audit: rows("secrets_audit", instants) };
  for (const table of ["secret_tags", "owners"])
    if (before[table] !== undefined) after[table] = rows(table, () => ({}));
  return after;
}

function iso(value) {
  if (typeof value === "number")
    return new Date(value > 100_000_000_000 ? value : value * 1000).toISOString();
  if (value === null || !/^\d{4}-\d\d-\d\d/.test(value)) return value;
  const whole = value.length === 10 ? `${value}T00:00:00` : value.replace(" ", "T");
  return new Date(/Z$|[+-]\d\d:\d\d$/.test(whole) ? whole : `${whole}Z`).toISOString();
}
