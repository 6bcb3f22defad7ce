/** The store in PostgreSQL, over a server of its own: the contract, the behaviour suite, opening, and what it is given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { PostgresStore } from "../lib/node/ts/postgres.js";
import { checkStore } from "../lib/node/ts/testing.js";
import { behaviour } from "./behaviour.mjs";
import { cluster } from "./postgres-cluster.mjs";
import { alice, closing } from "./support.mjs";

const server = cluster({ max_connections: "200" });

/** A store in a schema of its own, closed after the test. */
function newStore(t, options = {}) {
  return closing(t, new PostgresStore(server.url(), { schema: server.newSchema(), max: 4, ...options }));
}

test("it keeps the storage contract", async (t) => {
  const passed = await checkStore(newStore(t));
  assert.ok(passed.length >= 15, passed.join());
});

behaviour("PostgresStore", (t) => newStore(t));

test("it keeps the storage contract without prepared statements, as an old PgBouncer needs it", async (t) => {
  const store = newStore(t, { prepare: false });
  assert.ok((await checkStore(store)).length >= 15);
  const pool = closingPool(t, new pg.Pool({ connectionString: server.url(), max: 1 }));
  const other = new PostgresStore(pool, { schema: server.newSchema(), prepare: false });
  await new Vault({ keyring: Keyring.generate(), store: other }).set("A", "value", alice);
  assert.deepEqual((await pool.query("SELECT name FROM pg_prepared_statements")).rows, []);
});

function closingPool(t, pool) {
  t.after(() => pool.end());
  return pool;
}
