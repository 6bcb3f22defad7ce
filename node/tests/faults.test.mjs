/** Stores that fail in every way, at every request of every operation: the documented error, all or nothing, repeatable. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Keyring, MemoryStore, NothingAppliedError, StrongroomError, Vault } from "../lib/node/ts/index.js";
import { native } from "../lib/node/ts/native.js";
import { everything } from "./behaviour.mjs";
import { alice, refused } from "./support.mjs";

const POLICY = { rules: [{ id: "all", users: ["alice"], actions: ["*"] }] };

const RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

/** Every operation that asks a store, on a vault that `prepare` has filled. */
const OPERATIONS = {
  "set a new secret": (vault) => vault.set("NEW", "value", alice),
  "set an existing secret": (vault) => vault.set("A", "another value", alice),
  get: (vault) => vault.get("A", alice),
  exists: (vault) => vault.exists("A", alice),
  list: (vault) => vault.list(alice),
  rotate: (vault) => vault.rotate("A", "another value", alice),
  delete: (vault) => vault.delete("A", alice),
  audit: (vault) => vault.audit({ ...alice, name: "A" }),
  verifyAudit: (vault) => vault.verifyAudit(alice),
  propose: (vault) => vault.propose("set", "NEW", "value", alice),
  confirm: (vault, { open }) => vault.confirm(open, alice),
  "confirm a deletion": (vault, { deletion }) => vault.confirm(deletion, alice),
  cancel: (vault, { open }) => vault.cancel(open, alice),
  "rotate by the generator": (vault) => vault.rotate("A", { ...alice, graceMillis: 60_000 }),
  disable: (vault) => vault.disable("A", alice),
  enable: (vault) => vault.enable("A", alice),
  versions: (vault) => vault.versions("A", alice),
  rollback: (vault) => vault.rollback("A", 1, alice),
  "verify the current value": (vault) => vault.verify("A", "value", alice),
  "verify a previous value": (vault) => vault.verify("A", "old", alice),
  "verify another value": (vault) => vault.verify("A", "neither", alice),
  revokePrevious: (vault) => vault.revokePrevious("A", alice),
  expire: (vault) => vault.expire("A", { ...alice, expiresInMillis: 60_000 }),
  purge: (vault) => vault.purge(alice),
  rotationStatus: (vault) => vault.rotationStatus(alice),
  setPolicy: (vault) => vault.setPolicy(POLICY, alice),
  policy: (vault) => vault.policy(alice),
  grant: (vault) => vault.grant("A", { to: { role: "dev" }, actions: ["read"] }, alice),
  revoke: (vault, { grant }) => vault.revoke("A", grant, alice),
  grants: (vault) => vault.grants("A", alice),
  rekey: (vault) => vault.rekey(alice),
  retire: (vault, { oldKey }) => vault.retire(oldKey, alice),
  census: (vault) => vault.census(alice),
  resolve: (vault) => vault.resolve({ a: ["secret:A", "INFO"] }, alice),
  export: (vault) => vault.export({ ...alice, recipients: [RECIPIENT] }),
  adopt: (vault) => vault.adopt(alice),
  command: (vault) => vault.command("secret get A", alice),
  "first use": (vault) => vault.set("A", "value", alice),
};

/** A store that stands before another and does to its nth request what a fault says; remembers what it was asked. */
class Faulty {
  asked = [];

  constructor(inner, at, fault, { forever = false } = {}) {
    Object.assign(this, { inner, at, fault, forever });
  }

  load(...args) {
    return this.#ask("load", args);
  }

  list(...args) {
    return this.#ask("list", args);
  }

  commit(...args) {
    return this.#ask("commit", args);
  }

  events(...args) {
    return this.#ask("events", args);
  }

  #ask(method, args) {
    this.asked.push(method);
    const due = this.asked.length === this.at || (this.forever && this.asked.length > this.at);
    const answer = () => this.inner[method](...args);
    return due && this.fault !== undefined ? this.fault(answer, method) : answer();
  }
}

class OfAnApplication extends Error {}
const CAUSE = new OfAnApplication("the disk is full");
const KNOWN = new NothingAppliedError("no room");

const circular = {};
circular.self = circular;

/** What a store does instead of answering. All of them are failures of the store, whatever was asked. */
const NO_ANSWERS = {
  "throws at once": [
    () => {
      throw CAUSE;
    },
    CAUSE,
  ],
  rejects: [() => Promise.reject(CAUSE), CAUSE],
  "rejects late": [() => new Promise((_, reject) => setTimeout(reject, 5, CAUSE)), CAUSE],
  "throws a text": [
    () => {
      throw "a text";
    },
    "a text",
  ],
  "throws nothing": [
    () => {
      throw undefined;
    },
    undefined,
  ],
  "rejects with null": [() => Promise.reject(null), null],
  "answers undefined": [() => undefined, anyCause],
  "answers null": [() => null, anyCause],
  "answers a number": [() => 42, anyCause],
  "answers a text": [() => "ok", anyCause],
  "answers an empty object": [() => ({}), anyCause],
  "answers a list of nothing": [() => [null], anyCause],
  "answers a function": [() => () => {}, anyCause],
  "answers a circle": [() => circular, TypeError],
  "answers a BigInt": [() => 1n, TypeError],
  "answers another shape": [() => ({ records: 5, items: {}, events: "x", cursor: 7 }), anyCause],
  "answers a shape with one field more": [async (answer) => oneFieldMore(await answer()), anyCause],
  "has a thenable that throws": [() => thenable(() => assert.fail("then")), Error],
};

/** What a store may do and is no failure. */
const ANSWERS = {
  "answers late": (answer) => new Promise((resolve) => setTimeout(() => resolve(answer()), 5)),
  "answers through a thenable": (answer) => thenable((resolve) => resolve(answer())),
  "answers twice": (answer) =>
    thenable((resolve, reject) => {
      resolve(answer());
      resolve("another answer");
      reject(new Error("and a failure"));
    }),
};

function thenable(then) {
  return { then };
}

function anyCause() {}

function oneFieldMore(answer) {
  if (Array.isArray(answer)) return answer.length > 0 ? answer.map((each) => ({ ...each, more: 1 })) : [{}];
  return typeof answer === "string" ? { [answer]: true } : { ...answer, more: 1 };
}

async function prepare(operation) {
  const [inner, keyring] = [new MemoryStore(), Keyring.generate()];
  if (operation === "first use") return { inner, keyring, ids: {} };
  const vault = new Vault({ keyring, store: inner });
  await vault.set("A", "old", { ...alice, generator: "hex" });
  await vault.rotate("A", "value", { ...alice, graceMillis: 60_000 });
  await vault.set("B", "value", alice);
  if (operation === "revoke") {
    const { id: grant } = await vault.grant("A", { to: { user: "bob" }, actions: ["read"] }, alice);
    return { inner, keyring, ids: { grant } };
  }
  if (operation === "purge") {
    await vault.set("GONE", "value", { ...alice, expiresInMillis: 1 });
    await new Promise((resolve) => setTimeout(resolve, 3));
    return { inner, keyring, ids: {} };
  }
  const { id: open } = await vault.propose("rotate", "B", "proposed", alice);
  const { id: deletion } = await vault.propose("delete", "A", alice);
  if (operation !== "rekey" && operation !== "retire") return { inner, keyring, ids: { open, deletion } };
  const both = Keyring.parse(`${Keyring.generate().dangerousExport()},${keyring.dangerousExport()}`);
  if (operation === "retire") await new Vault({ keyring: both, store: inner }).rekey(alice);
  return { inner, keyring: both, ids: { oldKey: keyring.keys[0].id } };
}

/** How many requests an operation makes when all is well, and of which kinds. */
async function requestsOf(operation) {
  const { inner, keyring, ids } = await prepare(operation);
  const store = new Faulty(inner);
  await OPERATIONS[operation](new Vault({ keyring, store }), ids);
  return store.asked;
}

let [begun, closed] = [0, 0];
const originals = {};

before(() => {
  const { begin } = native.NativeVault.prototype;
  const { close } = native.NativeSession.prototype;
  Object.assign(originals, { begin, close });
  native.NativeVault.prototype.begin = function counted(...args) {
    const session = begin.apply(this, args);
    begun += 1;
    return session;
  };
  native.NativeSession.prototype.close = function counted() {
    closed += 1;
    return close.apply(this);
  };
});

after(() => {
  native.NativeVault.prototype.begin = originals.begin;
  native.NativeSession.prototype.close = originals.close;
});

/** Runs an operation against a fault; tells how it ended, and checks that it came to its end. */
async function run(operation, at, fault, options) {
  const { inner, keyring, ids } = await prepare(operation);
  const store = new Faulty(inner, at, fault, options);
  const state = await everything(inner);
  const [begunBefore, closedBefore] = [begun, closed];
  let error;
  try {
    await OPERATIONS[operation](new Vault({ keyring, store }), ids);
  } catch (thrown) {
    error = thrown;
  }
  assert.equal(begun - begunBefore, 1);
  assert.equal(closed - closedBefore, 1, "the session was closed once");
  if (error !== undefined) assert.ok(error instanceof StrongroomError, error?.stack ?? String(error));
  const asked = store.asked.length;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(store.asked.length, asked, "the store is not asked any more");
  return { error, inner, keyring, ids, store, before: state, after: await everything(inner) };
}

/** The store is whole, and the same operation can be made again. */
async function assertUsable({ inner, keyring, ids }, operation) {
  const vault = new Vault({ keyring, store: inner });
  await vault.verifyAudit(alice);
  await OPERATIONS[operation](vault, ids).catch((error) => {
    // The first one was done after all.
    const done = {
      delete: "SECRET_NOT_FOUND",
      "confirm a deletion": "CHANGED_SINCE_PROPOSED",
      revoke: "INVALID_ARGUMENT",
    };
    assert.equal(error.code, done[operation]);
  });
  await vault.verifyAudit(alice);
}

function assertCause(error, cause) {
  if (cause === anyCause) assert.equal(error.cause, undefined);
  else if (typeof cause === "function") assert.ok(error.cause instanceof cause, String(error.cause));
  else assert.equal(error.cause, cause, "the very object that the store threw");
}

/** Whether a request looks for what a write purges in passing, when its own commit is done. */
const isInPassing = (operation, asked, index) =>
  ["set a new secret", "propose", "first use"].includes(operation) &&
  asked[index] === "list" &&
  asked[index - 1] === "commit";

for (const operation of Object.keys(OPERATIONS)) {
  describe(`${operation}, of a store that`, () => {
    for (const [what, [fault, cause]] of Object.entries(NO_ANSWERS)) {
      test(`${what} once: a read fails with its cause and changes nothing, a commit is asked for again`, async () => {
        const asked = await requestsOf(operation);
        for (const [index, method] of asked.entries()) {
          const ended = await run(operation, index + 1, fault);
          const where = `request ${index + 1} (${method})`;
          if (method === "commit" || isInPassing(operation, asked, index)) {
            assert.equal(ended.error, undefined, `${where}: ${ended.error}`);
            assert.ok(ended.after.events.length > ended.before.events.length);
          } else {
            assert.equal(ended.error?.code, "STORAGE_FAILED", where);
            assert.equal(ended.error.retryable, true);
            assertCause(ended.error, cause);
            if (!asked.slice(0, index).includes("commit")) {
              assert.deepEqual(ended.after, ended.before, where);
            }
          }
          await assertUsable(ended, operation);
        }
      });
    }

    for (const [what, answer] of Object.entries(ANSWERS)) {
      test(`${what}: nothing is different`, async () => {
        const asked = await requestsOf(operation);
        const ended = await run(operation, 1, answer, { forever: true });
        assert.equal(ended.error, undefined, String(ended.error));
        assert.deepEqual(ended.store.asked, asked);
        await assertUsable(ended, operation);
      });
    }
  });
}

const WRITERS = Object.keys(OPERATIONS).filter((name) => name !== "exists");

for (const operation of WRITERS) {
  describe(`the commit of ${operation}, of a store that`, () => {
    const commits = (fault) => (answer, method) => (method === "commit" ? fault(answer) : answer());
    const lostReply = async (answer) => {
      await answer();
      throw CAUSE;
    };

    test("applies it and loses the reply once: it is done, once", async () => {
      const at = (await requestsOf(operation)).indexOf("commit") + 1;
      const once = await run(operation, at, lostReply);
      const whole = await run(operation);
      assert.equal(once.error, undefined, String(once.error));
      assert.equal(once.after.events.length, whole.after.events.length);
      const counts = ({ records }) =>
        Object.values(records)
          // The names of proposals are random.
          .map(
            ({ key, revision, counters }) =>
              `${key.kind} ${key.kind === "pending" || key.name} ${revision} ${counters.accessed_count}`,
          )
          .sort();
      assert.deepEqual(counts(once.after), counts(whole.after));
      await assertUsable(once, operation);
    });

    test("applies it and loses every reply: nobody knows, and it was done once or not at all", async () => {
      const ended = await run(operation, 1, commits(lostReply), { forever: true });
      assert.equal(ended.error?.code, "STORAGE_FAILED");
      assert.equal(ended.error.cause, CAUSE);
      assert.match(ended.error.message, /not known whether/);
      // These have one of every secret.
      const events = { resolve: 2, export: 3 }[operation] ?? 1;
      assert.equal(ended.after.events.length, ended.before.events.length + events);
      await assertUsable(ended, operation);
    });

    test("throws every time: nothing is done", async () => {
      const ended = await run(
        operation,
        1,
        commits(() => Promise.reject(CAUSE)),
        { forever: true },
      );
      assert.equal(ended.error?.code, "STORAGE_FAILED");
      assert.equal(ended.error.cause, CAUSE);
      assert.deepEqual(ended.after, ended.before);
      assert.equal(ended.store.asked.filter((method) => method === "commit").length, 3);
      await assertUsable(ended, operation);
    });

    test("says that it failed: nothing is done, and it is not asked again", async () => {
      const ended = await run(
        operation,
        1,
        commits(() => "failed"),
        { forever: true },
      );
      assert.equal(ended.error?.code, "STORAGE_FAILED");
      assert.match(ended.error.message, /applied nothing/);
      assert.deepEqual(ended.after, ended.before);
      assert.equal(ended.store.asked.filter((method) => method === "commit").length, 1);
      await assertUsable(ended, operation);
    });

    test("throws what says that it failed: the same, and what that was made of is the cause", async () => {
      for (const [thrown, cause] of [
        [new NothingAppliedError("no room", { cause: CAUSE }), CAUSE],
        [KNOWN, KNOWN],
      ]) {
        const throwing = commits(() => Promise.reject(thrown));
        const ended = await run(operation, 1, throwing, { forever: true });
        assert.equal(ended.error?.code, "STORAGE_FAILED");
        assert.match(ended.error.message, /applied nothing/);
        assert.equal(ended.error.cause, cause);
        assert.deepEqual(ended.after, ended.before);
        assert.equal(ended.store.asked.filter((method) => method === "commit").length, 1);
      }
    });

    test("conflicts a few times: it is decided anew, and done once", async () => {
      let left = 3;
      const conflicts = (answer) => {
        left -= 1;
        return left < 0 ? answer() : "conflict";
      };
      const ended = await run(operation, 1, commits(conflicts), { forever: true });
      assert.equal(ended.error, undefined, String(ended.error));
      const whole = await run(operation);
      assert.equal(ended.after.events.length, whole.after.events.length);
      await assertUsable(ended, operation);
    });
  });
}

test("a store that conflicts for ever is given up on: nothing is done, and it may be tried again", async () => {
  const operations = ["set an existing secret", "get", "delete", "first use"];
  const conflicts = (answer, method) => (method === "commit" ? "conflict" : answer());
  for (const ended of await Promise.all(
    operations.map(async (operation) => {
      const { inner, keyring, ids } = await prepare(operation);
      const state = await everything(inner);
      const vault = new Vault({ keyring, store: new Faulty(inner, 1, conflicts, { forever: true }) });
      const error = await refused("CONFLICT", () => OPERATIONS[operation](vault, ids));
      return { error, operation, inner, state };
    }),
  )) {
    assert.equal(ended.error.retryable, true);
    assert.deepEqual(await everything(ended.inner), ended.state, ended.operation);
  }
});

test("a refusal stays a refusal when it can't be recorded", async () => {
  const { inner, keyring } = await prepare("get");
  const fails = (answer, method) => (method === "commit" ? Promise.reject(CAUSE) : answer());
  const vault = new Vault({
    keyring,
    store: new Faulty(inner, 1, fails, { forever: true }),
    actors: ["alice"],
  });
  await refused("SECRET_NOT_FOUND", () => vault.get("NOBODY", alice));
  await refused("PERMISSION_DENIED", () => vault.get("A", { actor: "mallory" }));
  assert.equal((await vault.command("secret get NOBODY", alice)).code, "SECRET_NOT_FOUND");
});

test("a value whose event can't be committed does not leave the vault", async () => {
  const { inner, keyring } = await prepare("get");
  let revealed = 0;
  const { takeSecret } = native.NativeSession.prototype;
  native.NativeSession.prototype.takeSecret = function counted() {
    revealed += 1;
    return takeSecret.apply(this);
  };
  try {
    const fails = (answer, method) => (method === "commit" ? "failed" : answer());
    const vault = new Vault({ keyring, store: new Faulty(inner, 1, fails, { forever: true }) });
    await refused("STORAGE_FAILED", () => vault.get("A", alice));
    assert.equal(revealed, 0);
  } finally {
    native.NativeSession.prototype.takeSecret = takeSecret;
  }
});

test("records that were not asked for, or come twice, are refused", async () => {
  const { inner, keyring } = await prepare("get");
  const other = inner.load([{ kind: "secret", namespace: "default", name: "B" }]);
  const wrong = {
    "another record too": (records) => [...records, ...other],
    "another record instead": (records) => [...records.slice(1), ...other],
    "a record twice": (records) => [...records, records[0]],
    "a record under another key": ([first, ...rest]) => [{ ...first, key: other[0].key }, ...rest],
  };
  for (const [what, change] of Object.entries(wrong)) {
    const store = new Faulty(inner, 1, async (answer, method) =>
      method === "load" ? change(await answer()) : answer(),
    );
    const error = await refused("STORAGE_FAILED", () => new Vault({ keyring, store }).get("A", alice));
    assert.match(error.message, /answered `load` with/, what);
  }
});

test("pages that lead nowhere, come twice, or show what was not asked for are refused", async () => {
  const { inner, keyring } = await prepare("list");
  const item = (name, kind = "secret") => ({ key: { kind, namespace: "default", name }, revision: 1 });
  const wrong = {
    "an empty page that is not the last": { items: [], cursor: "x" },
    "one key twice": { items: [item("A"), item("A")], cursor: null },
    "keys out of order": { items: [item("B"), item("A")], cursor: null },
    "another kind": { items: [item("A", "stream")], cursor: null },
    "the same page for ever": { items: [item("A")], cursor: "x" },
  };
  for (const [what, page] of Object.entries(wrong)) {
    const store = new Faulty(inner, 1, (answer, method) => (method === "list" ? page : answer()), {
      forever: true,
    });
    const error = await refused("STORAGE_FAILED", () => new Vault({ keyring, store }).list(alice));
    assert.match(error.message, /`list`/, what);
  }
});

describe("a session, driven by hand,", () => {
  const begin = () => {
    const keyring = native.generateKeyring(Date.now());
    const vault = native.openVault(keyring, "{}");
    return vault.begin(JSON.stringify({ op: "exists", name: "A", actor: { id: "alice" } }));
  };
  const step = (session, reply) => JSON.parse(session.step(Date.now(), reply && JSON.stringify(reply)));
  const failure = { failed: { applied: "no" } };

  test("takes the reply to its open request and no other", () => {
    const session = begin();
    assert.throws(() => step(session, { number: 1, answer: failure }), { code: "STALE_REPLY" });
    const { number } = step(session).ask;
    for (const wrong of [number + 1, number - 1, -1, 1.5, "1", null]) {
      assert.throws(
        () => step(session, { number: wrong, answer: failure }),
        { code: "STALE_REPLY" },
        String(wrong),
      );
    }
    assert.throws(() => step(session), { code: "STALE_REPLY" });
    assert.equal(
      step(session, { number, answer: failure }).failed.code,
      "STORAGE_FAILED",
      "it was as it had been",
    );
  });

  test("takes what is no JSON for a failed answer to its open request", () => {
    for (const text of ["no JSON", `{"number":1,"answer":"\\ud800"}`, "[".repeat(200)]) {
      const session = begin();
      step(session);
      const { failed } = JSON.parse(session.step(Date.now(), text));
      assert.equal(failed.code, "STORAGE_FAILED", text);
      assert.match(failed.message, /it is no JSON/);
    }
  });

  test("is over once it has ended, and once it was closed", () => {
    const ended = begin();
    const { number } = step(ended).ask;
    step(ended, { number, answer: failure });
    assert.throws(() => step(ended, { number, answer: failure }), { code: "FLOW_DONE" });
    const closedEarly = begin();
    const { number: open } = step(closedEarly).ask;
    closedEarly.close();
    closedEarly.close();
    assert.throws(() => step(closedEarly, { number: open, answer: failure }), { code: "FLOW_DONE" });
    assert.equal(closedEarly.takeSecret() ?? undefined, undefined);
  });
});
