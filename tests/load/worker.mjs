/**
 * One Node process at work: `node worker.mjs PACKAGE`, a folder with the built npm package. What `work.py` does, with the same
 * words on its pipes and the same lines in its log.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [, , folder] = process.argv;
const part = (name) => import(pathToFileURL(resolve(folder, "lib/node/ts", `${name}.js`)));
const { isStrongroomError, Keyring, Vault } = await part("index");

/** How long it waits after an error, in milliseconds; how many secrets there are in a namespace, and in one operation. */
const [PAUSE, NAMESPACE_SIZE, MANY] = [100, 250, 3];

const now = () => Number(process.hrtime.bigint());
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const place = (number) => [
  `load-${String(Math.floor(number / NAMESPACE_SIZE)).padStart(5, "0")}`,
  `SECRET_${String(number).padStart(7, "0")}`,
];

/** Numbers from 0 up to 1, the same again for the same seed: a linear congruence, modulo 2^32. */
function chance(seed, process) {
  let state = (seed * 7919 + process * 104729) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function openStore(spec) {
  const [scheme] = spec.split(":", 1);
  const rest = spec.slice(scheme.length + 1);
  if (scheme === "sqlite") return new (await part("sqlite")).SqliteStore(rest);
  if (scheme === "file") return new (await part("file")).FileStore(rest);
  if (rest.startsWith("//")) return (await part("postgres")).PostgresStore.open(spec, { max: 1 });
  throw new TypeError(`a Node process opens sqlite:PATH, file:PATH or postgresql://..., not ${scheme}`);
}

class Worker {
  #vault;
  #work;
  #chance;
  /** Each as often as the mix says. */
  #kinds;
  #values = 0;
  #seen = new Map();

  constructor(vault, work) {
    [this.#vault, this.#work, this.#chance] = [vault, work, chance(work.seed, work.process)];
    this.#kinds = Object.entries(work.mix).flatMap(([kind, weight]) => Array(weight).fill(kind));
  }

  /** One operation on a secret that chance chooses, and the line that tells of it. */
  async do(secrets) {
    const kind = this.#kinds[this.#below(this.#kinds.length)];
    const first = this.#below(secrets);
    const [namespace, name] = place(first);
    let names = kind === "list" ? [] : [name];
    if (kind === "get_many" || kind === "set_many") {
      const start = first - (first % NAMESPACE_SIZE);
      const size = Math.min(NAMESPACE_SIZE, secrets - start);
      names = [...new Set(Array.from({ length: MANY }, () => place(start + this.#below(size))[1]))].sort();
    }
    const asked = this.#asked(kind, namespace, names);
    const start = now();
    let [told, failed] = [null, null];
    try {
      told = await this[kind](names, asked, { actor: `process-${this.#work.process}`, namespace });
    } catch (error) {
      if (!isStrongroomError(error)) throw error;
      if (error.code === "SECRET_NOT_FOUND") told = "not found";
      else failed = `${error.code}: ${error.message} (caused by ${error.cause})`;
    }
    return [this.#work.process, kind, namespace, names, asked, start, now(), told, failed];
  }

  #below(count) {
    return Math.floor(this.#chance() * count);
  }

  #asked(kind, namespace, names) {
    if (["set", "rotate", "set_many"].includes(kind)) return names.map(() => this.#newValue());
    if (kind !== "verify") return [];
    const seen = this.#seen.get(`${namespace}/${names[0]}`);
    return [seen !== undefined && this.#chance() < 0.8 ? seen : this.#newValue()];
  }

  #newValue() {
    this.#values += 1;
    return `${this.#work.process}.${this.#values}.`.padEnd(this.#work.value_bytes, "x");
  }

  #saw(name, value, { namespace }) {
    this.#seen.set(`${namespace}/${name}`, value);
  }

  #revealed(name, secret, options) {
    const value = secret.reveal();
    this.#saw(name, value, options);
    return [secret.details.version, value];
  }

  async set([name], [value], options) {
    const { version, created } = await this.#vault.set(name, value, options);
    this.#saw(name, value, options);
    return [version, created];
  }

  async rotate([name], [value], options) {
    const { version, created } = await this.#vault.rotate(name, value, options);
    this.#saw(name, value, options);
    return [version, created];
  }

  async delete([name], _asked, options) {
    await this.#vault.delete(name, options);
    return true;
  }

  async get([name], _asked, options) {
    return this.#revealed(name, await this.#vault.get(name, options), options);
  }

  async verify([name], [value], options) {
    return (await this.#vault.verify(name, value, options)).version ?? 0;
  }

  async exists([name], _asked, options) {
    return await this.#vault.exists(name, options);
  }

  async versions([name], _asked, options) {
    return (await this.#vault.versions(name, options)).map(({ number }) => number);
  }

  async list(_names, _asked, options) {
    return Object.fromEntries((await this.#vault.list(options)).map(({ name, version }) => [name, version]));
  }

  async get_many(names, _asked, options) {
    const read = [...(await this.#vault.getMany(names, options))];
    return Object.fromEntries(read.map(([name, secret]) => [name, this.#revealed(name, secret, options)]));
  }

  async set_many(names, asked, options) {
    const values = new Map(names.map((name, at) => [name, asked[at]]));
    const { written } = await this.#vault.setMany(values, options);
    return Object.fromEntries(written.map(({ name, version, created }) => [name, [version, created]]));
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;

const work = JSON.parse(await next());
const store = await openStore(work.store);
const vault = new Vault({ keyring: Keyring.parse(work.key), store });
const worker = new Worker(vault, work);
const log = createWriteStream(work.log);
say({ ready: true });
let [done, toldAt] = [0, now()];
for (const phase of work.phases) {
  await next();
  const end = now() + phase.seconds * 1e9;
  while (now() < end) {
    const line = await worker.do(phase.secrets);
    if (!log.write(`${JSON.stringify(line)}\n`)) await once(log, "drain");
    done += 1;
    if (now() - toldAt >= 1e9) {
      toldAt = now();
      say({ done });
    }
    if (line.at(-1) !== null) await sleep(PAUSE);
  }
  say({ ready: true });
}
say({ conflicts: Number(/^strongroom_commit_conflicts_total (\d+)$/m.exec(vault.metrics())[1]) });
log.end();
await once(log, "finish");
await store.close?.();
process.exit();
