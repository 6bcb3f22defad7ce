/** The store in memory, where the conformance kit cannot look: what it shares with its callers, and what a commit that throws leaves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStore } from "../lib/node/ts/index.js";

/** In the order of code points; strings compare the last two the other way round. */
const NAMES = ["", "A", "a", "a b", "é", "\uffee", "\u{1f511}"];

const keyOf = (name) => ({ kind: "secret", namespace: "default", name });

const rowOf = (name, more = {}) => ({
  key: keyOf(name),
  revision: 1,
  columns: { uid: name },
  data: "{}",
  ...more,
});

const absent = (record) => ({ record, expected: "absent" });

const changeSet = (operation_id, changes) => ({
  operation_id,
  puts: [],
  deletes: [],
  checks: [],
  counters: [],
  events: [{ operation_id, stream: operation_id, seq: 1 }],
  ...changes,
});

/** The rows of all pages. */
function paged(ask) {
  const rows = [];
  for (let cursor = null, pages = 1; pages === 1 || cursor !== null; pages += 1) {
    const { cursor: next, items, events } = ask(cursor);
    rows.push(...(items ?? events));
    assert.ok(pages < 100, "the pages never end");
    cursor = next;
  }
  return rows;
}

/** Everything in a store, in its order. */
function everything(store, limit = 2) {
  const items = paged((cursor) => store.list({ kind: "secret", namespace: null, limit }, cursor));
  const events = paged((cursor) => store.events({ scope: "chained", limit }, cursor));
  return { records: store.load(items.map(({ key }) => key)), events };
}

/** Changes every text and every number of something. */
function spoil(value) {
  for (const [field, each] of Object.entries(value)) {
    if (typeof each === "object" && each !== null) spoil(each);
    else value[field] = typeof each === "number" ? each + 1 : "spoiled";
  }
}

test("records and streams come in the order of code points, page after page", () => {
  const store = new MemoryStore();
  for (const name of NAMES.toReversed()) {
    const events = [2, 10].map((seq) => ({ operation_id: name, stream: name, seq }));
    assert.equal(store.commit(changeSet(name, { puts: [absent(rowOf(name))], events })), "committed");
  }
  for (const limit of [1, 3, 7, 14]) {
    const { records, events } = everything(store, limit);
    assert.deepEqual(
      records.map(({ key }) => key.name),
      NAMES,
    );
    assert.deepEqual(
      events.map(({ stream, seq }) => [stream, seq]),
      NAMES.flatMap((name) => [2, 10].map((seq) => [name, seq])),
    );
  }
});

test("what was given and what was answered may be changed, and the store stays as it is", () => {
  const store = new MemoryStore();
  const given = changeSet("1", { puts: [absent(rowOf("a", { counters: { accessed_count: 1 } }))] });
  store.commit(given);
  const before = structuredClone(everything(store));
  assert.equal(before.records[0].counters.accessed_count, 1);
  spoil(given);
  spoil(store.load([keyOf("a")]));
  spoil(store.list({ kind: "secret", namespace: null, limit: 9 }, null));
  for (const scope of ["latest", "chained"]) spoil(store.events({ scope, limit: 9 }, null));
  assert.deepEqual(everything(store), before);
});

test("counters are each record's own, whatever they were given with", () => {
  const store = new MemoryStore();
  const shared = { accessed_count: 0 };
  const puts = ["a", "b"].map((name) => absent(rowOf(name, { counters: shared })));
  puts.push(absent(rowOf("none")));
  const counters = ["a", "none", "missing"].map((name) => ({ key: keyOf(name), accessed: 1, at: 5 }));
  store.commit(changeSet("1", { puts, counters }));
  assert.deepEqual(
    everything(store).records.map(({ counters }) => counters),
    [{ accessed_count: 1, last_accessed: 5 }, { accessed_count: 0 }, { accessed_count: 1, last_accessed: 5 }],
  );
  assert.deepEqual(shared, { accessed_count: 0 });
});

test("a commit of something that is no data throws and leaves no trace", () => {
  const store = new MemoryStore();
  store.commit(changeSet("1", { puts: [absent(rowOf("a"))] }));
  const before = everything(store);
  const put = { record: rowOf("a", { revision: 2 }), expected: { revision: 1 } };
  const noData = { operation_id: "2", action: () => {} };
  for (const changes of [
    { puts: [put, absent(rowOf("b", { data: () => {} }))] },
    { puts: [put], events: [{ operation_id: "2" }, noData] },
  ]) {
    assert.throws(() => store.commit(changeSet("2", changes)), { name: "DataCloneError" });
    assert.deepEqual(everything(store), before);
  }
  assert.equal(store.commit(changeSet("2", { puts: [put] })), "committed");
});

test("events without a place take none from each other", () => {
  const store = new MemoryStore();
  const events = [{ name: "a" }, { name: "b", stream: null, seq: null }];
  for (const id of ["1", "2"]) assert.equal(store.commit(changeSet(id, { events })), "committed");
  const { events: found, cursor } = store.events({ scope: "unchained", limit: 3 }, null);
  assert.deepEqual(found, [...events, events[0]]);
  assert.deepEqual(store.events({ scope: "unchained", limit: 3 }, cursor), {
    events: [events[1]],
    cursor: null,
  });
});
