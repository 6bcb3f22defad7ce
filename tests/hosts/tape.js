/**
 * A record of what a session asked, when, and what it was answered; and a store that fails when it is told to. The native
 * part's own texts are kept, to the letter.
 */

/** The clock: once it is set, it advances by a millisecond with each request, and by what was asked for with each wait. */
export class Tape {
  /** Of each step: the time, the reply, what was asked then; the values beside the reply and beside what was asked. */
  taken = [];
  #given = [];
  #at;

  /** Puts itself between a package and its native part. */
  static install({ install, native }) {
    const [tape, whole] = [new Tape(), native()];
    const openVault = (keyring, options) => {
      const vault = whole.openVault(keyring, options);
      return {
        begin: (operation, value) => tape.#taping(vault.begin(operation, value)),
        metrics: (prefix) => vault.metrics(prefix),
      };
    };
    install({ ...whole, openVault });
    const system = Date.now.bind(Date);
    Date.now = () => tape.#at ?? system();
    return tape;
  }

  setClock(at) {
    this.#at = at;
  }

  /** Forgets what was taken before. */
  rewind() {
    this.taken = [];
    this.#given = [];
  }

  #taping(session) {
    let hasBegun = false;
    const step = (now, reply) => {
      hasBegun = true;
      const text = session.step(now, reply);
      const { ask } = JSON.parse(text);
      const told = reply === undefined ? null : JSON.parse(reply);
      this.taken.push([now, told, ask === undefined ? null : text, this.#given, []]);
      this.#given = [];
      if (ask !== undefined && this.#at !== undefined) this.#at += ask.request.wait?.millis ?? 1;
      return text;
    };
    const offer = (value) => {
      // Before the first step it is an argument, and stands in the script.
      if (hasBegun) this.#given.push(clear(value));
      session.offer(value);
    };
    const takeSecret = () => {
      const value = session.takeSecret();
      const last = this.taken.at(-1);
      // A value that is taken while a request is open goes with that.
      if (value != null && last !== undefined && last[2] !== null) last[4].push(clear(value));
      return value;
    };
    return { step, offer, takeSecret, close: () => session.close() };
  }
}

const clear = (value) => new TextDecoder().decode(value.revealBytes());

/** An environment, files, and a rotator, as a script has them: see tape.py. */
export class Surroundings {
  constructor() {
    this.set({});
    this.readEnv = (name) => read(this.env, name);
    this.readFile = (path) => read(this.files, path);
  }

  set({ env = {}, files = {}, created = [], activated = [] }) {
    Object.assign(this, { env, files, created, activated });
  }

  create() {
    const created = this.created.shift() ?? null;
    if (created === null) throw new Error("no value was made");
    return created;
  }

  activate() {
    if (this.activated.shift() === "throws") throw new Error("it was not activated");
  }
}

function read(values, key) {
  if (!Object.hasOwn(values, key)) return undefined;
  if (values[key] === null) throw new Error("it cannot be read");
  return values[key];
}

const nulls = (names) => Object.fromEntries(names.split(" ").map((name) => [name, null]));
/** What other programs left out comes to the transcript as null: the store itself gives rows as they were put. */
const NO_COLUMNS = nulls(
  "uid state version value_encrypted encryption_key_id value_fingerprint last_rotated created_by created_at updated_at",
);
const NO_EVENT = nulls(
  "stream seq at operation_id action secret_uid namespace name actor platform outcome success code reason epoch digest " +
    "rule prev_mac mac",
);

/** The package's store in memory, with pages of a length to choose, and with faults: `load`, `list`, `commit` and `events`
 * each have a list of those to come. `throws` before anything is done, `lost` afterwards; a commit is also `failed` and
 * answered `conflict`, with nothing done; `none` is no fault. */
export class TapedStore {
  faults = {};
  #store;
  #page;

  /** A store with rows that were taken from another one. */
  static from({ MemoryStore }, rows, page) {
    const taped = new TapedStore();
    taped.#store = new MemoryStore();
    taped.#page = page;
    taped.put(rows);
    return taped;
  }

  /** An empty store like this one, for its vault to be copied to. */
  target() {
    const taped = new TapedStore();
    taped.#store = new this.#store.constructor();
    taped.#page = this.#page;
    return taped;
  }

  /** Adds rows, as another program would. */
  put(rows) {
    const indexes = new Map(rows.indexes?.map(({ key, index }) => [JSON.stringify(key), index]));
    const puts = rows.records.map((record) => ({
      record: { ...record, columns: { ...NO_COLUMNS, ...record.columns } },
      expected: "absent",
      index: indexes.get(JSON.stringify(record.key)),
    }));
    const events = rows.events.map((event) => ({ ...NO_EVENT, ...event }));
    this.#store.commit({ operation_id: "rows", puts, deletes: [], checks: [], counters: [], events });
  }

  load(keys) {
    return this.#answered("load", () => this.#store.load(keys));
  }

  list(query, cursor) {
    return this.#answered("list", () => this.#store.list(this.#shortened(query), cursor));
  }

  events(query, cursor) {
    return this.#answered("events", () => this.#store.events(this.#shortened(query), cursor));
  }

  commit(changeSet) {
    return this.#answered("commit", () => this.#store.commit(changeSet));
  }

  #answered(method, answer) {
    const fault = this.faults[method]?.shift() ?? "none";
    if (fault === "failed" || fault === "conflict") return fault;
    if (fault === "throws") throw new Error("before anything was done");
    const answered = answer();
    if (fault === "lost") throw new Error("on the way back");
    return answered;
  }

  #shortened(query) {
    return { ...query, limit: Math.min(query.limit, this.#page) };
  }
}
