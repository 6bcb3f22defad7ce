/** A store that has one way to answer all requests, as JSON, and answers them in turn. */
import type {
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
import { NothingAppliedError } from "./errors.js";

export abstract class Answering implements Store {
  #last: Promise<unknown> = Promise.resolve();

  /** The answer to a request. */
  protected abstract answered(request: string): Promise<string>;

  async load(keys: RecordKey[]): Promise<StoredRecord[]> {
    return (await this.#answer<{ load: { records: StoredRecord[] } }>({ load: { keys } })).load.records;
  }

  async list(query: ListQuery, cursor: string | null): Promise<ListPage> {
    return (await this.#answer<{ list: ListPage }>({ list: { query, cursor } })).list;
  }

  async commit(changeSet: ChangeSet): Promise<CommitAnswer> {
    return (await this.#answer<{ commit: CommitAnswer }>({ commit: { change_set: changeSet } })).commit;
  }

  async events(query: EventQuery, cursor: string | null): Promise<EventPage> {
    return (await this.#answer<{ events: EventPage }>({ events: { query, cursor } })).events;
  }

  /** Runs something when everything that was asked before has ended. */
  protected inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #answer<A>(request: Request): Promise<A> {
    // Now: what becomes of the objects that it holds changes nothing.
    const text = JSON.stringify(request);
    return JSON.parse(await this.inTurn(() => this.answered(text))) as A;
  }
}

/**
 * What a store throws that has done nothing: for a commit, so that the vault learns of it. The request is the JSON text of
 * one, or only its name.
 */
export function havingDoneNothing(error: unknown, request: string): unknown {
  if (!(error instanceof Error) || !COMMIT.test(request)) return error;
  return new NothingAppliedError(error.message, { cause: error });
}

const COMMIT = /^(?:\{"commit":|commit$)/;
