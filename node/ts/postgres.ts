/** The vault's records and events in PostgreSQL, through the package `pg`. */
import { createHash } from "node:crypto";
import { havingDoneNothing } from "../../bindings/js/answering.js";
import { invalid, refuseUnknown, textOnly, wholeNumber } from "../../bindings/js/arguments.js";
import type {
  ChangeSet,
  CommitAnswer,
  EventPage,
  EventQuery,
  ListPage,
  ListQuery,
  RecordKey,
  Store,
  StoredRecord,
} from "../../bindings/js/contract.js";
import { type ErrorCode, guarded, StrongroomError } from "../../bindings/js/errors.js";
import { native } from "./native.js";
import {
  type Connections,
  connectionsOf,
  makePool,
  type PostgresClient,
  type PostgresConfig,
  type PostgresPool,
  type PostgresStatement,
  unheard,
} from "./postgres-pool.js";

export type { PostgresClient, PostgresConfig, PostgresPool } from "./postgres-pool.js";

export interface PostgresStoreOptions {
  /** The schema that the tables are in; `public` unless told otherwise. It is made where there is none. */
  schema?: string;
  /**
   * Whether a connection to another machine must be encrypted, to a server whose certificate is checked; `true` unless
   * told otherwise. Only for a pool that the store makes.
   */
  requireTls?: boolean;
  /** How many connections there are at most; 10 unless told otherwise. Only for a pool that the store makes. */
  max?: number;
  /**
   * Whether statements are prepared once for each connection; `true` unless told otherwise. `false` for what pools
   * transactions and knows no named statements, such as PgBouncer before 1.21.
   */
  prepare?: boolean;
}

type RequestName = "load" | "list" | "events" | "commit";
type Opening = { state: "current" | "fresh" | "unknown"; statements: string[] };
type MeaningName = "conflict" | "refused" | "busy" | "lost" | "stale";
/** What the server's errors mean: how their SQLSTATEs begin, and what the store throws in their place. */
type Meaning = { states: string[]; failure: { code: ErrorCode; message: string } | null };
type Statements = Record<RequestName | "lock" | "inspect" | "version", string> & {
  meanings: Record<MeaningName, Meaning>;
};

/** An error that the server itself has told of; of a lost connection tells `pg`, or the system. */
type ServerError = Error & { code: string; severity: string };

/**
 * A store in a PostgreSQL database (14 or later), where many hosts share it. Tables and functions are made when they are
 * missing; any number of processes may open the database at once. A role that may create nothing opens one that is up to
 * date.
 *
 * `open` gives it once the database was opened; made by `new`, it opens it with its first request. One request is one
 * statement, one round trip, and one transaction.
 *
 * @example
 * await using store = await PostgresStore.open("postgresql://app@db.example.com/app?sslmode=verify-full");
 * const vault = new Vault({ keyring: Keyring.fromEnv(), store });
 */
export class PostgresStore implements Store {
  readonly #given: PostgresPool | PostgresClient;
  readonly #connections: Connections;
  readonly #close: () => Promise<void>;
  readonly #schema: string;
  readonly #statements: Statements;
  /** Of the statements' texts: stores of other schemas may share a connection. Nothing where none is prepared. */
  readonly #tag: string | undefined;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Takes a URL or a config of `pg`, for a pool of its own; or a `Pool` that is there, which is used as it is; or a
   * connected `Client`, which nobody else may use meanwhile. Connects to nothing yet. Throws `INVALID_ARGUMENT`, also for
   * a connection to another machine that would not be encrypted; `UNSUPPORTED` where `pg` is not installed.
   */
  constructor(
    database: string | PostgresConfig | PostgresPool | PostgresClient,
    options: PostgresStoreOptions = {},
  ) {
    const { schema = "public", requireTls, max, prepare = true, ...unknown } = options;
    refuseUnknown(unknown, "the store's options");
    if (max !== undefined && wholeNumber(max, "max") < 1) throw invalid("max must be at least 1");
    for (const flag of [requireTls, prepare])
      if (flag !== undefined && typeof flag !== "boolean")
        throw invalid("requireTls and prepare are true or false");
    this.#schema = textOnly(schema, "the schema");
    const statements = guarded(() => native.postgresStatements(this.#schema));
    this.#statements = JSON.parse(statements) as Statements;
    this.#tag = prepare ? createHash("sha256").update(statements).digest("hex").slice(0, 16) : undefined;
    if (isGiven(database)) {
      if (requireTls !== undefined || max !== undefined)
        throw invalid(
          "requireTls and max are for a pool that the store makes: set them where this one is made",
        );
      this.#given = database;
      this.#close = async () => {};
    } else {
      if (typeof database !== "string" && (typeof database !== "object" || database === null))
        throw invalid("the database is a URL, a config, a Pool or a Client of pg");
      const config = typeof database === "string" ? { connectionString: database } : database;
      const pool = makePool(max === undefined ? config : { ...config, max }, requireTls ?? true);
      this.#given = pool;
      this.#close = () => pool.end();
    }
    this.#connections = connectionsOf(this.#given);
    this.#given.on("error", unheard);
  }

  /**
   * A store over a database that was opened. Throws what the constructor throws; `UNSUPPORTED` for a server that is too
   * old or a replica, tables of a newer strongroom, or another program's; and what `pg` throws.
   */
  static async open(
    database: string | PostgresConfig | PostgresPool | PostgresClient,
    options: PostgresStoreOptions = {},
  ): Promise<PostgresStore> {
    const store = new PostgresStore(database, options);
    try {
      await store.#opened();
    } catch (error) {
      await store.close();
      throw error;
    }
    return store;
  }

  async load(keys: RecordKey[]): Promise<StoredRecord[]> {
    const { records } = await this.#ask<{ records: StoredRecord[] }>("load", { keys });
    return records;
  }

  list(query: ListQuery, cursor: string | null): Promise<ListPage> {
    return this.#ask("list", { query, cursor });
  }

  events(query: EventQuery, cursor: string | null): Promise<EventPage> {
    return this.#ask("events", { query, cursor });
  }

  commit(changeSet: ChangeSet): Promise<CommitAnswer> {
    return this.#ask("commit", { change_set: changeSet });
  }

  /** Closes the connections of a pool that the store made, once they are done; what was given stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => this.#given.removeListener("error", unheard));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ask<T>(request: RequestName, content: object): Promise<T> {
    await this.#opened();
    const statement = { text: this.#statements[request], values: [JSON.stringify(content)] };
    const name = this.#tag === undefined ? {} : { name: `strongroom_${request}_${this.#tag}` };
    let first: "lost" | "stale";
    try {
      return JSON.parse(await this.#run({ ...name, ...statement })) as T;
    } catch (error) {
      if (!(error instanceof Spent)) return this.#answerTo(request, error);
      first = error.meaning;
    }
    try {
      // By another connection, and without a name, which this one may not know any more. A commit that was applied is
      // told by its operation id.
      return JSON.parse(await this.#run(statement)) as T;
    } catch (error) {
      const why = error instanceof Spent ? error.cause : error;
      // That this one was only kept waiting, or taken back, tells nothing of one that was lost.
      const meaning = this.#meaningOf(why);
      if (first === "lost" && (meaning === "busy" || meaning === "conflict")) throw why;
      return this.#answerTo(request, why);
    }
  }

  #run(statement: PostgresStatement): Promise<string> {
    return this.#with((client) => first<string>(client, statement));
  }

  /** What an error answers to a request. Throws what is wrong. */
  #answerTo<T>(request: RequestName, error: unknown): T {
    const meaning = this.#meaningOf(error);
    if (request === "commit" && meaning === "conflict") return "conflict" as T;
    const failure = meaning && this.#statements.meanings[meaning].failure;
    if (!failure) throw error;
    throw havingDoneNothing(new StrongroomError(failure.code, failure.message, { cause: error }), request);
  }

  /** What was no word of the server's is a connection that is gone, and what became of the statement nobody knows. */
  #meaningOf(error: unknown): MeaningName | undefined {
    if (error instanceof StrongroomError) return undefined;
    if (!isOfServer(error)) return "lost";
    const { meanings } = this.#statements;
    const names = Object.keys(meanings) as MeaningName[];
    return names.find((name) => meanings[name].states.some((begin) => error.code.startsWith(begin)));
  }

  /** Opens the database, once; and again where that failed. */
  #opened(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error instanceof Spent ? error.cause : error;
    });
    return this.#opening;
  }

  #open(): Promise<void> {
    return this.#with(async (client) => {
      if ((await this.#planOpening(client)).state === "current") return;
      await client.query({ text: "BEGIN ISOLATION LEVEL READ COMMITTED" });
      try {
        await client.query({ text: this.#statements.lock });
        // Planned again: another process may have come first.
        const { statements } = await this.#planOpening(client);
        for (const text of statements) await client.query({ text });
        await client.query({ text: "COMMIT" });
      } catch (error) {
        // The error is what there is to tell; a connection that is gone has rolled back by itself.
        await client.query({ text: "ROLLBACK" }).catch(() => {});
        throw error;
      }
    });
  }

  async #planOpening(client: PostgresClient): Promise<Opening> {
    const plan = (inspection: string, version?: number) =>
      JSON.parse(guarded(() => native.postgresPlanOpening(this.#schema, inspection, version))) as Opening;
    const inspection = await first<string>(client, { text: this.#statements.inspect });
    const planned = plan(inspection);
    if (planned.state !== "unknown") return planned;
    return plan(inspection, await first<number>(client, { text: this.#statements.version }));
  }

  /** Runs something on a connection. Throws `Spent` when that is of no more use, and closes it. */
  async #with<T>(run: (client: PostgresClient) => Promise<T>): Promise<T> {
    const client = await this.#connections.take();
    let state: "good" | "spent" = "good";
    try {
      return await run(client);
    } catch (error) {
      const meaning = this.#meaningOf(error);
      if (meaning !== "lost" && meaning !== "stale") throw error;
      state = "spent";
      throw new Spent(meaning, error);
    } finally {
      this.#connections.giveBack(client, state);
    }
  }
}

/** The connection is of no more use. The cause is what `pg` threw. */
class Spent extends Error {
  readonly meaning: "lost" | "stale";

  constructor(meaning: "lost" | "stale", cause: unknown) {
    super("the connection is of no more use", { cause });
    this.meaning = meaning;
  }
}

async function first<T>(client: PostgresClient, statement: PostgresStatement): Promise<T> {
  const [row = {}] = (await client.query(statement)).rows;
  return Object.values(row)[0] as T;
}

function isOfServer(error: unknown): error is ServerError {
  const { code, severity } = error as Partial<ServerError>;
  return typeof code === "string" && typeof severity === "string";
}

function isGiven(database: unknown): database is PostgresPool | PostgresClient {
  return typeof (database as PostgresClient | null)?.query === "function";
}
