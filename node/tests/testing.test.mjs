/** The conformance kit: right stores pass, and each broken one is told what is wrong with it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import Database from "better-sqlite3";
import { Keyring, MemoryStore, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { checkStore, StoreContractError } from "../lib/node/ts/testing.js";
import { alice, closing, refused, scratch } from "./support.mjs";

const CHECKS = [
  "all_or_nothing",
  "compare_and_swap",
  "compare_and_swap_of_each_record",
  "counters_stand_beside_records",
  "cursors",
  "events_are_kept",
  "idempotent_by_operation_id",
  "load_gives_what_was_asked",
  "lookups",
  "names_are_exact",
  "page_order",
  "places_of_events_are_unique",
  "queries_are_exact",
  "reads_are_fresh",
  "values_are_kept_whole",
];

/** A right store of plain objects, in pieces that the broken ones below replace one at a time. */
class Rows {
  records = new Map();
  indexes = new Map();
  log = [];

  // What is written, and under which conditions.

  key({ kind, namespace, name }) {
    return JSON.stringify([kind, namespace, name]);
  }

  isApplied(operationId) {
    return this.log.some((event) => event.operation_id === operationId);
  }

  expectations({ puts, deletes, checks }) {
    return [...puts.map(({ record, expected }) => ({ key: record.key, expected })), ...deletes, ...checks];
  }

  isAsExpected({ key, expected }) {
    const record = this.records.get(this.key(key));
    return expected === "absent" ? record === undefined : record?.revision === expected.revision;
  }

  isTaken({ stream, seq }) {
    return this.log.some((event) => event.stream === stream && event.seq === seq);
  }

  refuse(_changeSet) {
    return "conflict";
  }

  commit(changeSet) {
    if (this.isApplied(changeSet.operation_id)) return "committed";
    const right = this.expectations(changeSet).every((each) => this.isAsExpected(each));
    if (!right || changeSet.events.some((event) => this.isTaken(event))) return this.refuse(changeSet);
    for (const { record, index } of changeSet.puts) {
      this.put(record);
      this.index(record.key, index);
    }
    for (const { key } of changeSet.deletes) {
      this.records.delete(this.key(key));
      this.indexes.delete(this.key(key));
    }
    for (const delta of changeSet.counters) this.count(this.records.get(this.key(delta.key)).counters, delta);
    this.append(changeSet);
    return "committed";
  }

  put(record) {
    const { counters } = this.records.get(this.key(record.key)) ?? record;
    this.records.set(this.key(record.key), { ...record, counters });
  }

  index(key, index = {}) {
    this.indexes.set(this.key(key), index);
  }

  count(counters, { accessed, at }) {
    counters.accessed_count += accessed;
    counters.last_accessed = Math.max(counters.last_accessed ?? at, at);
  }

  append({ events }) {
    this.log.push(...events);
  }

  // What is read, and in which order.

  load(keys) {
    return keys.map((key) => this.records.get(this.key(key))).filter((record) => record !== undefined);
  }

  inOrder(a, b) {
    return bytewise(a.namespace, b.namespace) || bytewise(a.name, b.name);
  }

  isListed({ kind, namespace }, key) {
    return key.kind === kind && (namespace === null || key.namespace === namespace);
  }

  /** The instant that a record is found by, 0 when it is found without one, nothing when it is not found. */
  foundAt(by, { due_at, expires_at, fingerprints = [] }) {
    if (by === undefined) return 0;
    if ("fingerprint" in by) return fingerprints.includes(by.fingerprint) ? 0 : undefined;
    const [at, until] = "due" in by ? [due_at, by.due] : [expires_at, by.expired];
    return at <= until ? at : undefined;
  }

  list(query, cursor) {
    const rows = [...this.records]
      .filter(([, { key }]) => this.isListed(query, key))
      .map(([text, { key, revision }]) => {
        return { at: this.foundAt(query.by, this.indexes.get(text) ?? {}), key, revision };
      })
      .filter(({ at }) => at !== undefined);
    rows.sort((a, b) => a.at - b.at || this.inOrder(a.key, b.key));
    const { items, cursor: next } = this.page("items", rows, query.limit, cursor);
    return { items: items.map(({ key, revision }) => ({ key, revision })), cursor: next };
  }

  events({ scope, limit }, cursor) {
    const ofScope = {
      latest: () => this.latest(),
      chained: () => this.log.filter(({ stream }) => stream != null).sort((a, b) => this.inPlace(a, b)),
      unchained: () => this.log.filter(({ stream }) => stream == null),
    };
    const rows =
      typeof scope === "string"
        ? ofScope[scope]()
        : this.latest().filter((event) => this.isOf(event, scope.slot));
    return this.page("events", rows, limit, cursor);
  }

  latest() {
    return this.log.toReversed();
  }

  inPlace(a, b) {
    return bytewise(a.stream, b.stream) || a.seq - b.seq;
  }

  isOf(event, { namespace, name }) {
    return event.namespace === namespace && event.name === name;
  }

  /** Whether a row comes after the one that a cursor tells of. */
  isAfter(kind, row, cursor, rows) {
    if (kind === "items") {
      const last = JSON.parse(cursor);
      return (row.at - last.at || this.inOrder(row.key, last.key)) > 0;
    }
    return rows.indexOf(row) > rows.findIndex((each) => each.mac + each.stream === cursor);
  }

  page(kind, rows, limit, cursor) {
    const rest = cursor === null ? rows : rows.filter((row) => this.isAfter(kind, row, cursor, rows));
    const page = rest.slice(0, limit);
    const last = page.length < rest.length ? page.at(-1) : undefined;
    const told = kind === "items" ? JSON.stringify(last) : last && last.mac + last.stream;
    return { [kind]: page, cursor: last === undefined ? null : told };
  }
}

const bytewise = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const codeUnits = (a, b) => (a < b ? -1 : Number(a > b));

/** A right store but for these methods. Inside, `this` is the store, and `right` has its right methods. */
function withFault(fault) {
  const store = new Rows();
  const right = Object.fromEntries(
    Object.getOwnPropertyNames(Rows.prototype).map((name) => [name, Rows.prototype[name].bind(store)]),
  );
  return Object.assign(store, fault(right, store));
}

/** The same behind promises that take a turn of the event loop. */
function suspending(store) {
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const call = async (method, asked) => {
    await turn();
    const answer = store[method](...asked);
    await turn();
    return answer;
  };
  const methods = ["load", "list", "commit", "events"];
  return Object.fromEntries(methods.map((method) => [method, (...asked) => call(method, asked)]));
}

const inColumns = (record, columns) => ({ ...record, columns: { ...record.columns, ...columns } });

/** Ten stores, each with one fault, and what each is told. */
const TEN = {
  "no compare-and-swap": [
    () => ({ isAsExpected: () => true }),
    "compare_and_swap",
    "`commit` applied a put that expects no record, where one is, instead of answering `conflict`",
  ],
  "compares the first record only": [
    (right) => ({ expectations: (changeSet) => right.expectations(changeSet).slice(0, 1) }),
    "compare_and_swap_of_each_record",
    "of another record, or of one record only",
  ],
  "commits in part": [
    (right) => ({
      refuse({ puts }) {
        for (const { record, expected } of puts) {
          if (right.isAsExpected({ key: record.key, expected })) right.put(record);
        }
        return "conflict";
      },
    }),
    "all_or_nothing",
    "found a later put not as expected, and applied a put all the same",
  ],
  "forgets the events of deletions": [
    (right) => ({ append: (changeSet) => changeSet.deletes.length > 0 || right.append(changeSet) }),
    "events_are_kept",
    "committed with a deletion is missing in the scope `chained`",
  ],
  "knows no operation ids": [
    () => ({ isApplied: () => false }),
    "idempotent_by_operation_id",
    "applied before is answered `conflict`, at once",
  ],
  "orders without case": [
    (right) => ({
      inOrder: (a, b) => {
        const folded = ({ namespace, name }) => ({
          namespace: namespace.toLowerCase(),
          name: name.toLowerCase(),
        });
        return right.inOrder(folded(a), folded(b)) || right.inOrder(a, b);
      },
    }),
    "page_order",
    "`list` is not ordered by namespace and then name, byte by byte",
  ],
  "loses the cursor": [
    (right) => ({ page: (kind, rows, limit) => right.page(kind, rows, limit, null) }),
    "cursors",
    "the pages of `list` do not give every record once: a cursor was lost",
  ],
  "cuts values": [
    (right) => ({
      put: (record) =>
        right.put(inColumns(record, { value_encrypted: record.columns.value_encrypted?.slice(0, 255) })),
    }),
    "values_are_kept_whole",
    "`value_encrypted` of a secret came back otherwise than it was put",
  ],
  "reads from a cache": [
    (right) => {
      const cache = new Map();
      return {
        load(keys) {
          const asked = JSON.stringify(keys);
          if (!cache.has(asked)) cache.set(asked, right.load(keys));
          return cache.get(asked);
        },
      };
    },
    "reads_are_fresh",
    "`load` showed an earlier state than the commit before it made",
  ],
  "folds names": [
    (right) => ({ key: (key) => right.key({ ...key, name: key.name.toLowerCase() }) }),
    "names_are_exact",
    "`load` of one key gave other records",
  ],
};

const counting = (rows, limit, cursor) => {
  const end = Number(cursor ?? 0) + limit;
  return { rows: rows.slice(end - limit, end), cursor: end < rows.length ? String(end) : null };
};

/** What else is easily got wrong. */
const MORE = {
  "joins names with a slash": [
    () => ({ key: ({ kind, namespace, name }) => `${kind}/${namespace}/${name}` }),
    "names_are_exact",
    "`load` of one key gave other records",
  ],
  "looks for events by name alone": [
    () => ({ isOf: (event, { name }) => event.name === name }),
    "names_are_exact",
    'the events of "key" are not its own alone',
  ],
  "ignores the limit": [
    (right) => ({ page: (kind, rows, _, cursor) => right.page(kind, rows, rows.length, cursor) }),
    "cursors",
    "`list` gave more than the limit",
  ],
  "ignores the limit of events": [
    (right) => ({
      page: (kind, rows, limit, cursor) =>
        right.page(kind, rows, kind === "events" ? rows.length : limit, cursor),
    }),
    "cursors",
    "`events` gave more than the limit",
  ],
  "counts rows for cursors": [
    (right) => ({
      page(kind, rows, limit, cursor) {
        if (kind === "events") return right.page(kind, rows, limit, cursor);
        const { rows: items, cursor: next } = counting(rows, limit, cursor);
        return { items, cursor: next };
      },
    }),
    "cursors",
    "between two pages of `list` shifted the next page",
  ],
  "counts events for cursors": [
    (right) => ({
      page(kind, rows, limit, cursor) {
        if (kind === "items") return right.page(kind, rows, limit, cursor);
        const { rows: events, cursor: next } = counting(rows, limit, cursor);
        return { events, cursor: next };
      },
    }),
    "cursors",
    "whatever is appended meanwhile: a cursor was lost, in the scope `slot`",
  ],
  "pages by the name alone": [
    (right) => ({
      isAfter: (kind, row, cursor, rows) =>
        kind === "events"
          ? right.isAfter(kind, row, cursor, rows)
          : bytewise(row.key.name, JSON.parse(cursor).key.name) > 0,
    }),
    "cursors",
    "a cursor is a namespace and a name",
  ],
  "looks up the row of a cursor, which is gone": [
    (right) => ({
      isAfter: (kind, row, cursor, rows) =>
        kind === "events"
          ? right.isAfter(kind, row, cursor, rows)
          : rows.indexOf(row) > rows.findIndex((each) => JSON.stringify(each) === cursor),
    }),
    "cursors",
    "between two pages of `list` shifted the next page",
  ],
  "lists all whatever it is asked for": [
    () => ({ foundAt: () => 0 }),
    "lookups",
    "`list` by `due` gave records that were not asked for",
  ],
  "takes the beginning of time for none": [
    (right) => ({
      foundAt: (by, index) => right.foundAt(by, { ...index, due_at: index.due_at || undefined }),
    }),
    "lookups",
    "`list` by `due` did not give every record that it is to find",
  ],
  "keeps the index of an earlier put": [
    (right, store) => ({
      index: (key, index) => right.index(key, { ...store.indexes.get(store.key(key)), ...index }),
    }),
    "lookups",
    "found a record whose last put came without an index",
  ],
  "ends with an empty page and a cursor": [
    (right) => ({
      page(kind, rows, limit, cursor) {
        const page = cursor === "end" ? { [kind]: [], cursor: null } : right.page(kind, rows, limit, cursor);
        return { ...page, cursor: page.cursor ?? "end" };
      },
    }),
    "cursors",
    "gave an empty page and a cursor",
  ],
  "takes an empty namespace for all": [
    (right) => ({
      isListed: (query, key) => right.isListed({ ...query, namespace: query.namespace || null }, key),
    }),
    "queries_are_exact",
    "the empty namespace of a `list` was taken for any",
  ],
  "lists every kind": [
    (right) => ({ isListed: (query, key) => right.isListed({ ...query, kind: key.kind }, key) }),
    "queries_are_exact",
    "did not give exactly its own records",
  ],
  "orders as strings compare": [
    () => ({ inOrder: (a, b) => codeUnits(a.namespace, b.namespace) || codeUnits(a.name, b.name) }),
    "page_order",
    "byte by byte in UTF-8",
  ],
  "orders the latest by time": [
    (right) => ({ latest: () => right.latest().sort((a, b) => b.at - a.at) }),
    "page_order",
    "the last one first, whatever their times",
  ],
  "orders places as text": [
    () => ({ inPlace: (a, b) => bytewise(a.stream, b.stream) || codeUnits(`${a.seq}`, `${b.seq}`) }),
    "page_order",
    "2 before 10",
  ],
  "resets counters with a put": [
    (_, store) => ({ put: (record) => store.records.set(store.key(record.key), record) }),
    "counters_stand_beside_records",
    "a put set the counters of an existing record back",
  ],
  "adds no counters": [
    () => ({
      count: (counters, { accessed, at }) =>
        Object.assign(counters, { accessed_count: accessed, last_accessed: at }),
    }),
    "counters_stand_beside_records",
    "counters do not add up",
  ],
  "lets the last access go back": [
    (right) => ({
      count(counters, delta) {
        right.count(counters, delta);
        counters.last_accessed = delta.at;
      },
    }),
    "counters_stand_beside_records",
    "the last access went backwards",
  ],
  "takes two events at one place": [
    () => ({ isTaken: () => false }),
    "places_of_events_are_unique",
    "(stream, seq) is unique",
  ],
  "notes operations before it looks": [
    () => {
      const noted = new Set();
      return { isApplied: (id) => noted.size === noted.add(id).size };
    },
    "idempotent_by_operation_id",
    "it is to be judged again",
  ],
  "knows the last operation only": [
    (_, store) => ({ isApplied: (id) => store.log.at(-1)?.operation_id === id }),
    "idempotent_by_operation_id",
    "answered `conflict`, after a later change",
  ],
  "gives more than was asked": [
    (_, store) => ({ load: () => [...store.records.values()] }),
    "load_gives_what_was_asked",
    "`load` of no keys gave records",
  ],
  "takes empty for absent": [
    (right) => ({
      put: (record) => right.put(inColumns(record, { created_by: record.columns.created_by || null })),
    }),
    "values_are_kept_whole",
    "`created_by` of a secret",
  ],
  "rewrites JSON": [
    (right) => ({ put: (record) => right.put({ ...record, data: JSON.stringify(JSON.parse(record.data)) }) }),
    "values_are_kept_whole",
    "`data` of a secret",
  ],
  "keeps times as 32-bit numbers": [
    (right) => ({
      put: (record) => right.put(inColumns(record, { last_rotated: record.columns.last_rotated | 0 })),
    }),
    "values_are_kept_whole",
    "`last_rotated` of a secret",
  ],
  "keeps the columns of secrets only": [
    (right) => ({
      put: (record) => right.put(record.key.kind === "secret" ? record : { ...record, columns: {} }),
    }),
    "values_are_kept_whole",
    "`created_by` of a pending",
  ],
  "drops a field of events": [
    (right) => ({
      append: ({ events }) => right.append({ events: events.map(({ digest, ...event }) => event) }),
    }),
    "values_are_kept_whole",
    "an event did not come back field for field",
  ],
  "keeps nothing": [
    () => ({ commit: () => "committed" }),
    "load_gives_what_was_asked",
    "exactly the two that exist",
  ],
};

async function assertTold(store, check, says) {
  const error = await checkStore(store).then(assert.fail, (error) => error);
  assert.ok(error instanceof StoreContractError, error.stack);
  const told = Object.fromEntries(error.failures.map((failure) => [failure.check, failure.says]));
  assert.ok(told[check]?.includes(says), JSON.stringify(told, null, 2));
  const lines = error.failures.map((failure) => `  ${failure.check}: ${failure.says}`);
  assert.equal(error.message, ["the store breaks the storage contract:", ...lines].join("\n"));
  assert.equal(error.message.split("\n").length, error.failures.length + 1);
  assert.deepEqual([...Object.keys(told), ...error.passed].sort(), CHECKS);
}

const SHIPPED = {
  MemoryStore: () => new MemoryStore(),
  "SqliteStore over a file": (t) => closing(t, new SqliteStore(join(scratch(t), "vault.db"))),
  "SqliteStore over node:sqlite": (t) => closing(t, new SqliteStore(new DatabaseSync(":memory:"))),
  "SqliteStore over better-sqlite3": (t) =>
    closing(t, new SqliteStore(new Database(join(scratch(t), "vault.db")))),
  "a store of plain objects": () => new Rows(),
  "one that leaves out what is null": () => withoutNulls(new Rows()),
};

function withoutNulls(store) {
  const stripped = (answer) => JSON.parse(JSON.stringify(answer, (_, value) => value ?? undefined));
  return {
    load: (keys) => stripped(store.load(keys)),
    list: (query, cursor) => stripped(store.list(query, cursor)),
    commit: (changeSet) => store.commit(stripped(changeSet)),
    events: (query, cursor) => stripped(store.events(query, cursor)),
  };
}

for (const [name, make] of Object.entries(SHIPPED)) {
  test(`${name} passes, and passes behind promises`, async (t) => {
    assert.deepEqual((await checkStore(make(t))).sort(), CHECKS);
    assert.deepEqual((await checkStore(suspending(make(t)))).sort(), CHECKS);
  });
}

for (const [fault, [broken, check, says]] of Object.entries(TEN)) {
  test(`one of the ten: a store that ${fault} is caught by ${check}`, async () => {
    await assertTold(withFault(broken), check, says);
    await assertTold(suspending(withFault(broken)), check, says);
  });
}

for (const [fault, [broken, check, says]] of Object.entries(MORE)) {
  test(`a store that ${fault} is caught by ${check}`, async () => {
    await assertTold(withFault(broken), check, says);
  });
}

const each = (fields) => (records) => records.map((record) => ({ ...record, ...fields }));
const columns = (fields) => (records) => records.map((record) => inColumns(record, fields));

/** Answers in another shape: of which request, and the error that is the cause when it is not the shape that is told. */
const SHAPES = {
  "a revision as text": ["load", each({ revision: "1" })],
  "a revision as BigInt": ["load", each({ revision: 1n }), TypeError],
  "a revision that is none": ["load", each({ revision: Number.NaN })],
  "a time with a fraction": ["load", columns({ created_at: 1_700_000_000_000.5 })],
  "a time as Date": ["load", columns({ created_at: new Date(0) })],
  "a value as Buffer": ["load", columns({ value_encrypted: Buffer.from("sr1.") })],
  "a further field": ["load", each({ id: 7 })],
  "a further column": ["load", columns({ description: "" })],
  "no data": ["load", each({ data: undefined })],
  "data that was parsed": ["load", each({ data: {} })],
  "counters that are null": ["load", each({ counters: null })],
  "records that are undefined": ["load", () => undefined],
  "undefined for what does not exist": ["load", (records) => (records.length > 0 ? records : [undefined])],
  "a Map": ["load", (records) => new Map(records.map((record) => [record.key, record]))],
  "a generator": ["load", (records) => records.values()],
  "an asynchronous generator": [
    "load",
    async function* (records) {
      yield* records;
    },
  ],
  "a page that is an array": ["list", ({ items }) => items],
  "a page without items": ["list", ({ cursor }) => ({ cursor })],
  "a page with a total": ["list", (page) => ({ ...page, total: 1 })],
  "a page with a number for a cursor": ["list", (page) => ({ ...page, cursor: 1 })],
  "a page that is undefined": ["list", () => undefined],
  "events that are called items": ["events", ({ events, cursor }) => ({ items: events, cursor })],
  "success as a number": [
    "events",
    (page) => ({ ...page, events: page.events.map((event) => ({ ...event, success: 1 })) }),
  ],
  "an answer that is undefined": ["commit", () => undefined],
  "an answer that is true": ["commit", () => true],
  "an answer of another word": ["commit", () => "ok"],
};

for (const [what, [method, change, cause]] of Object.entries(SHAPES)) {
  test(`${method} that gives ${what} ends the test, and is told why`, async () => {
    const error = await refused("STORAGE_FAILED", () =>
      checkStore(withFault((right) => ({ [method]: (...asked) => change(right[method](...asked)) }))),
    );
    assert.match(error.message, new RegExp(`\`${method}\`|its first questions`));
    assert.equal(error.operation, "check_store");
    if (cause === undefined) {
      assert.equal(error.cause, undefined);
      assert.match(error.message, /not in the shape of the contract/);
    } else {
      assert.ok(error.cause instanceof cause, error.cause);
    }
  });
}

test("`failed` for every commit ends the test", async () => {
  const failing = withFault(() => ({ commit: () => "failed" }));
  const error = await refused("STORAGE_FAILED", () => checkStore(failing));
  assert.match(
    error.message,
    /`load_gives_what_was_asked` came to no end: the store failed, or answered `commit`/,
  );
});

test("what a store throws half-way, or rejects with, is the cause", async () => {
  for (const thrown of [new Error("disk full"), "gone", undefined]) {
    const ways = [
      () => {
        throw thrown;
      },
      () => Promise.reject(thrown),
    ];
    for (const fail of ways) {
      // A commit that has put its records, and fails before its events.
      const failing = withFault((right) => ({
        async commit(changeSet) {
          right.commit({ ...changeSet, events: [] });
          await fail();
        },
      }));
      const error = await refused("STORAGE_FAILED", () => checkStore(failing));
      assert.equal(error.cause, thrown);
    }
  }
});

test("what lacks a callback is no store, and it is said which", async () => {
  const error = await refused("INVALID_ARGUMENT", () => checkStore(MemoryStore));
  assert.match(error.message, /no method load/);
  const { load, list, commit } = new MemoryStore();
  assert.match(
    (await refused("INVALID_ARGUMENT", () => checkStore({ load, list, commit }))).message,
    /no method events/,
  );
});

for (const kind of ["in use", "without a record, and with a history"]) {
  test(`a store that is ${kind} is refused untouched`, async (t) => {
    const database = closing(t, new DatabaseSync(":memory:"));
    const store = new SqliteStore(database);
    await new Vault({ keyring: Keyring.generate(), store }).set("A", "sk_test_abc123", alice);
    if (kind !== "in use") database.exec("DELETE FROM secrets; DELETE FROM strongroom_records");
    const dump = () =>
      ["secrets", "secrets_audit", "strongroom_records"].map((table) =>
        database.prepare(`SELECT * FROM ${table}`).all(),
      );
    const before = dump();
    assert.ok(before.flat().length >= 2);
    const error = await refused("INVALID_ARGUMENT", () => checkStore(store));
    assert.match(error.message, /^the store is not empty/);
    assert.deepEqual(dump(), before);
  });
}
