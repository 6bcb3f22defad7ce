/** A store in memory, gone with the process: for tests and for trying out. */
import type {
  Answer,
  ChangeSet,
  CommitAnswer,
  EventPage,
  EventQuery,
  ListPage,
  ListQuery,
  RecordKey,
  Request,
  Store,
  StoredRecord,
} from "./contract.js";
import { guarded } from "./errors.js";
import { native } from "./native.js";

/** Records and events in memory. */
export class MemoryStore implements Store {
  readonly #store: { answer(request: string): string };

  constructor() {
    const { MemoryStore } = native();
    this.#store = new MemoryStore();
  }

  load(keys: RecordKey[]): StoredRecord[] {
    return (this.#answer({ load: { keys } }) as { load: { records: StoredRecord[] } }).load.records;
  }

  list(query: ListQuery, cursor: string | null): ListPage {
    return (this.#answer({ list: { query, cursor } }) as { list: ListPage }).list;
  }

  commit(changeSet: ChangeSet): CommitAnswer {
    return (this.#answer({ commit: { change_set: changeSet } }) as { commit: CommitAnswer }).commit;
  }

  events(query: EventQuery, cursor: string | null): EventPage {
    return (this.#answer({ events: { query, cursor } }) as { events: EventPage }).events;
  }

  #answer(request: Request): Answer {
    return JSON.parse(guarded(() => this.#store.answer(JSON.stringify(request)))) as Answer;
  }
}
