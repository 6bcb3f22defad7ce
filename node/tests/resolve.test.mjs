/** References in configuration, as a user has them: trees with secrets, and what a vault runs on besides a store. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { drive } from "../lib/bindings/js/driver.js";
import { handleOf } from "../lib/bindings/js/secret.js";
import { Keyring, MemoryStore, revealAll, Secret, Vault } from "../lib/node/ts/index.js";
import { alice, refused, scratch } from "./support.mjs";

const CANARY = "canary-value-of-a-secret";

async function prepared(options = {}) {
  const vault = new Vault({ keyring: Keyring.generate(), store: new MemoryStore(), ...options });
  await vault.set("DB", "db-value", alice);
  await vault.set("BOT", "bot-value", { namespace: "nexus", ...alice });
  return vault;
}

/** Sets variables until the test is over. */
function withEnv(t, env) {
  Object.assign(process.env, env);
  t.after(() => {
    for (const name of Object.keys(env)) delete process.env[name];
  });
}

test("a tree comes back with secrets where references stood", async (t) => {
  const vault = await prepared();
  const path = join(scratch(t), "tls");
  writeFileSync(path, Buffer.from([0xff, 0x0a]));
  withEnv(t, { STRONGROOM_TEST_HOME: "/root" });
  const [date, own] = [new Date(0), Secret.of("own")];
  const tree = JSON.parse('{"__proto__": {"x": "secret:DB"}, "7": "plain:7"}');
  Object.assign(tree, {
    db: [{ password: "secret:DB", user: "app", port: 5432, ratio: 0.5, none: null, absent: undefined }],
    bot: "secret:nexus:BOT",
    home: "env:STRONGROOM_TEST_HOME",
    tls: `file:${path}`,
    escaped: "plain:secret:DB",
    date,
    own,
    json: { toJSON: () => "secret:NONE" },
  });
  const before = structuredClone({ ...tree, own: undefined, json: undefined });
  const found = await vault.resolve(tree, alice);
  const { password, ...rest } = found.db[0];
  assert.deepEqual(rest, { user: "app", port: 5432, ratio: 0.5, none: null, absent: undefined });
  assert.deepEqual(
    [password, found.bot, found.home].map((secret) => secret.reveal()),
    ["db-value", "bot-value", "/root"],
  );
  assert.deepEqual(
    [password.details.name, found.bot.details.namespace, found.home.details],
    ["DB", "nexus", undefined],
  );
  assert.equal(Object.getOwnPropertyDescriptor(found, "__proto__").value.x, password);
  assert.equal(Object.getPrototypeOf(found), Object.prototype);
  assert.deepEqual([...found.tls.revealBytes()], [0xff, 0x0a]);
  assert.deepEqual([found.escaped, found["7"], found.date, found.own], ["secret:DB", "7", date, own]);
  assert.equal(found.json.toJSON(), "secret:NONE");
  assert.deepEqual({ ...tree, own: undefined, json: undefined }, before);
  assert.ok(!inspect(found, { depth: 9 }).includes("value"));
  const listed = await vault.list(alice);
  assert.deepEqual(
    listed.map(({ accessedCount }) => accessedCount),
    [1, 1],
  );
});

test("a namespace is that of secrets that name none", async () => {
  const vault = await prepared();
  assert.equal((await vault.resolve("secret:BOT", { namespace: "nexus", ...alice })).reveal(), "bot-value");
});

test("revealing all gives texts for what takes no secret", async () => {
  const vault = await prepared();
  const env = await vault.resolve({ A: "secret:DB", B: ["x", 7] }, alice);
  assert.deepEqual(revealAll(env), { A: "db-value", B: ["x", 7] });
  assert.ok(env.A instanceof Secret);
});

test("the file of a variable wins when it is there", async (t) => {
  const vault = await prepared();
  const path = join(scratch(t), "value");
  withEnv(t, { STRONGROOM_TEST: "own", STRONGROOM_TEST_FILE: path });
  assert.equal((await vault.resolve("env:STRONGROOM_TEST", alice)).reveal(), "own");
  writeFileSync(path, " of the file\n");
  assert.equal((await vault.resolve("env:STRONGROOM_TEST", alice)).reveal(), "of the file");
});

test("all that is wrong is in one error, by place, with the cause", async (t) => {
  const vault = await prepared();
  const tree = {
    a: [`secret:${CANARY}`],
    b: "env:STRONGROOM_TEST_UNSET",
    c: `file:${scratch(t)}`,
    d: "secret:DB",
    e: "env:toString",
  };
  const error = await refused("REFERENCE_UNRESOLVED", () => vault.resolve(tree, alice));
  assert.match(error.message, /^4 problems, and nothing was done: a\[0\]: Secret not found/);
  assert.match(
    error.message,
    /b: the variable is not set.*c: the file could not be read.*e: the variable is not set/,
  );
  assert.ok(!error.message.includes(CANARY) && error.cause instanceof Error);
  assert.equal((await vault.audit(alice))[0].outcome, "error");
});

test("trees that cannot be are refused without a word of them", async () => {
  const vault = await prepared();
  const own = [];
  own.push(own);
  const deep = (levels) => (levels === 0 ? CANARY : [deep(levels - 1)]);
  const many = Array.from({ length: 501 }, (_, number) => `secret:KEY_${number}`);
  for (const [code, tree] of [
    ["REFERENCE_INVALID", { a: `secret:${CANARY}:x:y` }],
    ["INVALID_ARGUMENT", own],
    ["LIMIT_EXCEEDED", deep(65)],
    ["INVALID_ARGUMENT", deep(200)],
    ["LIMIT_EXCEEDED", many],
  ]) {
    const error = await refused(code, () => vault.resolve(tree, alice));
    assert.ok(!inspect(error).includes(CANARY));
  }
});

test("what the vault is told to read by is read by that", async () => {
  const given = { A: "text", B: Uint8Array.of(0xff), C: Secret.of("taken over") };
  const vault = await prepared({
    readEnv: (name) => given[name],
    readFile: async (path) => `content of ${path}`,
  });
  const found = await vault.resolve(["env:A", "env:B", "env:C", "file:x"], alice);
  assert.deepEqual(
    found.map((secret) => Buffer.from(secret.revealBytes()).toString("latin1")),
    ["text", "\u00ff", "taken over", "content of x"],
  );
  await refused("INVALID_ARGUMENT", () => given.C.reveal());
  const without = await prepared({ readEnv: null, readFile: null });
  const error = await refused("REFERENCE_UNRESOLVED", () => without.resolve(["env:A", "file:x"], alice));
  assert.match(error.message, /no environment here.*no files are read here/);
  for (const options of [{ readEnv: "x" }, { readFile: {} }])
    await refused("INVALID_ARGUMENT", () => prepared(options));
});

test("values of another type are failures of who gave them", async () => {
  const vault = await prepared({ readEnv: () => 7, readFile: () => ({ canary: CANARY }) });
  for (const reference of ["env:A", "file:x"]) {
    const error = await refused("REFERENCE_UNRESOLVED", () => vault.resolve(reference, alice));
    assert.equal(error.cause.code, "INVALID_ARGUMENT");
    assert.ok(!inspect(error).includes(CANARY));
  }
});

test("a failing store is not caused by a file that failed before", async () => {
  const store = new MemoryStore();
  const commit = store.commit.bind(store);
  const vault = await prepared({
    store,
    readFile: () => {
      throw new Error("of the file");
    },
  });
  const unresolved = await refused("REFERENCE_UNRESOLVED", () => vault.resolve("file:x", alice));
  assert.equal(unresolved.cause.message, "of the file");
  store.commit = () => "failed";
  const failed = await refused("STORAGE_FAILED", () => vault.get("DB", alice));
  assert.equal(failed.cause, undefined);
  store.commit = commit;
});

test("a denied tree reads no file", async () => {
  const asked = [];
  const readFile = (path) => void asked.push(path);
  const store = new MemoryStore();
  const vault = new Vault({ keyring: Keyring.generate(), store, policy: { rules: [] }, readFile });
  await refused("PERMISSION_DENIED", () => vault.resolve(["file:x"], { actor: "bob" }));
  assert.deepEqual(asked, []);
});

test("files are regular ones of at most a mebibyte", async (t) => {
  const [vault, folder] = [await prepared(), scratch(t)];
  const read = (path) => vault.resolve(`file:${path}`, alice);
  const path = join(folder, "file");
  for (const length of [0, 1, 1024 * 1024]) {
    writeFileSync(path, Buffer.alloc(length, 7));
    assert.equal((await read(path)).revealBytes().length, length);
  }
  writeFileSync(path, Buffer.alloc(1024 * 1024 + 1));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  symlinkSync(join(folder, "pipe"), join(folder, "link"));
  for (const odd of [path, folder, join(folder, "pipe"), join(folder, "link"), "/dev/zero"]) {
    const error = await refused("REFERENCE_UNRESOLVED", () => read(odd));
    assert.match(error.cause.message, /no file of at most 1 MiB/);
  }
  for (const missing of [join(folder, "missing"), join(path, "below")]) {
    const error = await refused("REFERENCE_UNRESOLVED", () => read(missing));
    assert.match(error.message, /there is no such file/);
  }
  assert.match((await read("/proc/self/status")).reveal(), /^Name:/);
});

/** A session that asks for one thing, and then tells what it was answered. */
function asking(rotate, shown) {
  const offered = [];
  return {
    offered,
    step(_, reply) {
      if (reply === undefined) return JSON.stringify({ ask: { number: 1, request: { rotate } } });
      if (reply.includes('"failed"'))
        return JSON.stringify({ failed: { code: "ROTATION_FAILED", message: "it failed" } });
      return `{"done":${reply}}`;
    },
    offer: (secret) => offered.push(secret.revealText()),
    takeSecret() {
      const taken = shown;
      shown = undefined;
      return taken && handleOf(taken);
    },
    close() {},
  };
}

const ROTATION = { id: "ab", namespace: "default", name: "DB", version: 2 };
const rotating = (step, rotator, shown) => {
  const session = asking({ step, ...ROTATION }, shown);
  return { session, ended: drive(session, { store: new MemoryStore(), rotator }, "rotate") };
};

test("a rotator creates a value, which goes beside the answer", async () => {
  for (const make of [() => "text", async () => Buffer.from("text"), () => Secret.of("text")]) {
    const seen = [];
    const create = (rotation) => {
      seen.push(rotation);
      return make();
    };
    const { session, ended } = rotating("create", { create });
    assert.deepEqual((await ended).told, { number: 1, answer: { values: { found: ["given"] } } });
    assert.deepEqual([session.offered, seen], [["text"], [ROTATION]]);
  }
});

test("a rotator activates a value that is wiped afterwards", async () => {
  const seen = [];
  const activate = async (rotation, value) => seen.push(rotation, value.reveal(), value);
  const { ended } = rotating("activate", { create: () => "", activate }, Secret.of(CANARY));
  assert.deepEqual((await ended).told.answer, { activated: {} });
  assert.deepEqual(seen.slice(0, 2), [ROTATION, CANARY]);
  await refused("INVALID_ARGUMENT", () => seen[2].reveal());
  const { ended: without } = rotating("activate", { create: () => "" }, Secret.of(CANARY));
  assert.deepEqual((await without).told.answer, { activated: {} });
});

test("what no value can be, and what is thrown, is a failure of the rotator", async () => {
  const thrown = new Error("of the rotator");
  const throws = () => {
    throw thrown;
  };
  for (const create of [() => undefined, () => 7, throws]) {
    const error = await refused("ROTATION_FAILED", () => rotating("create", { create }).ended);
    assert.ok(error.cause instanceof Error && (create !== throws || error.cause === thrown));
  }
  const { ended } = rotating("create", undefined);
  assert.deepEqual((await ended).told.answer, { unsupported: {} });
});
