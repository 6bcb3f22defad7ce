/** A pool of the package `pg` for a URL or a config, and the rule that nothing leaves this machine unencrypted. */
import { createRequire } from "node:module";
import { BlockList, isIP } from "node:net";
import { invalid } from "../../bindings/js/arguments.js";
import { StrongroomError } from "../../bindings/js/errors.js";

/** A statement, as `pg` takes it: with a name it is prepared once for each connection. */
export interface PostgresStatement {
  name?: string;
  text: string;
  values?: string[];
}

/** What the store needs of a connection: a `Client` of `pg` has it. */
export interface PostgresClient {
  query(statement: PostgresStatement): Promise<{ rows: Record<string, unknown>[] }>;
  /** `I` between transactions; earlier versions of `pg` do not tell. */
  getTransactionStatus?(): string | null;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

type PooledClient = PostgresClient & { release(destroy?: boolean): void };

/** What the store needs of a pool: a `Pool` of `pg` has it. */
export interface PostgresPool {
  readonly totalCount: number;
  connect(taken: (error: Error | undefined, client: PooledClient | undefined) => void): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** What a pool is made of: what `pg` takes for a `Pool`, whatever else that may be. */
export interface PostgresConfig {
  connectionString?: string | undefined;
  host?: string | undefined;
  port?: number | undefined;
  database?: string | undefined;
  user?: string | undefined;
  password?: string | (() => string | Promise<string>) | undefined;
  /** `true` has the server's certificate checked; `{ ca }` says by whose. */
  ssl?: boolean | object | undefined;
  /** How many connections there are at most; 10 unless told otherwise. */
  max?: number | undefined;
  /** How long to wait for a connection, in milliseconds; 30000 unless told otherwise. */
  connectionTimeoutMillis?: number | undefined;
  idleTimeoutMillis?: number | null | undefined;
  statement_timeout?: number | false | undefined;
  lock_timeout?: number | undefined;
  query_timeout?: number | undefined;
  application_name?: string | undefined;
  fallback_application_name?: string | undefined;
  /** For the server's settings: `-c default_transaction_isolation=...`. */
  options?: string | undefined;
  keepAlive?: boolean | undefined;
  allowExitOnIdle?: boolean | undefined;
}

interface Pg {
  Pool: new (config: PostgresConfig) => PostgresPool & { end(): Promise<void> };
  /** Not connected: it has worked out by then where it would go, and how, from the URL, the config and the environment. */
  Client: new (
    config: PostgresConfig,
  ) => { host: string; ssl: boolean | { rejectUnauthorized?: boolean } };
}

/** A user's settings go before these. */
const DEFAULTS: PostgresConfig = {
  fallback_application_name: "strongroom",
  // A server that does not answer is an error and no wait without an end.
  connectionTimeoutMillis: 30_000,
  keepAlive: true,
  // Idle connections hold no process back from its end.
  allowExitOnIdle: true,
};

/** What `sslmode` says to take a connection that is not encrypted as well, or any server for the right one. */
const LAX_MODES = ["disable", "allow", "prefer", "no-verify"];

const ADVICE =
  "say sslmode=verify-full, or ssl: true, with sslrootcert or ssl: { ca } where the certificate is none of a public authority; or, where something else protects the connection, requireTls: false";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Makes a pool, which connects to nothing yet. Throws `UNSUPPORTED` without `pg`, `INVALID_ARGUMENT`. */
export function makePool(config: PostgresConfig, requireTls: boolean): InstanceType<Pg["Pool"]> {
  const { connectionString } = config;
  if (connectionString !== undefined && !/^(postgres(ql)?:\/\/|socket:|\/)/.test(connectionString))
    throw notAUrl();
  const { Pool, Client } = loadPg();
  const whole = { ...DEFAULTS, ...config };
  let client: InstanceType<typeof Client>;
  try {
    client = new Client(whole);
  } catch (error) {
    // A file of the URL's that is not there. Anything else goes without its text, which may hold a password.
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw notAUrl();
  }
  if (requireTls && !isThisMachine(client.host)) refuseUnencrypted(client.ssl, sslMode(config));
  return new Pool(whole);
}

function loadPg(): Pg {
  try {
    return createRequire(import.meta.url)("pg") as Pg;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw cause;
    throw new StrongroomError("UNSUPPORTED", "the package pg is missing: npm install pg", { cause });
  }
}

const notAUrl = () => invalid("it is no URL of a database, such as postgresql://user@host/database");

function isThisMachine(host: string): boolean {
  if (host === "" || host.startsWith("/") || host.toLowerCase() === "localhost") return true;
  const version = isIP(host);
  return version !== 0 && LOOPBACK.check(host, version === 6 ? "ipv6" : "ipv4");
}

function refuseUnencrypted(ssl: boolean | { rejectUnauthorized?: boolean }, mode: string | undefined): void {
  if (mode !== undefined && LAX_MODES.includes(mode))
    throw invalid(`sslmode=${mode} leaves the connection to another machine unprotected: ${ADVICE}`);
  if (!ssl) throw invalid(`the connection to another machine would not be encrypted: ${ADVICE}`);
  if (typeof ssl === "object" && ssl.rejectUnauthorized === false)
    throw invalid(`rejectUnauthorized: false takes any server for the right one: ${ADVICE}`);
}

/** As it is written, and not what this version of `pg` makes of it: another makes something else of `prefer`. */
function sslMode({ connectionString = "", ssl }: PostgresConfig): string | undefined {
  const query = new URLSearchParams(connectionString.split("?", 2)[1]);
  if (query.has("sslmode")) return query.get("sslmode") ?? undefined;
  return ssl === undefined && !query.has("ssl") ? process.env.PGSSLMODE : undefined;
}

/** Gives connections out, of which nobody hears an error but by the statement that it fails. */
export interface Connections {
  take(): Promise<PostgresClient>;
  /** Has one back; one that is spent is closed. */
  giveBack(client: PostgresClient, state: "good" | "spent"): void;
}

export function connectionsOf(source: PostgresPool | PostgresClient): Connections {
  return "totalCount" in source ? new Pooled(source) : new InTurns(source);
}

class Pooled implements Connections {
  readonly #pool: PostgresPool;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  take(): Promise<PooledClient> {
    return new Promise((resolve, reject) => {
      // Not by a promise, which comes later: what the server says in the same breath as its greeting would find nobody
      // who listens, and end the process.
      this.#pool.connect((error, client) => {
        client?.on("error", unheard);
        if (client === undefined) reject(error);
        else resolve(client);
      });
    });
  }

  giveBack(client: PooledClient, state: "good" | "spent"): void {
    client.release(state === "spent");
    client.removeListener("error", unheard);
  }
}

/** Gives a single connection to one after the other. It stays as it is: its owner's. */
class InTurns implements Connections {
  readonly #client: PostgresClient;
  #last: Promise<void> = Promise.resolve();
  #next: () => void = () => {};

  constructor(client: PostgresClient) {
    this.#client = client;
  }

  async take(): Promise<PostgresClient> {
    const before = this.#last;
    let next = () => {};
    this.#last = new Promise((resolve) => {
      next = resolve;
    });
    await before;
    this.#next = next;
    if (["T", "E"].includes(this.#client.getTransactionStatus?.() ?? "I")) {
      next();
      throw invalid(
        "the client is in a transaction: a vault needs its own, so give it a Pool, or another Client",
      );
    }
    return this.#client;
  }

  giveBack(): void {
    this.#next();
  }
}

/** Heard, so that it ends no process: the pool lets go of the connection, and a statement tells of it. */
export function unheard(): void {}
