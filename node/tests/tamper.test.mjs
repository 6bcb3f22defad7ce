/** What somebody with access to the SQLite file can alter: every column of every row, and rows as a whole. All is found. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { before, describe, test } from "node:test";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { makeOldDatabase } from "./old-bot.mjs";
import { alice } from "./support.mjs";

/** What no MAC covers: the table's own number, and counters. */
// By the dates lists find a secret, and nothing that they find is believed.
const UNCOVERED = {
  secrets: ["id", "accessed_count", "last_accessed", "rotation_due", "expires_at"],
  strongroom_records: ["expires_at"],
  secrets_audit: ["id", "secret_id"],
};

/** A database with some of everything in it, and a vault over it whose own events are not kept. */
async function makeScene(old) {
  const database = old?.database ?? new DatabaseSync(":memory:");
  const store = new SqliteStore(database);
  const keyring = old === undefined ? Keyring.generate() : Keyring.parse(old.key.toString("hex"));
  const vault = new Vault({ keyring, store });
  const telegram = { actor: { id: "bob", platform: "telegram" } };
  await vault.set("A", "first", alice);
  await vault.rotate("A", "second", telegram);
  await vault.set("A", "third", { ...alice, namespace: "other" });
  await vault.get("A", telegram);
  await vault.get("A", { ...alice, namespace: "other" });
  await vault.set("GONE", "value", alice);
  await vault.get("GONE", alice);
  await vault.delete("GONE", alice);
  await vault.set("AGAIN", "value", alice);
  await vault.delete("AGAIN", alice);
  await vault.set("AGAIN", "another", alice);
  await vault.get("AGAIN", alice);
  await vault.get("NOBODY", alice).catch(() => {});
  await vault.list(alice);
  const { id } = await vault.propose("rotate", "A", "proposed", telegram);
  await vault.verifyAudit(alice);
  const frozen = {
    load: (...args) => store.load(...args),
    list: (...args) => store.list(...args),
    events: (...args) => store.events(...args),
    commit: () => "committed",
  };
  return { database, id, telegram, old, vault: new Vault({ keyring, store: frozen }) };
}

/** Runs something on altered rows of a table and puts them back. */
async function altered(database, table, alter, look) {
  const rows = rowsOf(database, table);
  try {
    alter();
  } catch (error) {
    assert.match(error.message, /constraint failed/);
    return "impossible";
  }
  try {
    return await look();
  } finally {
    database.exec(`DELETE FROM ${table}`);
    for (const row of rows) insert(database, table, row);
  }
}

const rowsOf = (database, table) => database.prepare(`SELECT * FROM ${table}`).all();

function insert(database, table, row) {
  const names = Object.keys(row);
  const marks = names.map(() => "?").join();
  const listed = names.map(quoted).join();
  database.prepare(`INSERT INTO ${table} (${listed}) VALUES (${marks})`).run(...Object.values(row));
}

function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Other values of a column: alike, none, and of another type. */
function others(column, value) {
  const alike = [];
  if (typeof value === "number") alike.push(value + 1, 0, -1);
  if (value === null) alike.push("x", 1, "2024-01-01T00:00:00.000Z");
  if (typeof value === "string") {
    const last = value.at(-1) === "1" ? "2" : "1";
    alike.push(`${value.slice(0, -1)}${last}`, `${value}0`, value.toUpperCase(), "");
    if (/^\d{4}-/.test(value))
      alike.push(value.replace(/\d{3}Z$/, (end) => (end === "001Z" ? "002Z" : "001Z")));
  }
  const types = [null, 42, "text", Buffer.from([0, 0xff, 0x80])];
  return [...alike, ...types].filter((other) => other !== value && !sameReading(column, other, value));
}

/** SQLite reads 1 and 1.4 as the same whole number, and instants to the millisecond or not at all; so do we. */
function sameReading(column, other, value) {
  if (/_at$|^last_/.test(column)) {
    const [a, b] = [instant(other), instant(value)];
    return a === b || (a !== null && b !== null && Math.abs(a - b) < 1);
  }
  if (column === "success") return [0, 1].every((known) => (other === known) === (value === known));
  return typeof other === "number" && typeof value === "number" && Math.trunc(other) === Math.trunc(value);
}

const INSTANT = new DatabaseSync(":memory:").prepare("SELECT julianday(?) * 86400000.0 AS millis");
const instant = (value) => INSTANT.get(value).millis;

/** Whether a vault can be asked for a name: a row that loses its own is as good as deleted. */
const isName = (name) =>
  typeof name === "string"
    ? name !== "" && name.length <= 4096 && !name.includes("\0")
    : typeof name === "number";

function keyOf(table, row) {
  const columns = table === "strongroom_records" ? ["kind", "namespace", "name"] : ["id"];
  return [columns.map((column) => `${column} = ?`).join(" AND "), columns.map((column) => row[column])];
}

/** The codes that looking everywhere ends with. */
async function lookEverywhere({ vault, id, telegram }) {
  const looks = [
    () => vault.list(alice),
    () => vault.census(alice),
    () => vault.verifyAudit(alice),
    () => vault.confirm(id, telegram),
    () => vault.get("A", alice),
    () => vault.get("A", { ...alice, namespace: "other" }),
  ];
  const codes = [];
  for (const look of looks) {
    codes.push(
      await look().then(
        () => "ok",
        (error) => error.code ?? error.stack,
      ),
    );
  }
  return codes;
}

/** Alters every column of every row in every way; `judge` tells whether the codes say that it was found. */
async function alterAll(scene, table, { rows = () => true, judge }) {
  const { database } = scene;
  let count = 0;
  for (const row of rowsOf(database, table).filter(rows)) {
    for (const [column, value] of Object.entries(row)) {
      if (UNCOVERED[table]?.includes(column)) continue;
      for (const other of others(column, value)) {
        const [where, key] = keyOf(table, row);
        const alter = () =>
          database.prepare(`UPDATE ${table} SET ${quoted(column)} = ? WHERE ${where}`).run(other, ...key);
        const codes = await altered(database, table, alter, () => scene.look(scene));
        if (codes === "impossible") continue;
        const [whose, was, is] = [key, value, other].map((each) => JSON.stringify(each).slice(0, 80));
        const what = `${table} ${whose}: ${column} = ${was} altered to ${is}`;
        assert.ok(judge(codes, row, column, other), `${what}: ${codes}`);
        count += 1;
      }
    }
  }
  return count;
}

describe("in a vault's own database", () => {
  let scene;
  before(async () => {
    scene = await makeScene();
  });

  test("nothing is found when nothing was altered", async () => {
    assert.deepEqual(await lookEverywhere(scene), Array(6).fill("ok"));
    const codes = await altered(
      scene.database,
      "secrets",
      () => {},
      () => lookEverywhere(scene),
    );
    assert.deepEqual(codes, Array(6).fill("ok"), "putting the rows back alters nothing");
  });

  test("every altered column of every secret is found", async () => {
    const judge = ([list, census, , , ...gets], row, column, other) => {
      if (/^name/.test(column) && !isName(other))
        return row.name !== "A" || gets.includes("SECRET_NOT_FOUND");
      return list === "RECORD_TAMPERED" && census === "RECORD_TAMPERED";
    };
    const count = await alterAll({ ...scene, look: lookEverywhere }, "secrets", { judge });
    assert.ok(count > 200, `only ${count} alterations`);
  });

  test("counters and the number of the row are no part of what is sealed", async () => {
    for (const change of ["accessed_count = 77", "last_accessed = NULL", "id = id + 100"]) {
      const alter = () => scene.database.exec(`UPDATE secrets SET ${change}`);
      assert.deepEqual(
        await altered(scene.database, "secrets", alter, () => lookEverywhere(scene)),
        Array(6).fill("ok"),
      );
    }
  });

  test("every altered column of every other record is found", async () => {
    const judge = (codes, row, column) => {
      if (row.kind === "head") {
        // The head holds the root of the MAC key, sealed: spoiling that is found when it is opened.
        const sealed = ["RECORD_TAMPERED", "NOT_AUTHENTIC", "KEY_UNKNOWN", "TOKEN_MALFORMED"];
        const found = ["kind", "namespace", "name"].includes(column) ? ["VAULT_HEAD_MISSING"] : sealed;
        return codes.every((code) => found.includes(code));
      }
      const isMoved = ["kind", "namespace", "name"].includes(column);
      // A proposal that nobody can ask for any more is as good as deleted; and see the last test here.
      if (isMoved && row.kind === "stream" && row.name === "GONE") return true;
      const lost = isMoved && row.kind === "pending" ? "CONFIRMATION_NOT_FOUND" : "";
      return ["RECORD_TAMPERED", "AUDIT_TAMPERED", lost].some((code) => codes.includes(code));
    };
    // A stream's head that is away makes writers wait for each other: not looked at by those here.
    const look = async (each) => (await lookEverywhere(each)).slice(0, 4);
    const count = await alterAll({ ...scene, look }, "strongroom_records", { judge });
    assert.ok(count > 200, `only ${count} alterations`);
  });

  test("every altered place of the sealed root is found", async () => {
    const { data } = scene.database.prepare("SELECT data FROM strongroom_records WHERE kind = 'head'").get();
    for (let place = 0; place < data.length; place += 3) {
      const other = data.slice(0, place) + (data[place] === "7" ? "8" : "7") + data.slice(place + 1);
      const alter = () =>
        scene.database.prepare("UPDATE strongroom_records SET data = ? WHERE kind = 'head'").run(other);
      const codes = await altered(scene.database, "strongroom_records", alter, () => lookEverywhere(scene));
      assert.ok(!codes.includes("ok"), `place ${place}: ${codes}`);
    }
  });

  test("every altered column of every event is found and named", async () => {
    const look = async ({ vault }) =>
      vault.verifyAudit(alice).then(
        () => "ok",
        (error) => `${error.code} ${error.message}`,
      );
    const judge = (code) => /^AUDIT_TAMPERED .*(stream|old rows)/.test(code);
    const count = await alterAll({ ...scene, look }, "secrets_audit", { judge });
    assert.ok(count > 1000, `only ${count} alterations`);
  });

  test("every event that is dropped, and every run of events, is found", async () => {
    const rows = rowsOf(scene.database, "secrets_audit");
    for (const [index, { id }] of rows.entries()) {
      for (const last of [id, rows[index + 1]?.id ?? id, rows.at(-1).id]) {
        const alter = () =>
          scene.database.prepare("DELETE FROM secrets_audit WHERE id BETWEEN ? AND ?").run(id, last);
        await assertFound(scene, alter, `events ${id} to ${last} dropped`);
      }
    }
  });

  test("every event that is told twice is found", async () => {
    for (const row of rowsOf(scene.database, "secrets_audit")) {
      const { most } = scene.database
        .prepare("SELECT max(seq) AS most FROM secrets_audit WHERE stream = ?")
        .get(row.stream);
      for (const copy of [
        { seq: most + 1 },
        { seq: 0 },
        { stream: "copy", seq: 1 },
        { stream: null, seq: null },
        { stream: null, seq: null, mac: null, prev_mac: null },
      ]) {
        await assertFound(
          scene,
          () => insert(scene.database, "secrets_audit", { ...row, ...copy, id: null }),
          `event ${row.id} doubled`,
        );
      }
    }
  });

  test("any two events of a stream that exchange their places are found", async () => {
    const rows = rowsOf(scene.database, "secrets_audit");
    let count = 0;
    for (const a of rows) {
      for (const b of rows.filter((each) => each.stream === a.stream && each.seq > a.seq)) {
        const place = scene.database.prepare("UPDATE secrets_audit SET seq = ? WHERE id = ?");
        const alter = () =>
          [
            [1e6, a.id],
            [a.seq, b.id],
            [b.seq, a.id],
          ].map(([seq, id]) => place.run(seq, id));
        await assertFound(scene, alter, `events ${a.id} and ${b.id} exchanged`);
        count += 1;
      }
    }
    assert.ok(count > 20);
  });

  test("an event that is forged from others, and one that moves to another stream, are found", async () => {
    const [first, second] = rowsOf(scene.database, "secrets_audit").filter((row) => row.stream !== "vault");
    const take = (column) => () =>
      scene.database
        .prepare(`UPDATE secrets_audit SET ${column} = ? WHERE id = ?`)
        .run(second[column], first.id);
    for (const column of ["mac", "prev_mac", "operation_id", "action"])
      await assertFound(scene, take(column), column);
    const move = () =>
      scene.database
        .prepare("UPDATE secrets_audit SET stream = 'vault', seq = 1000 WHERE id = ?")
        .run(first.id);
    await assertFound(scene, move, "moved");
  });

  test("values, versions and rows that exchange their places are found", async () => {
    const exchange = (columns) => () => {
      const [a, b] = rowsOf(scene.database, "secrets");
      const set = columns.map((column) => `${column} = ?`).join();
      const run = (from, to) =>
        scene.database
          .prepare(`UPDATE secrets SET ${set} WHERE id = ?`)
          .run(...columns.map((column) => from[column]), to.id);
      scene.database.exec("UPDATE secrets SET uid = NULL");
      run(a, b);
      run(b, a);
    };
    for (const columns of [
      ["uid", "value_encrypted"],
      ["uid", "value_encrypted", "encryption_key_id", "value_fingerprint"],
      ["uid", "data"],
      [
        "uid",
        "value_encrypted",
        "encryption_key_id",
        "value_fingerprint",
        "version",
        "data",
        "record_mac",
        "revision",
        "state",
      ],
      [
        "uid",
        "value_encrypted",
        "encryption_key_id",
        "value_fingerprint",
        "version",
        "data",
        "record_mac",
        "revision",
        "state",
        "last_rotated",
        "created_by",
        "created_at",
        "updated_at",
      ],
    ]) {
      const codes = await altered(scene.database, "secrets", exchange(columns), () => lookEverywhere(scene));
      assert.equal(codes[0], "RECORD_TAMPERED", columns.join());
    }
    const back = () => {
      const row = rowsOf(scene.database, "secrets").find((each) => each.version === 2);
      const { versions } = JSON.parse(row.data);
      scene.database
        .prepare("UPDATE secrets SET value_encrypted = ?, version = 1 WHERE id = ?")
        .run(versions[0].value, row.id);
    };
    assert.equal(
      (await altered(scene.database, "secrets", back, () => lookEverywhere(scene)))[4],
      "RECORD_TAMPERED",
    );
  });

  test("a row that is copied to another name, or planted, is found", async () => {
    const [row] = rowsOf(scene.database, "secrets");
    for (const planted of [
      { ...row, id: null, name: "COPY", uid: null },
      { ...row, id: null, name: "COPY", uid: "0".repeat(32) },
      { name: "PLANTED", value_encrypted: row.value_encrypted },
      { name: "PLANTED", value_encrypted: row.value_encrypted, revision: 1, record_mac: row.record_mac },
    ]) {
      const codes = await altered(
        scene.database,
        "secrets",
        () => insert(scene.database, "secrets", planted),
        () => lookEverywhere(scene),
      );
      assert.equal(codes[0], "RECORD_TAMPERED");
    }
  });

  test("a head that was deleted is missed, and never made anew", async () => {
    const remove = (sql) =>
      altered(
        scene.database,
        "strongroom_records",
        () => scene.database.exec(sql),
        () => lookEverywhere(scene),
      );
    const codes = await remove("DELETE FROM strongroom_records WHERE kind = 'head'");
    assert.deepEqual(new Set(codes), new Set(["VAULT_HEAD_MISSING"]));
    assert.deepEqual(
      new Set(await remove("DELETE FROM strongroom_records")),
      new Set(["VAULT_HEAD_MISSING"]),
    );
  });

  test("a stream's head that was deleted is missed", async () => {
    for (const { namespace, name } of rowsOf(scene.database, "strongroom_records").filter(
      (row) => row.kind === "stream",
    )) {
      const remove = scene.database.prepare(
        "DELETE FROM strongroom_records WHERE kind = 'stream' AND namespace = ? AND name = ?",
      );
      const look = () =>
        scene.vault.verifyAudit(alice).then(
          () => "ok",
          (error) => error.code,
        );
      const code = await altered(
        scene.database,
        "strongroom_records",
        () => remove.run(namespace, name),
        look,
      );
      assert.equal(code, "AUDIT_TAMPERED", `${namespace}:${name}`);
    }
  });
});

async function assertFound({ database, vault }, alter, what) {
  const look = () =>
    vault.verifyAudit(alice).then(
      () => "ok",
      (error) => error.code,
    );
  assert.equal(await altered(database, "secrets_audit", alter, look), "AUDIT_TAMPERED", what);
}

describe("in an adopted database", () => {
  let scene;
  before(async () => {
    const old = makeOldDatabase(":memory:", { rows: 4 });
    old.database.exec("DROP TRIGGER secrets_log; DELETE FROM secrets WHERE length(value_encrypted) > 10000");
    scene = await makeScene(old);
  });

  test("every altered column of every adopted secret is found, but for those that only the old program knows", async () => {
    const ours = new Set(Object.keys(scene.database.prepare("SELECT * FROM secrets WHERE name = 'A'").get()));
    for (const own of ["notes", "priority", 'odd "name"', "added", "owner_id"]) ours.delete(own);
    const adopted = (row) => row.revision > 0;
    const judge = ([list], _, column, other) => {
      return !ours.has(column) || (/^name/.test(column) && !isName(other)) || list === "RECORD_TAMPERED";
    };
    const look = async ({ vault }) => [
      await vault.list(alice).then(
        () => "ok",
        (error) => error.code ?? error.stack,
      ),
    ];
    const count = await alterAll({ ...scene, look }, "secrets", { rows: adopted, judge });
    assert.ok(count > 500, `only ${count} alterations`);
  });

  test("every altered column of every old audit row is found, and rows that are dropped, added or exchanged", async () => {
    const old = rowsOf(scene.database, "secrets_audit").filter((row) => row.stream === null);
    assert.ok(old.length > 10);
    const look = async ({ vault }) =>
      vault.verifyAudit(alice).then(
        () => "ok",
        (error) => error.code,
      );
    const judge = (code, _, column) => column === "ip" || code === "AUDIT_TAMPERED";
    await alterAll({ ...scene, look }, "secrets_audit", { rows: (row) => row.stream === null, judge });
    for (const { id } of old) {
      await assertFound(
        scene,
        () => scene.database.prepare("DELETE FROM secrets_audit WHERE id = ?").run(id),
        `row ${id} dropped`,
      );
    }
    await assertFound(
      scene,
      () => scene.database.exec("INSERT INTO secrets_audit (action) VALUES ('get')"),
      "added",
    );
    await assertFound(
      scene,
      () => scene.database.exec("DELETE FROM secrets_audit WHERE stream IS NULL"),
      "all dropped",
    );
    const [a, b] = old.map((row) => row.id);
    const exchange = () =>
      scene.database.exec(
        `UPDATE secrets_audit SET id = -1 WHERE id = ${a}; UPDATE secrets_audit SET id = ${a} WHERE id = ${b}; UPDATE secrets_audit SET id = ${b} WHERE id = -1`,
      );
    await assertFound(scene, exchange, "exchanged");
  });
});
