/** The store in PostgreSQL, over a server of its own: the contract, the behaviour suite, opening, and what it is given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import pg from "pg";
import { isStrongroomError, Keyring, Vault } from "../lib/node/ts/index.js";
import { PostgresStore } from "../lib/node/ts/postgres.js";
import { checkStore } from "../lib/node/ts/testing.js";
import { behaviour } from "./behaviour.mjs";
import { cluster, ownAddress } from "./postgres-cluster.mjs";
import { alice, closing, refused, runChild } from "./support.mjs";

const server = cluster({ max_connections: "200" });

/** A store in a schema of its own, closed after the test. */
function newStore(t, options = {}) {
  return closing(t, new PostgresStore(server.url(), { schema: server.newSchema(), max: 4, ...options }));
}

function newPool(t, config = {}) {
  const pool = new pg.Pool({ connectionString: server.url(), ...config });
  t.after(() => pool.end());
  return pool;
}

const newVault = (store) => new Vault({ keyring: Keyring.generate(), store });

async function tablesOf(schema) {
  const sql = "SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE nspname = $1";
  return (await server.query(sql, [schema])).length;
}

test("it keeps the storage contract", async (t) => {
  const passed = await checkStore(newStore(t));
  assert.ok(passed.length >= 15, passed.join());
});

behaviour("PostgresStore", (t) => newStore(t));

test("it keeps the storage contract without prepared statements, and over one Client", async (t) => {
  assert.ok((await checkStore(newStore(t, { prepare: false }))).length >= 15);
  const client = new pg.Client(server.url());
  await client.connect();
  t.after(() => client.end());
  assert.ok((await checkStore(new PostgresStore(client, { schema: server.newSchema() }))).length >= 15);
});

test("a vault over it works, and another store reads what it wrote", async () => {
  const schema = server.newSchema();
  const first = await PostgresStore.open(server.url(), { schema });
  const keyring = Keyring.generate();
  await new Vault({ keyring, store: first }).set("A", "sk_test_abc123", alice);
  await first.close();
  await using second = await PostgresStore.open(server.url(), { schema });
  const vault = new Vault({ keyring, store: second });
  assert.equal((await vault.get("A", alice)).reveal(), "sk_test_abc123");
  assert.equal((await vault.list(alice))[0].accessedCount, 1);
  await vault.verifyAudit(alice);
});

// Opening

test("`new` connects to nothing, and the first request opens the database, however many there are at once", async (t) => {
  const schema = server.newSchema();
  const store = newStore(t, { schema });
  assert.equal(await tablesOf(schema), 0);
  const loaded = await Promise.all(Array.from({ length: 20 }, () => store.load([])));
  assert.deepEqual(loaded.flat(), []);
  assert.ok((await tablesOf(schema)) > 5);
});

test("eight processes open a schema that does not exist at the same instant, and use it", async (t) => {
  for (let round = 0; round < 2; round += 1) {
    const [schema, keyring, instant] = [server.newSchema(), Keyring.generate(), Date.now() + 1500];
    const args = [server.url(), schema, keyring.dangerousExport(), instant];
    const children = Array.from({ length: 8 }, () => runChild("postgres-opening.child.mjs", args));
    for (const { code, stderr } of await Promise.all(children)) assert.equal(code, 0, stderr);
    const vault = new Vault({ keyring, store: newStore(t, { schema }) });
    assert.equal((await vault.list(alice)).length, 8);
    await vault.verifyAudit(alice);
  }
});

for (const schema of [
  "Mixed Case",
  'quo"ted',
  "it's",
  'x"; DROP SCHEMA public CASCADE; --',
  "back\\slash'",
  "{schema}$$%s$1",
  "\u{1F511} é\n",
  "x".repeat(63),
]) {
  test(`a schema may be called ${JSON.stringify(schema)}, and nothing else is touched`, async (t) => {
    await newVault(newStore(t, { schema })).set("A", "value", alice);
    assert.ok((await tablesOf(schema)) > 5);
    const [{ there }] = await server.query("SELECT to_regnamespace('public') IS NOT NULL AS there");
    assert.ok(there);
  });
}

test("a schema that no database can have is refused at once", async () => {
  for (const schema of ["", "a\0b", "x".repeat(64), "é".repeat(32)])
    await refused("INVALID_ARGUMENT", () => new PostgresStore(server.url(), { schema }));
  for (const schema of [5, {}, ["public"]])
    await refused("INVALID_ARGUMENT", () => new PostgresStore(server.url(), { schema }));
});

test("two vaults in two schemas share a connection, and know nothing of each other", async (t) => {
  const pool = newPool(t, { max: 1 });
  const connection = async () => (await pool.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
  const first = await connection();
  const vaults = [server.newSchema(), server.newSchema()].map((schema) =>
    newVault(new PostgresStore(pool, { schema })),
  );
  for (const [index, vault] of vaults.entries()) await vault.set("A", `value ${index}`, alice);
  assert.equal((await vaults[0].get("A", alice)).reveal(), "value 0");
  assert.equal((await vaults[1].get("A", alice)).reveal(), "value 1");
  assert.equal(await connection(), first, "the statements of one were no reason to close it for the other");
});

test("tables of another program, and those of a newer strongroom, are refused by `open` with their code", async () => {
  const schema = server.newSchema();
  await server.query(`CREATE SCHEMA ${schema}`);
  await server.query(`CREATE TABLE ${schema}.secrets (id integer)`);
  const error = await refused("UNSUPPORTED", () => PostgresStore.open(server.url(), { schema }));
  assert.match(error.message, /secrets/);
  const newer = server.newSchema();
  await (await PostgresStore.open(server.url(), { schema: newer })).close();
  await server.query(`UPDATE ${newer}.strongroom_schema SET version = 1000`);
  await refused("UNSUPPORTED", () => PostgresStore.open(server.url(), { schema: newer }));
});

test("what opening failed by is the cause of the first operation's error, and the next one tries again", async (t) => {
  const schema = server.newSchema();
  await server.query(`CREATE SCHEMA ${schema}`);
  await server.query(`CREATE TABLE ${schema}.secrets (id integer)`);
  const vault = newVault(newStore(t, { schema }));
  const error = await refused("STORAGE_FAILED", () => vault.get("A", alice));
  assert.ok(isStrongroomError(error.cause, "UNSUPPORTED"), error.cause);
  await server.query(`DROP TABLE ${schema}.secrets`);
  await vault.set("A", "value", alice);
});

test("an opening that fails half-way leaves nothing behind", async () => {
  const schema = server.newSchema();
  await server.query(`CREATE SCHEMA ${schema}`);
  // In the way of what is made late.
  await server.query(
    `CREATE FUNCTION ${schema}.strongroom_commit(jsonb) RETURNS json LANGUAGE sql AS 'SELECT NULL::json'`,
  );
  await assert.rejects(PostgresStore.open(server.url(), { schema }), { code: "42723" });
  assert.equal(await tablesOf(schema), 0);
});

test("a role that may create nothing opens a database that is up to date, and no other", async (t) => {
  const [schema, missing] = [server.newSchema(), server.newSchema()];
  await (await PostgresStore.open(server.url(), { schema })).close();
  await server.query("CREATE ROLE app LOGIN");
  await server.query(`GRANT USAGE ON SCHEMA ${schema} TO app`);
  await server.query(
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.secrets, ${schema}.strongroom_records, ${schema}.strongroom_fingerprints TO app`,
  );
  await server.query(`GRANT SELECT, INSERT ON ${schema}.secrets_audit TO app`);
  await server.query(`GRANT SELECT ON ${schema}.strongroom_schema TO app`);
  const store = closing(t, await PostgresStore.open(server.url("app"), { schema }));
  const vault = newVault(store);
  await vault.set("A", "value", alice);
  await vault.rotate("A", "another", alice);
  assert.equal((await vault.get("A", alice)).reveal(), "another");
  await vault.delete("A", alice);
  await vault.verifyAudit(alice);
  await assert.rejects(PostgresStore.open(server.url("app"), { schema: missing }), { code: "42501" });
});

test("a server that is not there, and a user whom it does not know, are told as pg tells them", async () => {
  await assert.rejects(PostgresStore.open("postgresql://u@127.0.0.1:1/d"), { code: "ECONNREFUSED" });
  await assert.rejects(PostgresStore.open(server.url("nobody")), { code: "28000" });
  await assert.rejects(PostgresStore.open(server.url("postgres", "nothing")), { code: "3D000" });
});

// What it is given

test("a Pool that is given stays open, with the listeners that it had", async (t) => {
  const pool = newPool(t);
  const store = await PostgresStore.open(pool, { schema: server.newSchema() });
  assert.equal(pool.listenerCount("error"), 1);
  await store.close();
  await store.close();
  assert.equal(pool.listenerCount("error"), 0);
  assert.equal((await pool.query("SELECT 1 AS one")).rows[0].one, 1);
});

test("operations at the same time take turns on a Client, without a warning", async (t) => {
  const warnings = [];
  const warned = (warning) => warnings.push(warning.message);
  process.on("warning", warned);
  t.after(() => process.removeListener("warning", warned));
  const client = new pg.Client(server.url());
  await client.connect();
  t.after(() => client.end());
  const vault = newVault(new PostgresStore(client, { schema: server.newSchema() }));
  await Promise.all(Array.from({ length: 20 }, (_, index) => vault.set(`A${index}`, "value", alice)));
  assert.equal((await vault.list(alice)).length, 20);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test("a Client in the middle of a transaction is refused: what it would commit may still be taken back", async (t) => {
  const client = new pg.Client(server.url());
  await client.connect();
  t.after(() => client.end());
  const vault = newVault(await PostgresStore.open(client, { schema: server.newSchema() }));
  await client.query("BEGIN");
  const error = await refused("STORAGE_FAILED", () => vault.set("A", "value", alice));
  assert.ok(isStrongroomError(error.cause, "INVALID_ARGUMENT"), error.cause);
  await client.query("ROLLBACK");
  await vault.set("A", "value", alice);
});

test("hostile options and databases are refused, and nothing of them is repeated", async (t) => {
  const pool = newPool(t);
  for (const [database, options] of [
    [server.url(), { shema: "app" }],
    [server.url(), { requireTls: "false" }],
    [server.url(), { prepare: 0 }],
    [server.url(), { max: 0 }],
    [server.url(), { max: "4" }],
    [pool, { max: 4 }],
    [pool, { requireTls: true }],
    ["sk_test_abc123", {}],
    ["", {}],
    ["mysql://user:sk_test_abc123@localhost/d", {}],
    ["postgresql+psycopg://user:sk_test_abc123@localhost/d", {}],
    ["postgresql://user:sk_test_abc123@local host:x/d", {}],
    [undefined, {}],
    [null, {}],
    [5, {}],
    [() => {}, {}],
  ]) {
    const error = await refused("INVALID_ARGUMENT", () => new PostgresStore(database, options));
    assert.doesNotMatch(`${error.stack}${String(error.cause)}`, /sk_test/);
  }
  assert.equal(pool.listenerCount("error"), 0);
});

test("connections prepare each request once, and no more as time goes by", async (t) => {
  const pool = newPool(t, { max: 1 });
  const vault = newVault(new PostgresStore(pool, { schema: server.newSchema() }));
  for (let index = 0; index < 30; index += 1) {
    await vault.set(`A${index}`, "value", alice);
    await vault.get(`A${index}`, alice);
    await vault.list(alice);
    await vault.audit(alice);
  }
  const { rows } = await pool.query("SELECT name FROM pg_prepared_statements ORDER BY 1");
  assert.deepEqual(
    rows.map(({ name }) => name.replace(/_[0-9a-f]{16}$/, "")),
    ["strongroom_commit", "strongroom_events", "strongroom_list", "strongroom_load"],
  );
  const none = newPool(t, { max: 1 });
  await newVault(new PostgresStore(none, { schema: server.newSchema(), prepare: false })).list(alice);
  assert.deepEqual((await none.query("SELECT name FROM pg_prepared_statements")).rows, []);
});

for (const forget of ["DEALLOCATE ALL", "DISCARD ALL"]) {
  test(`statements work although the application does ${forget} on the connections`, async (t) => {
    const pool = newPool(t, { max: 2 });
    const vault = newVault(new PostgresStore(pool, { schema: server.newSchema() }));
    for (let index = 0; index < 10; index += 1) {
      await vault.set("A", `value ${index}`, alice);
      await Promise.all([pool.query(forget), pool.query(forget)]);
      assert.equal((await vault.get("A", alice)).reveal(), `value ${index}`);
    }
    const client = new pg.Client(server.url());
    await client.connect();
    t.after(() => client.end());
    const single = newVault(new PostgresStore(client, { schema: server.newSchema() }));
    await single.set("A", "value", alice);
    await client.query(forget);
    assert.equal((await single.get("A", alice)).reveal(), "value");
    assert.equal((await single.list(alice))[0].version, 1);
  });
}

test("connections go on when the schema was dropped and restored under them", async (t) => {
  const [schema, pool] = [server.newSchema(), newPool(t, { max: 2 })];
  const store = new PostgresStore(pool, { schema });
  await newVault(store).set("A", "value", alice);
  await server.query(`DROP SCHEMA ${schema} CASCADE`);
  await (await PostgresStore.open(server.url(), { schema })).close();
  const vault = newVault(store);
  assert.deepEqual(await vault.list(alice), []);
  await vault.set("A", "value", alice);
  assert.equal((await vault.get("A", alice)).reveal(), "value");
});

test("the store shows nothing of its URL", (t) => {
  const store = closing(t, new PostgresStore("postgresql://user:sk_test_abc123@localhost/d"));
  assert.doesNotMatch(JSON.stringify(store) + inspect(store, { depth: 10, showHidden: true }), /sk_test/);
});

// Encryption

const REMOTE = "postgresql://app@db.example.com/app";

for (const [what, database, env] of [
  ["a URL that says nothing", REMOTE],
  ["sslmode=disable", `${REMOTE}?sslmode=disable`],
  ["sslmode=allow", `${REMOTE}?sslmode=allow`],
  ["sslmode=prefer", `${REMOTE}?sslmode=prefer`],
  ["sslmode=no-verify", `${REMOTE}?sslmode=no-verify`],
  ["libpq's sslmode=require, which checks no certificate", `${REMOTE}?sslmode=require&uselibpqcompat=true`],
  ["ssl=0", `${REMOTE}?ssl=0`],
  ["ssl=no-verify", `${REMOTE}?ssl=no-verify`],
  ["several hosts", "postgresql://app@localhost,db.example.com/app"],
  ["a host in the query", "postgresql://app@localhost/app?host=db.example.com"],
  ["an address of a network", "postgresql://app@10.0.0.1/app"],
  ["every address", "postgresql://app@0.0.0.0/app"],
  ["an IPv6 address", "postgresql://app@[2001:db8::1]/app"],
  ["a name that begins as loopback does", "postgresql://app@127.0.0.1.example.com/app"],
  ["a config without ssl", { host: "db.example.com" }],
  ["a config with ssl: false", { host: "db.example.com", ssl: false }],
  ["a config with rejectUnauthorized: false", { host: "db.example.com", ssl: { rejectUnauthorized: false } }],
  ["a URL that overrules the config", { connectionString: `${REMOTE}?sslmode=disable`, ssl: true }],
  ["a URL whose host overrules the config's", { connectionString: REMOTE, host: "localhost" }],
  ["PGHOST", {}, { PGHOST: "db.example.com" }],
  ["PGHOST for a URL without a host", "postgresql:///app", { PGHOST: "db.example.com" }],
  ["PGSSLMODE=disable", REMOTE, { PGSSLMODE: "disable" }],
  ["PGSSLMODE=allow", REMOTE, { PGSSLMODE: "allow" }],
  ["PGSSLMODE=prefer", REMOTE, { PGSSLMODE: "prefer" }],
  ["PGSSLMODE=no-verify", REMOTE, { PGSSLMODE: "no-verify" }],
]) {
  test(`a connection to another machine by ${what} is refused before it is made`, async (t) => {
    withEnv(t, env);
    const error = await refused("INVALID_ARGUMENT", () => new PostgresStore(database));
    assert.match(error.message, /sslmode=verify-full.*requireTls: false/);
    await new PostgresStore(database, { requireTls: false }).close();
  });
}

for (const [what, database, env] of [
  ["sslmode=verify-full", `${REMOTE}?sslmode=verify-full`],
  ["sslmode=require, which checks the certificate here", `${REMOTE}?sslmode=require`],
  ["ssl=true", `${REMOTE}?ssl=true`],
  ["a config with ssl", { host: "db.example.com", ssl: true }],
  ["a config with an authority of its own", { host: "db.example.com", ssl: { ca: "..." } }],
  ["PGSSLMODE", REMOTE, { PGSSLMODE: "verify-full" }],
  ["localhost", "postgresql://app@localhost/app?sslmode=disable"],
  ["nothing but a database", "postgresql:///app"],
  ["loopback", "postgresql://app@127.0.0.1/app"],
  ["another address of loopback", "postgresql://app@127.8.9.10/app"],
  ["loopback of IPv6", "postgresql://app@[::1]/app"],
  ["loopback of IPv4 in IPv6", { host: "::ffff:127.0.0.1" }],
  ["a Unix socket", { host: "/var/run/postgresql" }],
  ["a Unix socket in a URL", "postgresql:///app?host=/var/run/postgresql"],
  ["a Unix socket of PGHOST", {}, { PGHOST: "/var/run/postgresql" }],
]) {
  test(`a connection by ${what} is taken`, async (t) => {
    withEnv(t, env);
    await new PostgresStore(database).close();
  });
}

function withEnv(t, env = {}) {
  for (const [name, value] of Object.entries({ PGHOST: undefined, PGSSLMODE: undefined, ...env })) {
    const before = process.env[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

test("a connection over the network is encrypted, and its certificate is checked", async (t) => {
  const host = ownAddress();
  if (host === undefined) return t.skip("this machine has no address but loopback");
  const config = { host, port: server.port, user: "postgres", database: "postgres" };
  const schema = server.newSchema();
  await assert.rejects(PostgresStore.open({ ...config, ssl: true }, { schema }), {
    code: "DEPTH_ZERO_SELF_SIGNED_CERT",
  });
  const pool = newPool(t, { ...config, connectionString: undefined, ssl: { ca: server.certificate } });
  assert.equal(
    (await pool.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).rows[0].ssl,
    true,
  );
  const store = await PostgresStore.open({ ...config, ssl: { ca: server.certificate } }, { schema });
  await newVault(closing(t, store)).set("A", "value", alice);
  const [{ count }] = await server.query(
    "SELECT count(*)::integer FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'strongroom'",
  );
  assert.ok(count > 0);
});
