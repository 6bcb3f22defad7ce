/** The vault's records and events in a SQLite file, through Node's own `node:sqlite` or through better-sqlite3. */
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { refuseUnknown } from "../../bindings/js/arguments.js";
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
} from "../../bindings/js/contract.js";
import { guarded, StrongroomError } from "../../bindings/js/errors.js";
import { native } from "./native.js";

/** What the store needs of a database: `DatabaseSync` of `node:sqlite` has it, and so has `Database` of better-sqlite3. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

/** By its number, which both take for a name: better-sqlite3 binds no plain value to `?1`. */
type Params = { 1: string };

interface SqliteStatement {
  run(): unknown;
  run(params: Params): unknown;
  get(): unknown;
  get(params: Params): unknown;
  all(): unknown[];
  all(params: Params): unknown[];
}

export interface SqliteStoreOptions {
  /** How long to wait for other writers, in milliseconds; 10000 unless told otherwise. */
  busyTimeout?: number;
}

type Run = { statement: string; param: string; expect?: { value: number | null; otherwise: CommitAnswer } };
type Opening = { state: "current" | "fresh" | "upgrade" | "adopt"; statements: string[] };

const STATEMENTS = JSON.parse(native.sqliteStatements()) as Record<string, string>;

/**
 * A store in a SQLite file. A file that does not exist is made, and one of an earlier strongroom brought up to date: no
 * earlier one opens it then. A file that another program filled is adopted in place, after a copy beside it
 * (`bot.db.before-strongroom`): its rows, further columns, indexes and triggers stay.
 *
 * @example
 * const store = new SqliteStore("bot.db");
 * const vault = new Vault({ keyring: Keyring.fromEnv(), store });
 */
export class SqliteStore implements Store {
  readonly #database: SqliteDatabase;
  readonly #statements = new Map<string, SqliteStatement>();

  /** Opens a file by its path, or takes over a database that is open. Throws `UNSUPPORTED` for another program's tables. */
  constructor(database: string | SqliteDatabase, options: SqliteStoreOptions = {}) {
    const { busyTimeout = 10_000, ...unknown } = options;
    refuseUnknown(unknown, "the store's options");
    const isOurs = typeof database === "string";
    this.#database = isOurs ? new DatabaseSync(database) : database;
    try {
      this.#database.exec(`PRAGMA busy_timeout = ${Math.max(0, Math.trunc(busyTimeout))}`);
      this.#open();
    } catch (error) {
      if (isOurs) this.#database.close();
      throw error;
    }
  }

  load(keys: RecordKey[]): StoredRecord[] {
    return this.#read({ load: { keys } }).map((row) => JSON.parse(row.record as string) as StoredRecord);
  }

  list(query: ListQuery, cursor: string | null): ListPage {
    const { items, cursor: next } = this.#page({ list: { query, cursor } }, query.limit);
    return { items: items as ListPage["items"], cursor: next };
  }

  events(query: EventQuery, cursor: string | null): EventPage {
    const { items, cursor: next } = this.#page({ events: { query, cursor } }, query.limit);
    return { events: items as EventPage["events"], cursor: next };
  }

  commit(changeSet: ChangeSet): CommitAnswer {
    const plan = guarded(() => native.sqlitePlan(JSON.stringify({ commit: { change_set: changeSet } })));
    const { write } = JSON.parse(plan) as { write: Run[] };
    return this.#transaction(() => {
      for (const { statement, param, expect } of write) {
        if (expect === undefined) {
          this.#prepared(statement).run({ 1: param });
          continue;
        }
        const row = this.#prepared(statement).get({ 1: param }) as Record<string, number> | undefined;
        const found = row === undefined ? null : Object.values(row)[0];
        if (found !== expect.value) return expect.otherwise;
      }
      return "done";
    });
  }

  /** Closes the database. */
  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(request: Request): Record<string, unknown>[] {
    const plan = guarded(() => native.sqlitePlan(JSON.stringify(request)));
    const { read } = JSON.parse(plan) as { read: Run };
    return this.#prepared(read.statement).all({ 1: read.param }) as Record<string, unknown>[];
  }

  #page(request: Request, limit: number): { items: unknown[]; cursor: string | null } {
    const rows = this.#read(request);
    const last = rows.length < limit ? undefined : rows.at(-1);
    return {
      items: rows.map((row) => JSON.parse(row.item as string)),
      cursor: last === undefined ? null : (last.cursor as string),
    };
  }

  #prepared(name: string): SqliteStatement {
    const known = this.#statements.get(name);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(STATEMENTS[name] as string);
    this.#statements.set(name, statement);
    return statement;
  }

  /** Runs something in a transaction that it commits only when it says `done`. */
  #transaction(run: () => "done" | CommitAnswer): CommitAnswer {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const end = run();
      this.#database.exec(end === "done" ? "COMMIT" : "ROLLBACK");
      return end === "done" ? "committed" : end;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #rollBack(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself; the error that made it do so is the one to tell.
    }
  }

  #open(): void {
    const planned = this.#planOpening();
    if (planned.state === "current") return;
    if (planned.state === "fresh") this.#preferWal();
    if (planned.state === "adopt") this.#copyBeside();
    const foreignKeys = this.#first("PRAGMA foreign_keys");
    this.#database.exec("PRAGMA foreign_keys = OFF");
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        this.#rebuild();
        this.#database.exec("COMMIT");
      } catch (error) {
        this.#rollBack();
        throw error;
      }
    } finally {
      this.#database.exec(`PRAGMA foreign_keys = ${foreignKeys === 1 ? "ON" : "OFF"}`);
    }
  }

  /** Readers and a writer then do not wait for each other. SQLite does not wait for the lock that this needs. */
  #preferWal(): void {
    try {
      this.#database.exec("PRAGMA journal_mode = WAL");
    } catch {
      // Another process is opening the new file at this moment, and prefers the same; all works without, too.
    }
  }

  /** Planned again inside the transaction: another process may have come first. */
  #rebuild(): void {
    const broken = () => this.#database.prepare("PRAGMA foreign_key_check").all().length;
    const before = broken();
    // Prepared, since that takes one statement: a text of the old schema may hold more than it says.
    for (const sql of this.#planOpening().statements) this.#database.prepare(sql).run();
    if (broken() > before) {
      throw new StrongroomError(
        "UNSUPPORTED",
        "adopting the database would break its foreign keys; nothing was changed",
      );
    }
  }

  #planOpening(): Opening {
    const inspection = this.#first(STATEMENTS.inspect as string) as string;
    const { current } = JSON.parse(inspection) as { current: number };
    const version = current > 0 ? (this.#first(STATEMENTS.schema_version as string) as number) : undefined;
    return JSON.parse(guarded(() => native.sqlitePlanOpening(inspection, version))) as Opening;
  }

  /** Whole or not at all, and readable by nobody who may not read the original. Nothing for a database in memory. */
  #copyBeside(): void {
    const path = this.#first("SELECT file FROM pragma_database_list WHERE name = 'main'") as string;
    const copy = `${path}.before-strongroom`;
    if (path === "" || existsSync(copy)) return;
    const partial = `${copy}.${randomUUID()}`;
    writeFileSync(partial, "", { flag: "wx", mode: 0o600 });
    try {
      this.#database.prepare("VACUUM INTO ?1").run({ 1: partial });
      chmodSync(partial, statSync(path).mode & 0o777);
      // Another process may have made one meanwhile, and this one may show the database as that process has adopted it.
      if (!existsSync(copy)) renameSync(partial, copy);
    } finally {
      rmSync(partial, { force: true });
    }
  }

  #first(sql: string): unknown {
    const row = this.#database.prepare(sql).get() as Record<string, unknown> | undefined;
    return row === undefined ? undefined : Object.values(row)[0];
  }
}
