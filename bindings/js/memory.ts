/**
 * A store in memory, gone with the process: for tests and for trying out.
 *
 * It keeps copies and gives copies: what becomes of an object that it was given, or that it gave, changes nothing in it.
 */
import type {
  ChangeSet,
  CommitAnswer,
  EventPage,
  EventQuery,
  Expected,
  ListPage,
  ListQuery,
  RecordKey,
  Store,
  StoredEvent,
  StoredRecord,
} from "./contract.js";

/** Records and events in memory. In the browser it needs no `init()`. */
export class MemoryStore implements Store {
  readonly #records = new Map<string, StoredRecord>();
  /** In the order of their commits. */
  readonly #events: StoredEvent[] = [];
  /** What a commit looks for among the events: the operations that they are of, and the places that they have. */
  readonly #applied = new Set<StoredEvent["operation_id"]>();
  readonly #taken = new Set<string>();

  load(keys: RecordKey[]): StoredRecord[] {
    return keys.flatMap((key) => structuredClone(this.#records.get(keyText(key)) ?? []));
  }

  list({ kind, namespace, limit }: ListQuery, cursor: string | null): ListPage {
    const found = [...this.#records.values()]
      .filter(({ key }) => key.kind === kind && (namespace === null || key.namespace === namespace))
      .map(({ key, revision }) => ({ cursor: cursorAt(key), item: { key: { ...key }, revision } }))
      .filter((row) => cursor === null || inOrder(row.cursor, cursor) > 0)
      .sort((a, b) => inOrder(a.cursor, b.cursor));
    const page = found.slice(0, limit);
    return { items: page.map(({ item }) => item), cursor: cursorAfter(page, found) };
  }

  events({ scope, limit }: EventQuery, cursor: string | null): EventPage {
    const isIn = ({ stream, namespace, name }: StoredEvent) => {
      if (typeof scope === "object") return namespace === scope.slot.namespace && name === scope.slot.name;
      return scope === "latest" || (stream != null) === (scope === "chained");
    };
    // Events stay where they are, so that the place of the last one is a cursor.
    const found = this.#events
      .map((event, place) => ({ cursor: String(place), event }))
      .filter(({ event }) => isIn(event));
    if (scope === "chained") found.sort((a, b) => inOrderOfPlaces(a.event, b.event));
    else if (scope !== "unchained") found.reverse();
    const rest = found.slice(found.findIndex((row) => row.cursor === cursor) + 1);
    const page = rest.slice(0, limit);
    return { events: page.map(({ event }) => structuredClone(event)), cursor: cursorAfter(page, rest) };
  }

  commit({ operation_id, puts, deletes, checks, counters, events }: ChangeSet): CommitAnswer {
    if (this.#applied.has(operation_id)) return "committed";
    const asExpected = ({ key, expected }: { key: RecordKey; expected: Expected }) => {
      const record = this.#records.get(keyText(key));
      return expected === "absent" ? record === undefined : record?.revision === expected.revision;
    };
    const places = events.flatMap(placeText);
    const expectations = puts.map(({ record, expected }) => ({ key: record.key, expected }));
    expectations.push(...deletes, ...checks);
    if (!expectations.every(asExpected) || places.some((place) => this.#taken.has(place))) return "conflict";
    // All of them before the first is kept, and each by itself: a copy of the whole would share what the original shares.
    const records = puts.map(({ record }) => structuredClone(record));
    const appended = events.map((event) => structuredClone(event));
    for (const record of records) {
      const { counters = { accessed_count: 0 } } = this.#records.get(keyText(record.key)) ?? record;
      this.#records.set(keyText(record.key), { ...record, counters });
    }
    for (const { key } of deletes) this.#records.delete(keyText(key));
    for (const { key, accessed, at } of counters) {
      const counted = this.#records.get(keyText(key))?.counters;
      if (counted === undefined) continue;
      counted.accessed_count += accessed;
      counted.last_accessed = Math.max(counted.last_accessed ?? at, at);
    }
    for (const { operation_id } of appended) this.#applied.add(operation_id);
    for (const place of places) this.#taken.add(place);
    this.#events.push(...appended);
    return "committed";
  }
}

const keyText = ({ kind, namespace, name }: RecordKey): string => JSON.stringify([kind, namespace, name]);

/** Nothing for an event that has no place. */
function placeText({ stream, seq }: StoredEvent): string | [] {
  return stream == null || seq == null ? [] : JSON.stringify([stream, seq]);
}

/**
 * The last key of a page: the next one is right whatever was written meanwhile. As texts these are in the order of namespace
 * and name, which hold no NUL.
 */
const cursorAt = ({ namespace, name }: RecordKey): string => `${namespace}\0${name}`;

/** Where a page ended, or null when nothing is left. */
function cursorAfter(page: { cursor: string }[], rest: unknown[]): string | null {
  return page.length < rest.length ? (page.at(-1)?.cursor ?? null) : null;
}

/** By stream, then by number. */
function inOrderOfPlaces(a: StoredEvent, b: StoredEvent): number {
  return inOrder(a.stream ?? "", b.stream ?? "") || (a.seq ?? -1) - (b.seq ?? -1);
}

/** The order of the bytes of UTF-8, which is that of code points. Strings themselves compare by units of UTF-16. */
function inOrder(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}
