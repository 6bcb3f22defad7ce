/** Databases that a bot filled with node:crypto, opened by the vault: nothing is lost, and the old program still runs. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import Database from "better-sqlite3";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { columnsOf, expectedAfter, INSTANTS, makeOldDatabase, ODD_NAMES, snapshot } from "./old-bot.mjs";
import { alice, closing, oldDecrypt, oldEncrypt, refused, runChild, scratch } from "./support.mjs";

const vaultOf = (key, store) => new Vault({ keyring: Keyring.parse(key.toString("hex")), store });

/** An old database with nobody at it. */
function makeOld(t, options = {}) {
  const path = join(scratch(t), "bot.db");
  const { database, ...made } = makeOldDatabase(path, options);
  database.close();
  return { path, ...made };
}

function openRaw(t, path) {
  return closing(t, new DatabaseSync(path));
}

function assertNothingLost(database, before) {
  const after = snapshot(database, columnsOf(before));
  for (const [table, rows] of Object.entries(expectedAfter(before))) {
    // The vault's own events come after the old ones.
    if (table !== "secrets_audit") assert.equal(after[table].rows.length, rows.length, `rows of ${table}`);
    for (const [index, row] of rows.entries())
      assert.deepEqual({ ...after[table].rows[index] }, row, `${table}, row ${index}`);
  }
}

async function assertAllReadable(vault, values) {
  for (const [name, value] of values) {
    if (value === undefined)
      await refused(name === "BARE" ? "TOKEN_MALFORMED" : anyRefusal(name), () => vault.get(name, alice));
    else assert.equal((await vault.get(name, alice)).reveal(), value, name);
  }
}

const anyRefusal = (name) => (name === "GARBAGE" ? "TOKEN_MALFORMED" : assert.fail(name));

for (const journal of ["delete", "wal"]) {
  for (const [title, plain] of [
    ["tidy", true],
    ["lived-in", false],
  ]) {
    test(`a ${title} database in journal mode ${journal} is adopted row by row, and every value is read`, async (t) => {
      const { path, key, values, before } = makeOld(t, { plain, journal });
      const store = closing(t, new SqliteStore(path));
      const raw = openRaw(t, path);
      assertNothingLost(raw, before);
      const vault = vaultOf(key, store);
      assert.deepEqual(await vault.adopt(alice), {
        secrets: values.size,
        events: before.secrets_audit.rows.length,
      });
      assertNothingLost(raw, before);
      await assertAllReadable(vault, values);
      const listed = await vault.list(alice);
      assert.deepEqual(new Set(listed.map((each) => each.name)), new Set(values.keys()));
      assert.deepEqual((await vault.verifyAudit(alice)).unchained, before.secrets_audit.rows.length);
      assert.equal(raw.prepare("PRAGMA integrity_check").get().integrity_check, "ok");
      assert.deepEqual(raw.prepare("PRAGMA foreign_key_check").all(), []);
      assert.equal(raw.prepare("PRAGMA journal_mode").get().journal_mode, journal);
    });
  }
}

test("a database with a WAL that nobody has checkpointed is adopted while its writer still has it open", async (t) => {
  const path = join(scratch(t), "bot.db");
  const { database, key, values, before } = makeOldDatabase(path, { journal: "wal" });
  closing(t, database);
  assert.ok(statSync(`${path}-wal`).size > statSync(path).size, "the rows are in the WAL");
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  await assertAllReadable(vault, values);
  assertOnlyCounted(database, before, values);
});

test("a database whose writer was killed is adopted from its WAL", async (t) => {
  const folder = scratch(t);
  const { database, key, values } = makeOldDatabase(join(folder, "live.db"), { journal: "wal" });
  closing(t, database);
  for (const end of ["", "-wal"]) copyFileSync(join(folder, `live.db${end}`), join(folder, `dead.db${end}`));
  await assertAllReadable(vaultOf(key, closing(t, new SqliteStore(join(folder, "dead.db")))), values);
});

/** As after the adoption, but for the accesses since. */
function assertOnlyCounted(database, before, values) {
  const counted = database.prepare("SELECT name, accessed_count FROM secrets").all();
  const old = new Map(before.secrets.rows.map((row) => [row.name, Math.max(row.accessed_count ?? 0, 0)]));
  for (const { name, accessed_count } of counted) {
    const read = values.get(name) === undefined ? 0 : 1;
    if (values.has(name)) assert.equal(accessed_count, old.get(name) + read, name);
  }
}

test("a database that better-sqlite3 has open is adopted too, and its pragma is put back", async (t) => {
  const { path, key, values, before } = makeOld(t);
  for (const foreignKeys of ["ON", "OFF"]) {
    const copy = `${path}.${foreignKeys}`;
    copyFileSync(path, copy);
    const database = closing(t, new Database(copy));
    database.pragma(`foreign_keys = ${foreignKeys}`);
    const store = new SqliteStore(database);
    assert.equal(database.pragma("foreign_keys", { simple: true }), foreignKeys === "ON" ? 1 : 0);
    assertNothingLost(openRaw(t, copy), before);
    await assertAllReadable(vaultOf(key, store), values);
    assert.ok(existsSync(`${copy}.before-strongroom`));
  }
});

test("10,000 rows are adopted, every one of them", async (t) => {
  const { path, key, values, before } = makeOld(t, { rows: 10_000, plain: true });
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  assert.deepEqual(await vault.adopt(alice), { secrets: 10_000, events: 10_000 });
  assertNothingLost(openRaw(t, path), before);
  const listed = await vault.list(alice);
  assert.equal(listed.length, 10_000);
  for (const index of [0, 1, 499, 500, 501, 5_000, 9_999]) {
    const name = `SECRET_${index}`;
    assert.equal((await vault.get(name, alice)).reveal(), values.get(name));
  }
  const { keys, formats, unreadable } = await vault.census(alice);
  assert.deepEqual([Object.values(keys)[0].values, formats, unreadable], [10_000, { node_gcm: 10_000 }, 0]);
  assert.equal((await vault.verifyAudit(alice)).unchained, 10_000);
});

test("statements of the old program still run: selects, joins, views, writes to its own tables", async (t) => {
  const { path, key } = makeOld(t);
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  await vault.get("SECRET_1", alice);
  await vault.set("SECRET_1", "a new value", { actor: { id: "bob", platform: "telegram" } });
  const raw = openRaw(t, path);
  const old = raw
    .prepare("SELECT name, value_encrypted, accessed_count, created_by FROM secrets WHERE name = ?")
    .get("SECRET_2");
  assert.match(oldDecrypt(key, old.value_encrypted).toString(), /^value-2-/);
  const joined = raw
    .prepare(
      "SELECT a.action, a.user_id, a.platform, a.success FROM secrets_audit a JOIN secrets s ON a.secret_id = s.id WHERE s.name = ? ORDER BY a.id",
    )
    .all("SECRET_1")
    .map((row) => ({ ...row }));
  assert.deepEqual(joined, [
    { action: "set", user_id: "user1", platform: "telegram", success: 1 },
    { action: "adopted", user_id: null, platform: null, success: 1 },
    { action: "get", user_id: "alice", platform: null, success: 1 },
    { action: "set", user_id: "bob", platform: "telegram", success: 1 },
  ]);
  assert.deepEqual(
    { ...raw.prepare("SELECT * FROM named WHERE name = 'SECRET_1'").get() },
    { id: 2, name: "SECRET_1", owner: "bob" },
  );
  assert.deepEqual({ ...raw.prepare("SELECT * FROM secrets ORDER BY id LIMIT 1").get() }.name, "SECRET_0");
  const columns = raw
    .prepare("SELECT name FROM pragma_table_info('secrets') LIMIT 9")
    .all()
    .map((row) => row.name);
  assert.equal(
    columns.join(),
    "id,name,value_encrypted,encryption_key_id,last_rotated,accessed_count,created_by,created_at,updated_at",
  );
  raw.exec("UPDATE secrets SET notes = 'changed by the bot', priority = 9 WHERE name = 'SECRET_1'");
  raw.exec("INSERT INTO secret_tags VALUES (2, 'late')");
  assert.throws(() => raw.exec("INSERT INTO secret_tags VALUES (99999, 'nobody')"), /FOREIGN KEY/);
  assert.equal((await vault.get("SECRET_1", alice)).reveal(), "a new value");
  const found = raw.prepare("SELECT created_at, last_rotated FROM secrets WHERE name = 'SECRET_1'").get();
  assert.match(found.last_rotated, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(found.created_at, new Date(INSTANTS[1][1]).toISOString());
});

test("further columns keep their defaults and what they refer to; the vault's own rows get them", async (t) => {
  const { path, key } = makeOld(t);
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  await vault.set("NEW", "value", alice);
  const raw = openRaw(t, path);
  const row = raw
    .prepare(`SELECT notes, priority, "odd ""name""" AS odd, added, owner_id FROM secrets WHERE name = 'NEW'`)
    .get();
  assert.deepEqual([row.notes, row.priority, row.odd, row.owner_id], ['none; "quoted"', 3, null, null]);
  assert.match(row.added, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  raw.exec("UPDATE secrets SET owner_id = 2 WHERE name = 'NEW'");
  assert.throws(() => raw.exec("UPDATE secrets SET owner_id = 77 WHERE name = 'NEW'"), /FOREIGN KEY/);
  assert.throws(() => raw.exec("UPDATE secrets SET priority = NULL WHERE name = 'NEW'"), /NOT NULL/);
  raw.exec("DELETE FROM owners WHERE id = 2");
  assert.equal(raw.prepare("SELECT owner_id FROM secrets WHERE name = 'NEW'").get().owner_id, null);
  assert.equal((await vault.get("NEW", alice)).reveal(), "value");
});

test("a trigger that writes elsewhere stays and fires; one that writes to the vault's tables is left out", async (t) => {
  const { path, key } = makeOld(t);
  const store = closing(t, new SqliteStore(path));
  const raw = openRaw(t, path);
  const logged = () => raw.prepare("SELECT count(*) AS count FROM change_log").get().count;
  assert.equal(logged(), 0, "the rebuilding of the tables fires nothing");
  const triggers = raw
    .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    .all()
    .map((row) => row.name);
  assert.deepEqual(triggers, ["secrets_log"]);
  const vault = vaultOf(key, store);
  await vault.adopt(alice);
  const before = logged();
  await vault.rotate("SECRET_0", "another", alice);
  assert.ok(logged() > before);
  assert.equal((await vault.get("SECRET_0", alice)).reveal(), "another");
});

test("indexes stay but a unique one on the name, so that a second namespace can reuse a name", async (t) => {
  for (const plain of [true, false]) {
    const { path, key, values } = makeOld(t, { plain });
    const vault = vaultOf(key, closing(t, new SqliteStore(path)));
    const other = { ...alice, namespace: "other" };
    await vault.set("SECRET_0", "in another namespace", other);
    assert.equal((await vault.get("SECRET_0", other)).reveal(), "in another namespace");
    assert.equal((await vault.get("SECRET_0", alice)).reveal(), values.get("SECRET_0"));
    const raw = openRaw(t, path);
    const indexes = raw
      .prepare("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
      .all();
    const names = indexes.map((row) => row.name);
    assert.equal(names.includes("secrets_notes"), !plain);
    assert.equal(names.includes("secrets_audit_ip"), !plain);
    assert.ok(!names.includes("secrets_name") && !names.includes("secrets_lower"));
    assert.throws(() => raw.exec("INSERT INTO secrets (name) VALUES ('SECRET_0')"), /UNIQUE/);
  }
});

test("instants are read in every form that programs wrote, and unreadable ones are kept as they are", async (t) => {
  const { path, key } = makeOld(t);
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  const listed = new Map((await vault.list(alice)).map((each) => [each.name, each]));
  for (const [index, [written, meant]] of INSTANTS.entries()) {
    const { lastRotated, createdAt } = listed.get(`SECRET_${index}`);
    assert.equal(lastRotated?.getTime(), meant, `${written}`);
    assert.equal(createdAt?.getTime(), meant, `${written}`);
  }
  const kept = openRaw(t, path)
    .prepare("SELECT last_rotated, created_at, updated_at FROM secrets WHERE name = ?")
    .get("SECRET_7");
  assert.deepEqual(
    { ...kept },
    { last_rotated: "yesterday", created_at: "yesterday", updated_at: "yesterday" },
  );
});

test("names and values beyond today's limits can be read, rotated and deleted, but not made anew", async (t) => {
  const { path, key, values } = makeOld(t);
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  for (const name of ODD_NAMES) {
    assert.equal((await vault.get(name, alice)).reveal(), values.get(name));
    assert.equal((await vault.rotate(name, "rotated", alice)).version, 2);
    assert.equal((await vault.get(name, alice)).reveal(), "rotated");
    await vault.delete(name, alice);
    await refused("NAME_INVALID", () => vault.set(name, "anew", alice));
  }
  assert.equal((await vault.get("LARGE", alice)).reveal().length, 200_000);
  await refused("VALUE_INVALID", () => vault.rotate("LARGE", "v".repeat(200_000), alice));
  assert.equal((await vault.get("BLANK", alice)).reveal(), "");
  for (const name of ["BARE", "GARBAGE"]) {
    await vault.set(name, "now it has one", alice);
    assert.equal((await vault.get(name, alice)).reveal(), "now it has one");
  }
  await vault.verifyAudit(alice);
});

test("old audit rows are listed after the vault's own, also after their secret was deleted", async (t) => {
  const { path, key, before } = makeOld(t);
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  const actions = async () =>
    (await vault.audit({ ...alice, name: "SECRET_0" })).map(({ action, actor, platform, success, stream }) =>
      [action, actor, platform, success, stream === undefined ? "old" : "chained"].join(),
    );
  await vault.get("SECRET_0", alice);
  const old = ["adopted,,,true,chained", "get,alice,discord,false,old", "set,user0,telegram,true,old"];
  assert.deepEqual(await actions(), ["get,alice,,true,chained", ...old]);
  await vault.delete("SECRET_0", alice);
  await refused("SECRET_NOT_FOUND", () => vault.get("SECRET_0", alice));
  assert.deepEqual((await actions()).slice(-4), ["get,alice,,true,chained", ...old]);
  const raw = openRaw(t, path);
  const kept = raw.prepare("SELECT count(*) AS count FROM secrets_audit WHERE stream IS NULL").get().count;
  assert.equal(kept, before.secrets_audit.rows.length);
  assert.deepEqual(
    raw.prepare("SELECT * FROM secret_tags WHERE secret_id = 1").all(),
    [],
    "its tags went with it, as they always did",
  );
  assert.equal((await vault.verifyAudit(alice)).unchained, kept);
});

test("ids of rows that the old program deleted are never given out again", async (t) => {
  const path = join(scratch(t), "bot.db");
  const { database, key } = makeOldDatabase(path, { plain: true, rows: 5 });
  database.exec(
    "PRAGMA foreign_keys = OFF; DELETE FROM secrets WHERE id > 2; DELETE FROM secrets_audit WHERE id = 5",
  );
  database.close();
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  await vault.set("NEW", "value", alice);
  const raw = openRaw(t, path);
  assert.equal(raw.prepare("SELECT id FROM secrets WHERE name = 'NEW'").get().id, 6);
  assert.equal(raw.prepare("SELECT min(id) AS id FROM secrets_audit WHERE stream IS NOT NULL").get().id, 6);
  const named = raw
    .prepare(
      "SELECT secret_name FROM secrets_audit a JOIN secrets s ON s.id = a.secret_id WHERE s.name = 'NEW'",
    )
    .all();
  assert.deepEqual(
    named.map((row) => row.secret_name),
    ["NEW"],
  );
});

test("a copy is made before, once, whole, and with the mode of the original", (t) => {
  for (const mode of [0o600, 0o640, 0o644]) {
    const { path, before } = makeOld(t);
    chmodSync(path, mode);
    new SqliteStore(path).close();
    const copy = `${path}.before-strongroom`;
    assert.equal(statSync(copy).mode & 0o777, mode);
    const raw = openRaw(t, copy);
    assert.deepEqual(snapshot(raw), before);
    assert.equal(raw.prepare("PRAGMA integrity_check").get().integrity_check, "ok");
    assert.equal(
      raw.prepare("SELECT count(*) AS count FROM sqlite_master WHERE name LIKE 'strongroom%'").get().count,
      0,
    );
    const [written, names] = [digest(copy), readdirSync(join(path, ".."))];
    new SqliteStore(path).close();
    assert.equal(digest(copy), written, "a later opening makes none");
    assert.deepEqual(
      names.filter((name) => name.includes("before")),
      ["bot.db.before-strongroom"],
      "nothing half is left",
    );
  }
  const { path } = makeOld(t);
  copyFileSync(path, `${path}.before-strongroom`);
  const earlier = digest(path);
  new SqliteStore(path).close();
  assert.equal(digest(`${path}.before-strongroom`), earlier, "one that is there is not written over");
});

test("the wrong key is refused and changes nothing that is in the tables; the right one opens them afterwards", async (t) => {
  const { path, key, values, before } = makeOld(t);
  const store = closing(t, new SqliteStore(path));
  const raw = openRaw(t, path);
  const wrong = vaultOf(randomBytes(32), store);
  const runs = [
    () => wrong.get("SECRET_0", alice),
    () => wrong.set("NEW", "value", alice),
    () => wrong.list(alice),
    () => wrong.adopt(alice),
    () => wrong.verifyAudit(alice),
    () => wrong.exists("SECRET_0", alice),
    () => wrong.census(alice),
    () => wrong.propose("set", "NEW", "value", alice),
  ];
  for (const run of runs) {
    assert.match(
      (await refused("NOT_AUTHENTIC", run)).message,
      /wrong key: none of the values .* no value was changed/,
    );
    assertNothingLost(raw, before);
    assert.equal(raw.prepare("SELECT count(*) AS count FROM strongroom_records").get().count, 0);
    assert.equal(raw.prepare("SELECT max(revision) AS most FROM secrets").get().most, 0);
  }
  await assertAllReadable(vaultOf(key, store), values);
});

test("values under several keys of the ring are adopted; those under none stay until their key is there", async (t) => {
  const path = join(scratch(t), "bot.db");
  const [first, second] = [randomBytes(32), randomBytes(32)];
  const { database } = makeOldDatabase(path, { plain: true, key: first, rows: 2 });
  const insert = database.prepare("INSERT INTO secrets (name, value_encrypted) VALUES (?, ?)");
  insert.run("SECOND", oldEncrypt(second, "under the second key"));
  database.close();
  const store = closing(t, new SqliteStore(path));
  const vault = vaultOf(first, store);
  assert.equal((await vault.census(alice)).unreadable, 1);
  await refused("NOT_AUTHENTIC", () => vault.get("SECOND", alice));
  const both = new Vault({
    keyring: Keyring.parse(`${first.toString("hex")},${second.toString("hex")}`),
    store,
  });
  assert.equal((await both.get("SECOND", alice)).reveal(), "under the second key");
  assert.deepEqual(
    Object.values((await both.census(alice)).keys)
      .map((each) => each.values)
      .sort(),
    [1, 2],
  );
});

test("a rotation turns one value into a sealed one and leaves the others as they are", async (t) => {
  const { path, key, before } = makeOld(t, { plain: true });
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  assert.equal((await vault.get("SECRET_3", alice)).details.format, "node_gcm");
  assert.deepEqual((await vault.census(alice)).formats, { node_gcm: 20 });
  await vault.rotate("SECRET_3", "sealed now", alice);
  assert.equal((await vault.get("SECRET_3", alice)).details.format, "sealed");
  // The earlier version is kept as it was.
  assert.deepEqual((await vault.census(alice)).formats, { node_gcm: 20, sealed: 1 });
  const rows = openRaw(t, path).prepare("SELECT name, value_encrypted FROM secrets ORDER BY id").all();
  for (const [index, { name, value_encrypted: value }] of rows.entries()) {
    if (name === "SECRET_3") assert.match(value, /^sr1\./);
    else assert.equal(value, before.secrets.rows[index].value_encrypted);
  }
});

test("a row that the old program adds later is refused until it is adopted", async (t) => {
  const { path, key, values } = makeOld(t, { plain: true });
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  await vault.get("SECRET_0", alice);
  const raw = openRaw(t, path);
  raw
    .prepare("INSERT INTO secrets (name, value_encrypted, created_by) VALUES (?, ?, ?)")
    .run("LATE", oldEncrypt(key, "late"), "bot");
  for (const run of [
    () => vault.get("LATE", alice),
    () => vault.rotate("LATE", "v", alice),
    () => vault.list(alice),
  ]) {
    assert.match(
      (await refused("RECORD_TAMPERED", run)).message,
      /another program wrote it, .* before adopting it/,
    );
  }
  assert.equal(
    (await vault.get("SECRET_0", alice)).reveal(),
    values.get("SECRET_0"),
    "the others are read meanwhile",
  );
  assert.deepEqual(await vault.adopt(alice), { secrets: 1, events: 20 });
  assert.equal((await vault.get("LATE", alice)).reveal(), "late");
  assert.equal((await vault.list(alice)).find((each) => each.name === "LATE").createdBy, "bot");
  raw.exec("INSERT INTO secrets_audit (secret_name, action) VALUES ('LATE', 'get')");
  await refused("AUDIT_TAMPERED", () => vault.verifyAudit(alice));
  assert.deepEqual(await vault.adopt(alice), { secrets: 0, events: 21 });
  assert.equal((await vault.verifyAudit(alice)).unchained, 21);
});

test("a later row under a wrong key is not adopted", async (t) => {
  const { path, key } = makeOld(t, { plain: true });
  const vault = vaultOf(key, closing(t, new SqliteStore(path)));
  await vault.adopt(alice);
  const late = oldEncrypt(randomBytes(32), "late");
  openRaw(t, path).prepare("INSERT INTO secrets (name, value_encrypted) VALUES (?, ?)").run("LATE", late);
  await refused("NOT_AUTHENTIC", () => vault.adopt(alice));
  await refused("RECORD_TAMPERED", () => vault.get("LATE", alice));
});

describe("tables of another program are refused, and the file stays to the byte", () => {
  const tables = {
    "other columns": "CREATE TABLE secrets (key TEXT, value BLOB); INSERT INTO secrets VALUES ('a', 'b')",
    "an id that is no integer": "CREATE TABLE secrets (id TEXT PRIMARY KEY, name TEXT, value_encrypted TEXT)",
    "other audit columns": "CREATE TABLE secrets_audit (id INTEGER PRIMARY KEY, what TEXT)",
    "generated columns":
      "CREATE TABLE secrets (id INTEGER PRIMARY KEY, name TEXT, value_encrypted TEXT, up TEXT AS (upper(name)))",
    "a newer strongroom":
      "CREATE TABLE strongroom_schema (version INTEGER); INSERT INTO strongroom_schema VALUES (3)",
  };
  for (const [what, sql] of Object.entries(tables)) {
    test(`tables with ${what}`, (t) => {
      const path = join(scratch(t), "other.db");
      const raw = new DatabaseSync(path);
      raw.exec(sql);
      raw.close();
      const before = digest(path);
      assert.throws(() => new SqliteStore(path), { name: "StrongroomError", code: "UNSUPPORTED" });
      assert.equal(digest(path), before);
      assert.deepEqual(readdirSync(join(path, "..")), ["other.db"]);
    });
  }
});

test("tables of other names are left alone in a database that gets a vault", async (t) => {
  const path = join(scratch(t), "app.db");
  const raw = new DatabaseSync(path);
  raw.exec(
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT); INSERT INTO users (name) VALUES ('alice')",
  );
  raw.close();
  const vault = new Vault({ keyring: Keyring.generate(), store: closing(t, new SqliteStore(path)) });
  await vault.set("A", "v", alice);
  assert.deepEqual({ ...openRaw(t, path).prepare("SELECT * FROM users").get() }, { id: 1, name: "alice" });
});

test("killed before any statement of the adoption or of the first use, the database opens and nothing is lost", async (t) => {
  const made = makeOld(t, { journal: "wal", rows: 3 });
  const key = made.key.toString("hex");
  const whole = await runChild("adoption.child.mjs", [copyOf(made.path, "whole"), key, 0]);
  assert.equal(whole.code, 0, whole.stderr);
  const { count, value } = JSON.parse(whole.stdout);
  assert.equal(value, made.values.get("SECRET_0"));
  assert.ok(count > 80, `only ${count} statements`);
  const states = { old: 0, rebuilt: 0, adopted: 0 };

  const killAt = async (point) => {
    const path = copyOf(made.path, point);
    const { code, signal, stderr } = await runChild("adoption.child.mjs", [path, key, point]);
    assert.equal(signal, "SIGKILL", `statement ${point}: ${code} ${stderr}`);
    states[
      await assertSurvived(path, made, `killed before statement ${point}`, ["SECRET_0", "SECRET_2", "my key"])
    ] += 1;
  };
  // Two at a time.
  const points = Array.from({ length: count }, (_, index) => index + 1);
  const worker = async () => {
    for (let point = points.shift(); point !== undefined; point = points.shift()) await killAt(point);
  };
  await Promise.all([worker(), worker()]);
  for (const [state, times] of Object.entries(states))
    assert.ok(times > 1, `${times} of ${count} left it ${state}`);
});

test("killed from outside at any moment, a database of 2,000 rows opens and nothing is lost", async (t) => {
  const made = makeOld(t, { rows: 2_000 });
  const key = made.key.toString("hex");
  const started = performance.now();
  const whole = await runChild("adoption.child.mjs", [copyOf(made.path, "whole"), key, 0]);
  const took = performance.now() - started;
  assert.equal(whole.code, 0, whole.stderr);
  let killed = 0;
  for (const part of [0.15, 0.3, 0.5, 0.7, 0.9]) {
    const path = copyOf(made.path, part);
    const { signal } = await runChild("adoption.child.mjs", [path, key, 0], { killAfter: took * part });
    // On a busy machine it may have been done before.
    if (signal === "SIGKILL") killed += 1;
    await assertSurvived(path, made, `killed after ${Math.round(part * 100)} %`, [
      "SECRET_0",
      "SECRET_1999",
      "LARGE",
    ]);
  }
  assert.ok(killed >= 2, `only ${killed} were killed in time`);
});

function copyOf(path, name) {
  const copy = `${path}.${name}.db`;
  copyFileSync(path, copy);
  return copy;
}

/** Opens what a killed process has left; tells how far it had come. */
async function assertSurvived(path, { key, values, before }, when, names) {
  const copy = `${path}.before-strongroom`;
  if (existsSync(copy)) {
    const backup = new DatabaseSync(copy);
    assert.deepEqual(snapshot(backup), before, `${when}: the copy is whole`);
    backup.close();
  }
  const raw = new DatabaseSync(path);
  assert.equal(raw.prepare("PRAGMA integrity_check").get().integrity_check, "ok", when);
  const tables = raw
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
    .all()
    .map((row) => row.name);
  const isOld = !tables.includes("strongroom_schema");
  const heads = isOld
    ? 0
    : raw.prepare("SELECT count(*) AS count FROM strongroom_records WHERE kind = 'head'").get().count;
  assert.deepEqual(
    tables.filter((name) => name.startsWith("strongroom_old")),
    [],
    when,
  );
  if (isOld) assert.deepEqual(snapshot(raw, columnsOf(before)), before, when);
  const store = new SqliteStore(path);
  if (heads === 0) assertNothingLost(raw, before);
  const vault = vaultOf(key, store);
  for (const name of names) {
    assert.equal((await vault.get(name, alice)).reveal(), values.get(name), `${when}: ${name}`);
  }
  assert.equal(
    (await vault.verifyAudit(alice)).unchained,
    before.secrets_audit.rows.filter(Boolean).length,
    when,
  );
  store.close();
  raw.close();
  if (isOld) return "old";
  return heads === 0 ? "rebuilt" : "adopted";
}

function digest(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
