/** A store as a page writes one: rows in its own memory, every callback asynchronous. Runs in the page, in a worker and in Node. */

export class RowStore {
  #records = new Map();
  #indexes = new Map();
  #events = [];

  /** A store with the rows of another one. */
  static from({ records, events, indexes = [] }) {
    const store = new RowStore();
    for (const record of records) store.#records.set(text(record.key), structuredClone(record));
    for (const { key, index } of indexes) store.#indexes.set(text(key), { key, index });
    store.#events = structuredClone(events);
    return store;
  }

  /** An empty store like this one, for its vault to be copied to. */
  target() {
    return new RowStore();
  }

  /** Every row, as JSON has it. */
  dump() {
    const [records, indexes] = [this.#records, this.#indexes].map((rows) => [...rows.values()]);
    return structuredClone({ records, events: this.#events, indexes });
  }

  async load(keys) {
    await turn();
    return structuredClone(keys.map((key) => this.#records.get(text(key))).filter(Boolean));
  }

  async list({ kind, namespace, by, limit }, cursor) {
    await turn();
    const matching = [...this.#records.values()]
      .filter(({ key }) => key.kind === kind && (namespace === null || key.namespace === namespace))
      .map(({ key, revision }) => ({ at: this.#foundAt(key, by), key, revision }))
      .filter(
        (row) => row.at !== undefined && (cursor === null || inOrderOfList(row, JSON.parse(cursor)) > 0),
      )
      .sort(inOrderOfList);
    const page = matching.slice(0, limit);
    const items = page.map(({ key, revision }) => ({ key: { ...key }, revision }));
    return { items, cursor: matching.length > limit ? JSON.stringify(page.at(-1)) : null };
  }

  async events({ scope, limit }, cursor) {
    await turn();
    const placed = this.#events.map((event, place) => ({ event, place }));
    const wanted = {
      latest: () => placed.toReversed(),
      chained: () => {
        const chained = placed.filter(({ event }) => has(event.stream));
        return chained.sort(
          (a, b) => inOrder([a.event.stream], [b.event.stream]) || a.event.seq - b.event.seq,
        );
      },
      unchained: () => placed.filter(({ event }) => !has(event.stream)),
    };
    const ofSlot = ({ event }) => event.namespace === scope.slot.namespace && event.name === scope.slot.name;
    const matching = typeof scope === "string" ? wanted[scope]() : placed.filter(ofSlot).reverse();
    const start = cursor === null ? 0 : matching.findIndex(({ place }) => place === Number(cursor)) + 1;
    const page = matching.slice(start, start + limit);
    const isLast = start + limit >= matching.length;
    return {
      events: structuredClone(page.map(({ event }) => event)),
      cursor: isLast ? null : String(page.at(-1).place),
    };
  }

  async commit({ operation_id, puts, deletes, checks, counters, events }) {
    await turn();
    if (this.#events.some((event) => event.operation_id === operation_id)) return "committed";
    const expectations = [
      ...puts.map(({ record, expected }) => ({ key: record.key, expected })),
      ...deletes,
      ...checks,
    ];
    if (!expectations.every((expectation) => this.#isAsExpected(expectation))) return "conflict";
    if (events.some((event) => this.#isTaken(event))) return "conflict";
    for (const { record, index } of structuredClone(puts)) {
      const old = this.#records.get(text(record.key));
      record.counters = old?.counters ?? record.counters ?? { accessed_count: 0 };
      this.#records.set(text(record.key), record);
      this.#indexes.set(text(record.key), { key: record.key, index: index ?? {} });
    }
    for (const { key } of deletes) {
      this.#records.delete(text(key));
      this.#indexes.delete(text(key));
    }
    for (const { key, accessed, at } of counters) this.#count(key, accessed, at);
    this.#events.push(...structuredClone(events));
    return "committed";
  }

  /** The instant that a record is found by, 0 when it is found without one, nothing when it is not found. */
  #foundAt(key, by) {
    if (!has(by)) return 0;
    const { index } = this.#indexes.get(text(key)) ?? { index: {} };
    if (has(by.fingerprint)) return index.fingerprints?.includes(by.fingerprint) ? 0 : undefined;
    const [at, until] = has(by.due) ? [index.due_at, by.due] : [index.expires_at, by.expired];
    return has(at) && at <= until ? at : undefined;
  }

  #isAsExpected({ key, expected }) {
    const record = this.#records.get(text(key));
    return expected === "absent" ? record === undefined : record?.revision === expected.revision;
  }

  #isTaken({ stream, seq }) {
    return (
      has(stream) && has(seq) && this.#events.some((event) => event.stream === stream && event.seq === seq)
    );
  }

  #count(key, accessed, at) {
    const record = this.#records.get(text(key));
    if (record === undefined) return;
    const { accessed_count, last_accessed } = record.counters;
    record.counters = {
      accessed_count: accessed_count + accessed,
      last_accessed: Math.max(at, last_accessed ?? at),
    };
  }
}

/** Others run meanwhile, as they do while a database answers. */
const turn = () => new Promise((resolve) => setTimeout(resolve));

const has = (field) => field !== undefined && field !== null;

const text = ({ kind, namespace, name }) => JSON.stringify([kind, namespace, name]);

const inOrderOfList = (a, b) =>
  a.at - b.at || inOrder([a.key.namespace, a.key.name], [b.key.namespace, b.key.name]);

const encoder = new TextEncoder();

/** Compares lists of texts, byte by byte. */
function inOrder(these, those) {
  for (const [index, each] of these.entries()) {
    const [a, b] = [encoder.encode(each), encoder.encode(those[index])];
    const differs = a.findIndex((byte, at) => byte !== b[at]);
    const order = differs === -1 ? a.length - b.length : a[differs] - (b[differs] ?? -1);
    if (order !== 0) return order;
  }
  return 0;
}
