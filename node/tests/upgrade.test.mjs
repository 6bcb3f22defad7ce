/** A file that version 1 of the tables is in: it is brought up to date when it is opened, through either library. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import Database from "better-sqlite3";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, scratch } from "./support.mjs";

const VERSION_1 = readFileSync(new URL("../../tests/databases/version_1.sql", import.meta.url), "utf8");
const KEY = "x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo=";
const LIBRARIES = {
  "node:sqlite": (path) => new DatabaseSync(path),
  "better-sqlite3": (path) => new Database(path),
};

/** A file that version 1 wrote. */
function makeOld(t) {
  const path = join(scratch(t), "vault.db");
  const database = new DatabaseSync(path);
  database.exec(VERSION_1);
  database.close();
  return path;
}

function rows(path, sql) {
  const database = new DatabaseSync(path);
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

for (const [name, open] of Object.entries(LIBRARIES)) {
  test(`every record stays, and is found by what it says, through ${name}`, async (t) => {
    const path = makeOld(t);
    const all =
      "SELECT id, namespace, name, value_encrypted, data, revision, record_mac, team FROM secrets ORDER BY id";
    const events = "SELECT id, action, secret_name, digest, mac FROM secrets_audit ORDER BY id";
    const before = [rows(path, all), rows(path, events)];
    const store = new SqliteStore(open(path));
    t.after(() => store.close());
    assert.deepEqual([rows(path, all), rows(path, events)], before);
    assert.deepEqual(rows(path, "SELECT version FROM strongroom_schema").map(Object.values), [[2]]);

    const due = { kind: "secret", namespace: null, by: { due: 0 }, limit: 100 };
    const { items } = store.list(due, null);
    assert.deepEqual(
      items.map(({ key }) => key.name),
      ["OLD_NEVER", "OLD_ODD"],
    );
    const [{ fingerprint }] = rows(
      path,
      "SELECT value_fingerprint AS fingerprint FROM secrets WHERE name = 'OLD_TEXT'",
    );
    const found = store.list({ ...due, by: { fingerprint } }, null);
    assert.deepEqual(
      found.items.map(({ key }) => key.name),
      ["OLD_TEXT"],
    );
    const vault = new Vault({ keyring: Keyring.parse(KEY), store });
    await vault.verifyAudit(alice);
    await vault.rotate("OLD_TEXT", "a new value", alice);
    assert.deepEqual(store.list({ ...due, by: { fingerprint } }, null).items, []);
  });

  test(`another program's column of a new name is not taken from it, through ${name}`, (t) => {
    const path = makeOld(t);
    const database = new DatabaseSync(path);
    database.exec("ALTER TABLE secrets ADD COLUMN expires_at TEXT DEFAULT 'theirs'");
    database.close();
    const before = readFileSync(path);
    const handle = open(path);
    assert.throws(() => new SqliteStore(handle), {
      code: "UNSUPPORTED",
      message: /expires_at of another program/,
    });
    handle.close();
    assert.deepEqual(readFileSync(path), before);
  });
}
