/** A PostgreSQL server that fails in the middle: nothing is lost, nothing is done twice, and no process ends by it. */
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import pg from "pg";
import { isStrongroomError, Keyring, NothingAppliedError, Vault } from "../lib/node/ts/index.js";
import { PostgresStore } from "../lib/node/ts/postgres.js";
import { cluster } from "./postgres-cluster.mjs";
import { alice, closing, refused } from "./support.mjs";

const server = cluster();
const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** Ends every connection of a store, as an administrator does. */
const cutAll = () =>
  server.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'strongroom'",
  );

const NAMES = Array.from({ length: 4 }, (_, index) => `SHARED_${index}`);

/** Works on a few secrets until it is told to stop; keeps what was done, and what nobody knows of. */
class Work {
  done = { gets: new Map(), versions: new Map() };
  unknown = { gets: new Map(), versions: new Map() };
  failed = 0;
  #stopped = false;

  constructor(vault, lanes) {
    this.vault = vault;
    this.ended = Promise.allSettled(Array.from({ length: lanes }, (_, lane) => this.#run(lane)));
  }

  async stop() {
    this.#stopped = true;
    for (const { reason } of await this.ended) if (reason !== undefined) throw reason;
  }

  async #run(lane) {
    for (let index = lane; !this.#stopped; index += 1) {
      const name = NAMES[index % NAMES.length];
      const kind = index % 3 === 0 ? "versions" : "gets";
      try {
        const value =
          kind === "gets" ? (await this.vault.get(name, alice)).reveal() : `${name}=${lane}.${index}`;
        assert.ok(value.startsWith(`${name}=`));
        const told = kind === "gets" ? 1 : (await this.vault.rotate(name, value, alice)).version;
        add(this.done[kind], name, told);
      } catch (error) {
        assert.ok(isStrongroomError(error, "STORAGE_FAILED"), error.stack);
        this.failed += 1;
        add(this.unknown[kind], name, undefined);
        await sleep(10);
      }
    }
  }

  /** That the store has all that was done, once, and of what nobody knows no more than that. */
  async assertTold() {
    const listed = new Map((await this.vault.list(alice)).map((each) => [each.name, each]));
    let [least, most] = [0, 0];
    for (const name of NAMES) {
      const { accessedCount, version } = listed.get(name);
      const [gets, getsAtMost] = this.#count("gets", name);
      const [writes, writesAtMost] = this.#count("versions", name);
      assert.ok(gets <= accessedCount && accessedCount <= getsAtMost, `${name}: ${accessedCount} reads`);
      assert.ok(writes + 1 <= version && version <= writesAtMost + 1, `${name}: version ${version}`);
      const versions = this.done.versions.get(name) ?? [];
      assert.equal(new Set(versions).size, versions.length, `${name}: each write made a version of its own`);
      least += gets + writes;
      most += getsAtMost + writesAtMost;
    }
    const { events } = await this.vault.verifyAudit(alice);
    // The beginning, the creations, and the list above.
    const others = NAMES.length + 2;
    assert.ok(least + others <= events && events <= most + others, `${events} events of ${least} to ${most}`);
  }

  #count(kind, name) {
    const done = this.done[kind].get(name)?.length ?? 0;
    return [done, done + (this.unknown[kind].get(name)?.length ?? 0)];
  }
}

function add(map, name, what) {
  map.set(name, [...(map.get(name) ?? []), what]);
}

async function working(t, lanes) {
  const store = closing(t, await PostgresStore.open(server.url(), { schema: server.newSchema(), max: 6 }));
  const vault = new Vault({ keyring: Keyring.generate(), store });
  for (const name of NAMES) await vault.set(name, `${name}=first`, alice);
  const work = new Work(vault, lanes);
  t.after(() => work.stop());
  return work;
}

test("connections cut in the middle of commits: nothing is lost, nothing is done twice", async (t) => {
  const work = await working(t, 6);
  for (let index = 0; index < 40; index += 1) {
    await sleep(25);
    await cutAll();
  }
  await work.stop();
  await work.assertTold();
});

test("the server stopped at once and started again, three times: nothing is lost, nothing is done twice", async (t) => {
  const work = await working(t, 6);
  for (let index = 0; index < 3; index += 1) {
    await sleep(300);
    await server.stop("SIGQUIT");
    await sleep(100);
    await server.start();
  }
  await sleep(300);
  const before = work.failed;
  await sleep(300);
  assert.equal(work.failed, before, "the server is back, and nothing fails any more");
  await work.stop();
  assert.ok(work.failed > 0, "some operation met a server that was not there");
  await work.assertTold();
});

for (const [what, make] of Object.entries({
  "of its own": (t, schema) => closing(t, new PostgresStore(server.url(), { schema })),
  "that was given, and that nobody listens to": (t, schema) => {
    const pool = new pg.Pool({ connectionString: server.url(), application_name: "strongroom" });
    t.after(() => pool.end());
    return new PostgresStore(pool, { schema });
  },
})) {
  test(`idle connections of a pool ${what} are cut, and the next operation has another one`, async (t) => {
    const vault = new Vault({ keyring: Keyring.generate(), store: make(t, server.newSchema()) });
    await Promise.all(["A", "B", "C", "D"].map((name) => vault.set(name, "value", alice)));
    await cutAll();
    await sleep(50);
    await Promise.all(["A", "B", "C", "D"].map((name) => vault.get(name, alice)));
    await cutAll();
    // At once: the pool has not heard of it yet.
    await Promise.all(["A", "B", "C", "D"].map((name) => vault.get(name, alice)));
    assert.deepEqual(
      (await vault.list(alice)).map(({ accessedCount }) => accessedCount),
      [2, 2, 2, 2],
    );
  });
}

test("a Client that is cut ends no process: the operation fails, with the cause", async (t) => {
  const client = new pg.Client({ connectionString: server.url(), application_name: "strongroom" });
  await client.connect();
  t.after(() => client.end());
  const store = new PostgresStore(client, { schema: server.newSchema() });
  const vault = new Vault({ keyring: Keyring.generate(), store });
  await vault.set("A", "value", alice);
  await cutAll();
  await sleep(50);
  const error = await refused("STORAGE_FAILED", () => vault.get("A", alice));
  assert.ok(error.cause instanceof Error, error.cause);
});

/** Stands before the server and cuts the connection at a request: before the server has it, or before its answer is heard. */
async function cutter(t, where, request = "commit") {
  const state = { left: 0, cut: 0 };
  const between = createServer((client) => {
    const upstream = connect(server.port, "127.0.0.1");
    let isAsking = false;
    const cut = () => {
      state.left -= 1;
      state.cut += 1;
      client.destroy();
      upstream.destroy();
    };
    client.on("data", (data) => {
      isAsking = data.includes(`strongroom_${request}`);
      if (isAsking && state.left > 0 && where === "request") cut();
      else upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (isAsking && state.left > 0) cut();
      else client.write(data);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ])
      one.on("error", () => {}).on("close", () => other.destroy());
  });
  await new Promise((resolve) => between.listen(0, "127.0.0.1", resolve));
  t.after(() => between.close());
  const store = new PostgresStore(`postgresql://postgres@127.0.0.1:${between.address().port}/postgres`, {
    schema: server.newSchema(),
  });
  const vault = new Vault({ keyring: Keyring.generate(), store: closing(t, store) });
  await vault.set("A", "first", alice);
  return { vault, state };
}

for (const where of ["request", "answer"]) {
  for (const times of [1, 3]) {
    test(`the ${where} of a commit is lost ${times} times: the operation is done once`, async (t) => {
      const { vault, state } = await cutter(t, where);
      state.left = times;
      assert.equal((await vault.rotate("A", "second", alice)).version, 2);
      assert.equal(state.cut, times);
      assert.equal((await vault.get("A", alice)).reveal(), "second");
      const { events } = await vault.verifyAudit(alice);
      assert.equal(events, 4);
    });
  }

  test(`the ${where} of every commit is lost: the operation fails, and what became of it is whole`, async (t) => {
    const { vault, state } = await cutter(t, where);
    state.left = Number.POSITIVE_INFINITY;
    const error = await refused("STORAGE_FAILED", () => vault.rotate("A", "second", alice));
    assert.ok(error.cause instanceof Error);
    state.left = 0;
    const isDone = where === "answer";
    assert.equal((await vault.get("A", alice)).reveal(), isDone ? "second" : "first");
    await vault.verifyAudit(alice);
  });
}

test("the answer of a read is lost once: it is asked for once more, and a second time it fails", async (t) => {
  const { vault, state } = await cutter(t, "answer", "load");
  state.left = 1;
  assert.equal((await vault.get("A", alice)).reveal(), "first");
  assert.equal(state.cut, 1);
  state.left = 2;
  await refused("STORAGE_FAILED", () => vault.get("A", alice));
  assert.equal(state.cut, 3);
});

// What the server says

/** Somebody who sits in a transaction with a lock on the secret A. */
async function holding(t, schema) {
  const holder = new pg.Client(server.url());
  await holder.connect();
  t.after(() => holder.end());
  await holder.query("BEGIN");
  await holder.query(`SELECT FROM ${schema}.secrets WHERE name = 'A' FOR UPDATE`);
  return holder;
}

test("a lock that is held for too long fails who needs it, with nothing applied, and nobody else", async (t) => {
  const schema = server.newSchema();
  const config = { connectionString: server.url(), options: "-c lock_timeout=200" };
  const store = closing(t, await PostgresStore.open(config, { schema, max: 2 }));
  const vault = new Vault({ keyring: Keyring.generate(), store });
  for (const name of ["A", "B"]) await vault.set(name, "value", alice);
  const holder = await holding(t, schema);
  const rotate = () => refused("STORAGE_FAILED", () => vault.rotate("A", "another", alice));
  for (const error of await Promise.all(Array.from({ length: 5 }, rotate))) {
    assert.match(error.message, /applied nothing/);
    assert.match(error.cause.message, /nothing was applied: look in pg_stat_activity/);
    assert.equal(error.cause.cause.code, "55P03");
  }
  assert.equal((await vault.get("B", alice)).reveal(), "value");
  await holder.query("ROLLBACK");
  assert.equal((await vault.rotate("A", "another", alice)).version, 2);
});

/** A connection whose server answers requests with these errors, and all that follow with the last. */
function answering(...codes) {
  const statements = [];
  const whole = { server: 160000, encoding: "UTF8", is_replica: false };
  const schema = {
    has_schema: true,
    is_open: false,
    strangers: [],
    tables: ["secrets", "strongroom_schema"],
  };
  const opening = [
    JSON.stringify({ ...whole, ...schema }),
    1, // the version
  ];
  return {
    statements,
    on() {},
    removeListener() {},
    async query({ text, name }) {
      if (opening.length > 0) return { rows: [{ told: opening.shift() }] };
      statements.push({ text, name });
      const code = codes.length > 1 ? codes.shift() : codes[0];
      throw Object.assign(new Error("of the server"), { code, severity: "ERROR" });
    },
  };
}

const CHANGES = { operation_id: "o", puts: [], deletes: [], checks: [], counters: [], events: [] };

test("a commit that was applied is told of at once, whoever holds its records by then", async (t) => {
  const schema = server.newSchema();
  const config = { connectionString: server.url(), options: "-c lock_timeout=200" };
  const store = closing(t, await PostgresStore.open(config, { schema }));
  await new Vault({ keyring: Keyring.generate(), store }).set("A", "value", alice);
  const key = { kind: "secret", namespace: "default", name: "A" };
  const event = { stream: "s", seq: 1, at: 5, operation_id: "o", action: "get" };
  const changes = { ...CHANGES, counters: [{ key, accessed: 1, at: 5 }], events: [event] };
  assert.equal(await store.commit(changes), "committed");
  await holding(t, schema);
  assert.equal(await store.commit(changes), "committed");
  const [{ counters }] = await store.load([key]);
  assert.equal(counters.accessed_count, 1);
});

for (const code of ["40001", "40P01", "23505"]) {
  test(`${code} is a conflict of a commit, and asked for once; of anything else it is an error`, async () => {
    const client = answering(code);
    const store = await PostgresStore.open(client);
    assert.equal(await store.commit(CHANGES), "conflict");
    assert.equal(client.statements.length, 1);
    await assert.rejects(store.load([]), { code });
  });
}

for (const [code, what, failure] of [
  ["22P05", "a text that cannot be kept", "INVALID_ARGUMENT"],
  ["22003", "a number that cannot be kept", "INVALID_ARGUMENT"],
  ["55P03", "a lock that somebody holds", "STORAGE_FAILED"],
]) {
  test(`${code}, ${what}, is told as such, with nothing applied`, async () => {
    const client = answering(code);
    const store = await PostgresStore.open(client);
    const thrown = await store.commit(CHANGES).catch((error) => error);
    assert.ok(thrown instanceof NothingAppliedError, thrown);
    assert.match(thrown.message, /nothing was applied/);
    for (const error of [thrown.cause, await refused(failure, () => store.load([]))])
      assert.equal(error.cause.code, code);
    assert.equal(thrown.cause.code, failure);
    assert.equal(client.statements.length, 2);
  });
}

for (const [code, what] of [
  ["55P03", "met a lock"],
  ["40P01", "was taken back"],
]) {
  test(`a commit that was lost and then ${what} (${code}) may have been applied`, async () => {
    const store = await PostgresStore.open(answering("57P01", code));
    await assert.rejects(store.commit(CHANGES), { code, severity: "ERROR" });
  });
}

for (const [code, what] of [
  ["26000", "forgotten"],
  ["42P05", "there twice"],
  ["57P01", "gone with its connection"],
  ["08006", "gone with its connection"],
]) {
  test(`a statement that is ${what} (${code}) is asked once more, without a name`, async () => {
    const client = answering(code);
    const store = await PostgresStore.open(client);
    await assert.rejects(store.load([]), { code });
    assert.equal(client.statements.length, 2);
    assert.match(client.statements[0].name, /^strongroom_load_/);
    assert.equal(client.statements[1].name, undefined);
  });
}

test("other errors of the server are told as pg tells them, and asked for once", async () => {
  const client = answering("42501");
  const store = await PostgresStore.open(client);
  await assert.rejects(store.commit(CHANGES), { code: "42501" });
  assert.equal(client.statements.length, 1);
});

test("a connection that commits in another isolation is told what to set", async (t) => {
  const config = { connectionString: server.url(), options: "-c default_transaction_isolation=serializable" };
  const store = closing(t, new PostgresStore(config, { schema: server.newSchema() }));
  const vault = new Vault({ keyring: Keyring.generate(), store });
  const error = await refused("STORAGE_FAILED", () => vault.set("A", "value", alice));
  assert.match(`${error.cause.message} ${error.cause.hint}`, /READ COMMITTED.*default_transaction_isolation/);
});
