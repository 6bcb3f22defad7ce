/** What the tests make a page or a worker do with the package. What comes back is plain data: no value leaves but as a boolean. */
import { RowStore } from "./rows.js";

const alice = { actor: { id: "alice", platform: "page" } };
/** To the console of the browser, where the tests look for values; in Node it is nobody's. */
const print = import.meta.url.startsWith("http") ? console.log : () => {};
const CHANGES = ["set", "rotate", "delete"];

const stores = {
  MemoryStore: (library) => new library.MemoryStore(),
  RowStore: () => new RowStore(),
  /** The same contract, sync: the methods of another store, on an object of no class. */
  "an object": (library) => {
    const store = new library.MemoryStore();
    return {
      load: (keys) => store.load(keys),
      list: (query, cursor) => store.list(query, cursor),
      commit: (changeSet) => store.commit(changeSet),
      events: (query, cursor) => store.events(query, cursor),
    };
  },
};

/** Does one of the jobs below, with the module from `source`. */
export async function run(library, { job, source, store = "MemoryStore", key, canary, ...given }) {
  await library.init(source);
  const keyring = key === undefined ? library.Keyring.generate() : library.Keyring.parse(key);
  return await jobs[job](library, { keyring, store: stores[store](library), canary, ...given });
}

/** The error of something that must fail, as plain data, and whether it is all that an error of strongroom must be. */
async function refusal(library, call, cause) {
  try {
    await call();
  } catch (error) {
    print(error);
    const { code, number, retryable, operation, message } = error;
    const ours = error instanceof library.StrongroomError && library.isStrongroomError(error, code);
    const caused = cause === undefined ? undefined : error.cause === cause;
    return { code, number, retryable, operation, ours, caused, shown: shown(error), message };
  }
  return { code: "nothing was thrown" };
}

/** Whatever a program prints of something. */
function shown(value) {
  const texts = [String(value), JSON.stringify(value) ?? "", `${Object.entries(Object(value))}`];
  if (value instanceof Error) texts.push(value.stack, `${value.cause}`);
  return texts.join("\n");
}

const jobs = {
  async operations(library, { keyring, store, canary }) {
    const { Vault, Secret } = library;
    const vault = new Vault({ keyring, store, confirm: CHANGES });
    const told = {};
    const tell = async (what, promise) => {
      told[what] = await promise;
      return told[what];
    };
    await tell("set", vault.set("A", canary, alice));
    await tell("again", vault.set("A", new TextEncoder().encode(canary), alice));
    await tell("rotated", vault.rotate("A", Secret.of(`${canary}2`), alice));
    await tell("elsewhere", vault.set("B", `${canary}3`, { ...alice, namespace: "other" }));
    await tell("exists", vault.exists("A", alice));
    await tell("missing", vault.exists("Z", alice));
    const secret = await vault.get("A", alice);
    told.details = secret.details;
    told.revealed = [
      secret.reveal() === `${canary}2`,
      new TextDecoder().decode(secret.revealBytes()) === `${canary}2`,
    ];
    told.masked = secret.masked("full");
    await tell("list", vault.list(alice));
    await tell("listOther", vault.list({ ...alice, namespace: "other" }));
    const proposed = await tell("proposed", vault.propose("rotate", "A", `${canary}4`, alice));
    await tell("confirmed", vault.confirm(proposed.id, alice));
    await tell("repeated", vault.confirm(proposed.id, alice));
    told.applied = (await vault.get("A", alice)).reveal() === `${canary}4`;
    const withdrawn = await vault.propose("delete", "A", alice);
    await tell("cancelled", vault.cancel(withdrawn.id, alice));
    await tell("deleted", vault.delete("B", { ...alice, namespace: "other" }));
    await tell("audit", vault.audit({ ...alice, name: "A", limit: 3 }));
    await tell("census", vault.census(alice));
    await tell("adopted", vault.adopt(alice));
    await tell("report", vault.verifyAudit(alice));
    const everything = [...Object.values(told), secret, vault, keyring, store];
    print(...everything, `${everything}`);
    return { ...told, shown: everything.map(shown).join("\n") };
  },

  /** The rules: policy, grants, grace, versions, ends and a change of keys, the values told of as booleans. */
  async rules(library, { keyring, store, canary }) {
    const { Keyring, Vault } = library;
    const senior = { actor: { id: "sam", platform: "page", roles: ["senior-engineer"] } };
    const analyst = { actor: { id: "ann", platform: "page", roles: ["analyst"] } };
    const vault = new Vault({ keyring, store, policy: "default" });
    const told = {};
    await vault.set("A", canary, { ...senior, generator: "hex", sensitivity: "critical", notify: ["ops"] });
    told.read = (await vault.get("A", analyst)).reveal() === canary;
    told.denied = await refusal(library, () => vault.rotate("A", `${canary}2`, analyst));
    const until = new Date(Date.now() + 60_000);
    const { id } = await vault.grant("A", { to: { user: "ann" }, actions: ["write"], until }, senior);
    told.grants = await vault.grants("A", senior);
    told.rotated = await vault.rotate("A", { ...analyst, graceMillis: 60_000 });
    await vault.revoke("A", id, senior);
    told.revoked = await refusal(library, () => vault.rotate("A", analyst));
    told.made = /^[0-9a-f]{64}$/.test((await vault.get("A", analyst)).reveal());
    told.previous = await vault.verify("A", canary, analyst);
    await vault.revokePrevious("A", senior);
    told.over = await vault.verify("A", canary, analyst);
    told.rolledBack = await vault.rollback("A", 1, senior);
    told.current = await vault.verify("A", canary, analyst);
    told.versions = await vault.versions("A", analyst);
    told.status = await vault.rotationStatus(senior);
    await vault.disable("A", senior);
    told.disabled = await refusal(library, () => vault.get("A", senior));
    await vault.enable("A", senior);
    await vault.set("SHORT", canary, { ...senior, expiresInMillis: 1 });
    await new Promise((resolve) => setTimeout(resolve, 10));
    told.expired = await refusal(library, () => vault.get("SHORT", senior));
    told.purged = await vault.purge(senior);
    const [oldKey, newKey] = [keyring, Keyring.generate()].map((each) => each.dangerousExport());
    const fresh = new Vault({ keyring: Keyring.parse(`${newKey},${oldKey}`), store });
    const late = new Vault({ keyring: Keyring.parse(`${oldKey},${newKey}`), store });
    told.stale = await refusal(library, () => fresh.set("B", canary, alice));
    told.rekeyed = await fresh.rekey({ ...alice, limit: 1 });
    told.lateIsStale = await refusal(library, () => late.set("B", canary, alice));
    told.retired = [];
    for (const _ of ["disabled", "destroyed"])
      told.retired.push((await fresh.retire(keyring.keys[0].id, alice)).state);
    told.keys = Object.keys((await fresh.census(alice)).keys).length;
    await fresh.setPolicy({ rules: [{ id: "all", users: ["alice"], actions: ["*"] }] }, alice);
    told.kept = await fresh.policy(alice);
    told.report = await fresh.verifyAudit(alice);
    print(...Object.values(told));
    return { ...told, until, shown: shown(JSON.stringify(told)) };
  },

  async resolve(library, { keyring, store, canary }) {
    const vault = new library.Vault({ keyring, store });
    await vault.set("A", canary, alice);
    const found = await vault.resolve({ a: ["secret:A", "INFO"], b: "plain:secret:A", c: 7 }, alice);
    print(found);
    const own = {
      readEnv: (name) => (name === "E" ? `E of ${canary}` : undefined),
      readFile: async (path) => `${path} of ${canary}`,
    };
    const given = await new library.Vault({ keyring, store, ...own }).resolve(["env:E", "file:F"], alice);
    return {
      revealed: library.revealAll(found).a[0] === canary,
      rest: [found.a[1], found.b, found.c],
      given: library.revealAll(given).map((text, at) => text === `${"EF"[at]} of ${canary}`),
      without: await refusal(library, () => vault.resolve(["env:E", "file:F", "secret:A"], alice)),
    };
  },

  async commands(library, { keyring, store, canary }) {
    const vault = new library.Vault({ keyring, store, confirm: CHANGES });
    const replies = [];
    const say = async (text, who = alice) => {
      const reply = await vault.command(text, who);
      replies.push(reply);
      return reply;
    };
    const press = (reply, label) => say(reply.buttons.find((button) => button.label === label).command);
    await press(await say(`secret set C ${canary}`), "Confirm");
    await say("secret get C");
    const rotation = await say(`secret rotate C ${canary}2`);
    await say(rotation.buttons[0].command, { actor: { id: "mallory", platform: "page" } });
    await press(rotation, "Cancel");
    const kept = (await vault.get("C", alice)).reveal() === canary;
    await press(await say("secret delete C"), "Confirm");
    await say("secret get C");
    await say("secret list");
    await say(`secret ste C ${canary}`);
    print(...replies);
    return { replies, kept, shown: replies.map(shown).join("\n") };
  },

  async errors(library, { keyring, store, canary }) {
    const { Keyring, Vault, MemoryStore } = library;
    const vault = new Vault({ keyring, store, proposalMillis: 60_000 });
    await vault.set("A", canary, alice);
    const { id } = await vault.propose("set", "A", `${canary}2`, alice);
    const other = new Vault({ keyring: Keyring.generate(), store });
    const closed = new Vault({ keyring, store, actors: ["bob"] });
    const pinned = new Vault({ keyring, store, vaultId: "0".repeat(32) });
    const session = (millis) => ({
      actor: { id: "alice", platform: "page", sessionExpiresAt: new Date(millis) },
    });
    const calls = {
      SECRET_NOT_FOUND: () => vault.get("Z", alice),
      NAME_INVALID: () => vault.set("a b", canary, alice),
      VALUE_INVALID: () => vault.set("A", "", alice),
      PERMISSION_DENIED: () => closed.get("A", alice),
      SESSION_EXPIRED: () => vault.get("A", session(1_000)),
      CONFIRMATION_NOT_FOUND: () => vault.confirm("x".repeat(22), alice),
      CONFIRMATION_MISMATCH: () => vault.confirm(id, { actor: "mallory" }),
      "KEY_UNKNOWN: another key": () => other.get("A", alice),
      "KEY_UNKNOWN: another key, writing": () => other.set("A", canary, alice),
      "VAULT_HEAD_MISSING: another vault is pinned": () => pinned.get("A", alice),
      "INVALID_ARGUMENT: no actor": () => vault.get("A", {}),
      "INVALID_ARGUMENT: a misspelled option": () => vault.set("A", canary, { ...alice, namspace: "x" }),
      "INVALID_ARGUMENT: no value": () => vault.set("A", undefined, alice),
      "INVALID_ARGUMENT: a value of another kind": () => vault.set("A", { canary }, alice),
      "INVALID_ARGUMENT: no store": () => new Vault({ keyring }),
      "INVALID_ARGUMENT: no keyring": () => new Vault({ keyring: canary, store: new MemoryStore() }),
      "INVALID_ARGUMENT: an unknown change": () => new Vault({ keyring, store, confirm: ["get"] }),
      "INVALID_ARGUMENT: a wiped secret": async () => {
        const secret = library.Secret.of(canary);
        secret.wipe();
        await vault.set("A", secret, alice);
      },
    };
    const refused = {};
    for (const [what, call] of Object.entries(calls)) refused[what] = await refusal(library, call);
    const kept = (await vault.get("A", alice)).reveal() === canary;
    return { refused, kept, report: await vault.verifyAudit(alice) };
  },

  /** A store that fails at each request of each operation, in each way that a callback can. */
  async failures(library, { keyring, canary }) {
    const exception = new Error("the database is gone");
    const ways = {
      throws: {
        fail: () => {
          throw exception;
        },
        cause: exception,
      },
      rejects: { fail: () => Promise.reject(exception), cause: exception },
      "rejects with no error": { fail: () => Promise.reject("gone"), cause: "gone" },
      "answers what is no JSON": { fail: () => ({ items: [1n] }) },
      "answers nothing": { fail: () => undefined },
    };
    const operations = {
      set: (vault) => vault.set("A", canary, alice),
      get: (vault) => vault.get("A", alice),
      list: (vault) => vault.list(alice),
      verifyAudit: (vault) => vault.verifyAudit(alice),
      command: (vault) => vault.command(`secret set A ${canary}`, alice),
    };
    const used = {
      set: ["load", "commit"],
      get: ["load", "commit"],
      list: ["list"],
      verifyAudit: ["events"],
      command: ["load", "commit"],
    };
    const refused = [];
    for (const [operation, start] of Object.entries(operations)) {
      for (const method of used[operation]) {
        for (const [way, { fail, cause }] of Object.entries(ways)) {
          const store = new RowStore();
          await new library.Vault({ keyring, store }).set("A", `${canary}0`, alice);
          const failing = new Proxy(store, {
            get: (_, name) => (name === method ? fail : store[name]?.bind(store)),
          });
          const vault = new library.Vault({ keyring, store: failing });
          const error = await refusal(library, () => start(vault), cause);
          const after = new library.Vault({ keyring, store });
          const kept = (await after.get("A", alice)).reveal() === `${canary}0`;
          const { events } = await after.verifyAudit(alice);
          refused.push({ where: `${operation}, ${method} ${way}`, ...error, kept, verified: events > 0 });
        }
      }
    }
    return refused;
  },

  async together(library, { keyring, store, canary }) {
    const vault = new library.Vault({ keyring, store });
    const names = Array.from({ length: 10 }, (_, index) => `NAME_${index}`);
    for (const name of names) await vault.set(name, `${canary} ${name}`, alice);
    const gets = Array.from({ length: 100 }, async (_, index) => {
      const name = names[index % names.length];
      return (await vault.get(name, alice)).reveal() === `${canary} ${name}`;
    });
    const right = (await Promise.all(gets)).filter(Boolean).length;
    const writes = Array.from({ length: 100 }, (_, index) =>
      vault.rotate(names[index % names.length], `${canary} ${index}`, alice),
    );
    const versions = (await Promise.all(writes)).map(({ name, version }) => `${name} ${version}`);
    const listed = await vault.list(alice);
    return { right, versions, listed, report: await vault.verifyAudit(alice) };
  },

  /** Writes a vault into rows, and gives the rows. */
  async write(library, { keyring, values }) {
    const store = new RowStore();
    const vault = new library.Vault({ keyring, store });
    for (const [name, value] of Object.entries(values)) await vault.set(name, value, alice);
    const { id } = await vault.propose("rotate", "A", "proposed there", alice);
    const report = await vault.verifyAudit(alice);
    return { rows: store.dump(), id, report };
  },

  /** Opens a vault from rows; compares every value, confirms the proposal, and gives the rows as they are then. */
  async read(library, { keyring, rows, values, id }) {
    const store = RowStore.from(rows);
    const vault = new library.Vault({ keyring, store });
    const report = await vault.verifyAudit(alice);
    const same = [];
    for (const [name, value] of Object.entries(values)) {
      if ((await vault.get(name, alice)).reveal() === value) same.push(name);
    }
    const { written } = await vault.confirm(id, alice);
    const confirmed = (await vault.get("A", alice)).reveal() === "proposed there";
    const after = await vault.verifyAudit(alice);
    return { report, same, written, confirmed, after, rows: store.dump() };
  },

  /** Opens rows that somebody altered. */
  async examine(library, { keyring, rows }) {
    const vault = new library.Vault({ keyring, store: RowStore.from(rows) });
    return [
      await refusal(library, () => vault.get("A", alice)),
      await refusal(library, () => vault.verifyAudit(alice)),
    ];
  },

  /** What a vault counts, and what its rules of access find. */
  async metrics(library, { keyring, store, canary }) {
    const found = [];
    const accessRules = new library.AccessWatch({
      firstReader: true,
      deniedBurst: { count: 2, windowMillis: 60_000 },
    });
    const onFinding = ({ rule, actor, name, count, at }) =>
      found.push([rule, actor, name, count, at instanceof Date]);
    const vault = new library.Vault({ keyring, store, actors: ["alice"], accessRules, onFinding });
    await vault.set("A", canary, alice);
    await vault.get("A", alice);
    await vault.get("A", alice);
    for (const actor of ["mallory", "mallory", "mallory"])
      await refusal(library, () => vault.get("A", { actor }));
    const misspelled = await refusal(library, () => vault.metrics({ prefix: "no prefix" }));
    return { found, page: vault.metrics(), misspelled };
  },

  /** Many secrets at once, imports, and manifests: what a page has of them. */
  async many(library, { keyring, store, canary }) {
    const { Manifest, Vault } = library;
    const vault = new Vault({ keyring, store });
    const told = {};
    const given = new Map([
      ["A", canary],
      ["B", { generate: "hex" }],
      ["C", { value: `${canary}3`, sensitivity: "critical" }],
    ]);
    told.set = await vault.setMany(given, alice);
    const found = await vault.getMany(["C", "A"], alice);
    told.names = [...found.keys()];
    told.revealed = [...found.values()].map((secret) => secret.reveal().startsWith(canary));
    told.missing = await refusal(library, () => vault.getMany(["A", "NOWHERE", canary], alice));
    const text = `export D='${canary}4'\r\nE="${canary}5"\r\n`;
    told.imported = await vault.importDotenv(text, { ...alice, namespace: "app" });
    told.unreadable = await refusal(library, () => vault.importDotenv(`A=1\nA='${canary}`, alice));
    told.environment = await refusal(library, () => vault.importEnv(alice));
    const entries = [
      { name: "A", minimum_length: 1000 },
      { name: "MADE", generator: "token_urlsafe" },
      { name: "LOG_LEVEL", kind: "plain", default: "info" },
    ];
    const manifest = Manifest.parse(JSON.stringify({ version: 1, entries }), { format: "json" });
    told.provided = await vault.provision(manifest, alice);
    told.checked = await vault.check(manifest, alice);
    told.example = manifest.toDotenvExample();
    told.again = Manifest.parse(told.example, { format: "dotenv" }).entries.map(({ name, kind }) => [
      name,
      kind,
    ]);
    told.yaml = await refusal(library, () => Manifest.parse("version: 1"));
    told.hostile = await Promise.all(
      [
        ["json", "[".repeat(1 << 20)],
        ["json", "x".repeat(11 << 20)],
        ["dotenv", "A=1\n".repeat(1 << 18)],
      ].map(([format, text]) => refusal(library, () => Manifest.parse(text, { format }))),
    );
    told.report = await vault.verifyAudit(alice);
    return told;
  },

  /** How often the value stands in the module's memory, at each step. Runs where nothing was loaded before. */
  async memory(library, { keyring, canary, memory }) {
    const store = new RowStore();
    const vault = new library.Vault({ keyring, store });
    const found = {};
    const look = (what) => {
      found[what] = occurrences(memory(), canary);
    };
    look("at first");
    await vault.set("A", canary, alice);
    look("after set");
    await vault.set("B", `${canary}\u{1F511}`, alice);
    look("after set of text that is not ASCII");
    const secret = await vault.get("A", alice);
    look("while a secret is held");
    secret.reveal();
    secret.revealBytes();
    secret.wipe();
    look("after it was wiped");
    await vault.command(`secret set C ${canary}`, alice);
    look("after a command");
    const decrypted = keyring.decrypt(keyring.encrypt(canary));
    look(decrypted === canary ? "after the keyring" : "never");
    for (const method of ["load", "commit"]) {
      const fail = () => Promise.reject(new Error("gone"));
      const failing = new Proxy(store, {
        get: (_, name) => (name === method ? fail : store[name]?.bind(store)),
      });
      const broken = new library.Vault({ keyring, store: failing });
      await refusal(library, () => broken.set("A", canary, alice));
      await refusal(library, () => broken.get("A", alice));
      look(`after a failed ${method}`);
    }
    return found;
  },
};

function occurrences(memory, text) {
  const bytes = new Uint8Array(memory.buffer);
  const wanted = new TextEncoder().encode(text);
  let count = 0;
  for (let at = bytes.indexOf(wanted[0]); at !== -1; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) count += 1;
  }
  return count;
}
