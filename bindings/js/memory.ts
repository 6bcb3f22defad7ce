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
  Index,
  ListPage,
  ListQuery,
  Lookup,
  RecordKey,
  Store,
  StoredEvent,
  StoredRecord,
} from "./contract.js";

/** Records and events in memory. In the browser it needs no `init()`. */
export class MemoryStore implements Store {
  readonly #records = new Map<string, StoredRecord>();
  /** What lists find records by besides their keys: by the text of a key, and nothing for those that have none. */
  readonly #indexes = new Map<string, Index>();
  /** In the order of their commits. */
  readonly #events: StoredEvent[] = [];
  /** What a commit looks for among the events: the operations that they are of, and the places that they have. */
  readonly #applied = new Set<StoredEvent["operation_id"]>();
  readonly #taken = new Set<string>();

  load(keys: RecordKey[]): StoredRecord[] {
    return keys.flatMap((key) => structuredClone(this.#records.get(keyText(key)) ?? []));
  }

  list({ kind, namespace, by, limit }: ListQuery, cursor: string | null): ListPage {
    const after = cursor === null ? undefined : placeOf(cursor);
    const found = [...this.#records]
      .filter(([, { key }]) => key.kind === kind && (namespace === null || key.namespace === namespace))
      .flatMap(([text, { key, revision }]) => {
        const at = foundAt(by, this.#indexes.get(text));
        if (at === undefined) return [];
        const place = { at, key: keyInOrder(key) };
        return { place, cursor: cursorAt(place), item: { key: { ...key }, revision } };
      })
      .filter(({ place }) => after === undefined || inOrderOfList(place, after) > 0)
      .sort((a, b) => inOrderOfList(a.place, b.place));
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
    const records = puts.map(({ record, index }) => ({
      text: keyText(record.key),
      record: structuredClone(record),
      index: structuredClone(index),
    }));
    const appended = events.map((event) => structuredClone(event));
    for (const { text, record, index } of records) {
      const { counters = { accessed_count: 0 } } = this.#records.get(text) ?? record;
      this.#records.set(text, { ...record, counters });
      if (index === undefined) this.#indexes.delete(text);
      else this.#indexes.set(text, index);
    }
    for (const text of deletes.map(({ key }) => keyText(key))) {
      this.#records.delete(text);
      this.#indexes.delete(text);
    }
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

/** Where a record stands in a list: by the instant that it is found by, if it is found by one, and then by its key. */
interface Place {
  at: number | null;
  key: string;
}

/** The instant by which a lookup finds a record, null where it finds it without one, and nothing where it does not. */
function foundAt(by: Lookup | null | undefined, index: Index | undefined): number | null | undefined {
  if (by == null) return null;
  if ("fingerprint" in by) return index?.fingerprints?.includes(by.fingerprint) ? null : undefined;
  const [at, until] = "due" in by ? [index?.due_at, by.due] : [index?.expires_at, by.expired];
  return at == null || at > until ? undefined : at;
}

/** As texts these are in the order of namespace and name, which hold no NUL. */
const keyInOrder = ({ namespace, name }: RecordKey): string => `${namespace}\0${name}`;

const inOrderOfList = (a: Place, b: Place): number => (a.at ?? 0) - (b.at ?? 0) || inOrder(a.key, b.key);

/** The last place of a page: the next one is right whatever was written meanwhile. */
const cursorAt = ({ at, key }: Place): string => `${at ?? ""}\0${key}`;

function placeOf(cursor: string): Place {
  const end = cursor.indexOf("\0");
  return { at: end > 0 ? Number(cursor.slice(0, end)) : null, key: cursor.slice(end + 1) };
}

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
