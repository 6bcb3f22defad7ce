/** Many secrets at once: setMany, getMany, and the imports. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { Keyring, MemoryStore, Secret, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, closing, scratch } from "./support.mjs";

const CANARY = "canary-7f3a9c51e2";
const STORES = {
  MemoryStore: () => new MemoryStore(),
  SqliteStore: (t) => closing(t, new SqliteStore(join(scratch(t), "vault.db"))),
};

const open = (store, options = {}) => new Vault({ keyring: Keyring.generate(), store, ...options });
const revealed = (found) => Object.fromEntries([...found].map(([name, secret]) => [name, secret.reveal()]));

/** The error of a refused call. */
const refusal = (run) =>
  run().then(
    () => assert.fail("nothing was thrown"),
    (error) => error,
  );

function withEnvironment(t, variables) {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  t.after(() => {
    process.env = before;
  });
}

for (const [name, makeStore] of Object.entries(STORES)) {
  describe(`many secrets over ${name}`, () => {
    test("are set and read in their order, with an event for each", async (t) => {
      const vault = open(makeStore(t));
      const done = await vault.setMany(
        { B: "b", A: new TextEncoder().encode("a"), C: Secret.of("c") },
        alice,
      );
      assert.deepEqual(
        done.written.map(({ name, version, created }) => [name, version, created]),
        [
          ["B", 1, true],
          ["A", 1, true],
          ["C", 1, true],
        ],
      );
      assert.deepEqual([done.skipped, done.dryRun], [[], false]);
      const found = await vault.getMany(["A", "C", "B"], alice);
      assert.deepEqual([...found.keys()], ["A", "C", "B"]);
      assert.deepEqual(revealed(found), { A: "a", C: "c", B: "b" });
      assert.equal(found.get("A").details.version, 1);
      const actions = (await vault.audit(alice)).map(({ action }) => action);
      assert.deepEqual(actions.slice(0, 8), [
        "get",
        "get",
        "get",
        "get_many",
        "set",
        "set",
        "set",
        "set_many",
      ]);
      assert.equal((await vault.list(alice))[0].accessedCount, 1);
    });

    test("five hundred are one load and one commit", async (t) => {
      const vault = open(makeStore(t));
      const given = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`N${at}`, `value ${at}`]));
      await vault.setMany(given, alice);
      assert.deepEqual(revealed(await vault.getMany(Object.keys(given), alice)), given);
      assert.equal(
        (await refusal(() => vault.setMany({ ...given, MORE: "x" }, alice))).code,
        "LIMIT_EXCEEDED",
      );
    });
  });
}

test("what else set takes goes beside a value", async () => {
  const vault = open(new MemoryStore());
  const more = { value: "a", sensitivity: "critical", notify: ["ops"], expiresInMillis: 60_000 };
  await vault.setMany(
    new Map(Object.entries({ A: more, B: { generate: "hex" }, C: { value: { generate: "uuid" } } })),
    alice,
  );
  const [a, b] = (await vault.rotationStatus(alice)).secrets;
  assert.deepEqual([a.sensitivity, a.notify, b.sensitivity], ["critical", ["ops"], "standard"]);
  assert.ok((await vault.list(alice))[0].expiresAt instanceof Date);
  const made = revealed(await vault.getMany(["B", "C"], alice));
  assert.deepEqual([made.B.length, made.C.length], [64, 36]);
});

test("what is there is replaced, skipped, or fails the whole", async () => {
  const vault = open(new MemoryStore());
  await vault.set("A", "one", alice);
  const failed = await refusal(() => vault.setMany({ A: "two", B: "b" }, { ...alice, ifExists: "fail" }));
  assert.equal(failed.code, "SECRET_EXISTS");
  assert.match(failed.message, /\[0\]: A exists/);
  assert.equal(await vault.exists("B", alice), false);
  const told = await vault.setMany({ A: "two", B: "b" }, { ...alice, ifExists: "skip", dryRun: true });
  assert.deepEqual(
    [told.dryRun, told.skipped, told.written.length],
    [true, [{ namespace: "default", name: "A" }], 1],
  );
  assert.equal(await vault.exists("B", alice), false);
  assert.equal((await vault.setMany({ A: "two" }, alice)).written[0].version, 2);
});

test("one error tells all problems, and no value", async () => {
  const vault = open(new MemoryStore());
  const refused = await refusal(() => vault.setMany({ [`${CANARY} x`]: "a", B: "", C: "c" }, alice));
  assert.equal(refused.code, "NAME_INVALID");
  assert.match(
    refused.message,
    /^2 problems, and nothing was done: \[0\]: the name .*; \[1\]: the value is empty/,
  );
  const missing = await refusal(() => vault.getMany(["A", CANARY], alice));
  assert.equal(missing.code, "SECRET_NOT_FOUND");
  for (const error of [refused, missing]) assert.ok(!inspect(error, { depth: 9 }).includes(CANARY));
});

test("arguments of another type are refused and not repeated", async () => {
  const vault = open(new MemoryStore());
  for (const run of [
    () => vault.setMany(CANARY, alice),
    () => vault.setMany(Secret.of(CANARY), alice),
    () => vault.setMany({ A: [CANARY] }, alice),
    () => vault.setMany({ A: undefined }, alice),
    () => vault.setMany({ A: { value: CANARY, sensitivty: "high" } }, alice),
    () => vault.setMany({ A: { value: undefined } }, alice),
    () => vault.setMany(new Map([[7, CANARY]]), alice),
    () => vault.setMany({ A: CANARY }, { ...alice, ifExist: "fail" }),
    () => vault.setMany({ A: CANARY }, { ...alice, ifExists: "overwrite" }),
    () => vault.getMany(CANARY, alice),
    () => vault.getMany(["A", "A"], alice),
    () => vault.importDotenv(7, alice),
    () => vault.importEnv({ ...alice, names: "A" }),
    () => vault.importEnv({ ...alice, prefix: 7 }),
  ]) {
    const error = await refusal(run);
    assert.equal(error.code, "INVALID_ARGUMENT", `${run}: ${error}`);
    assert.ok(!inspect(error).includes(CANARY), `${run}`);
  }
  assert.equal((await vault.getMany([], alice)).size, 0);
});

test("who may not read all of them gets none", async () => {
  const rules = [
    { id: "all", users: ["alice"], actions: ["*"] },
    { id: "b", users: ["bob"], actions: ["read"], names: ["B"] },
  ];
  const vault = open(new MemoryStore(), { policy: { rules } });
  await vault.setMany({ A: "a", B: "b" }, alice);
  const bob = { actor: "bob" };
  assert.deepEqual(revealed(await vault.getMany(["B"], bob)), { B: "b" });
  assert.equal((await refusal(() => vault.getMany(["B", "A"], bob))).code, "PERMISSION_DENIED");
});

test("variables are imported by prefix and by name", async (t) => {
  withEnvironment(t, { SECRET_STRIPE: "sk_1", SECRET_: "x", APP_TOKEN: "t", APP_EMPTY: "" });
  const vault = open(new MemoryStore());
  const done = await vault.importEnv(alice);
  assert.deepEqual(
    done.written.map(({ name }) => name),
    ["STRIPE"],
  );
  assert.equal((await vault.get("STRIPE", alice)).reveal(), "sk_1");
  assert.equal((await vault.versions("STRIPE", alice))[0].reason, "import");
  assert.equal((await refusal(() => vault.importEnv(alice))).code, "SECRET_EXISTS");
  const named = await vault.importEnv({ ...alice, names: ["APP_TOKEN"], namespace: "app", dryRun: true });
  assert.deepEqual([named.written[0].namespace, named.written[0].name], ["app", "APP_TOKEN"]);
  const unset = await refusal(() => vault.importEnv({ ...alice, names: ["APP_TOKEN", "APP_NONE"] }));
  assert.match(unset.message, /the variable \[1\] is not set/);
  const empty = await refusal(() => vault.importEnv({ ...alice, names: ["APP_EMPTY"] }));
  assert.match(empty.message, /APP_EMPTY: the value is empty/);
});

test("a .env file is imported from its text", async () => {
  const vault = open(new MemoryStore());
  const text = "\ufeff# settings\r\nexport A='a # b' # c\r\nB=\"two\\nlines\"\r\n";
  await vault.importDotenv(text, { ...alice, namespace: "app" });
  const found = await vault.getMany(["A", "B"], { ...alice, namespace: "app" });
  assert.deepEqual(revealed(found), { A: "a # b", B: "two\nlines" });
  const done = await vault.importDotenv(Secret.of("SECRET_X=1\nOTHER=2\n"), { ...alice, prefix: "SECRET_" });
  assert.deepEqual(
    done.written.map(({ name }) => name),
    ["X"],
  );
});

test("what cannot be read of a .env file is told by its line and not repeated", async () => {
  const vault = open(new MemoryStore());
  for (const [text, said] of [
    [`A=1\nA=${CANARY}`, /line 2: the name is there already/],
    [`A=1\r\n${CANARY}`, /line 2: there is no =/],
    [`A='${CANARY}`, /line 1: the quote is not closed/],
    [`A="${CANARY}\\q"`, /line 1: the escape is not known/],
    [`A=${CANARY}\0`, /line 1: the value has a control character/],
  ]) {
    const error = await refusal(() => vault.importDotenv(text, alice));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, said);
    assert.ok(!inspect(error).includes(CANARY));
  }
});

test("hostile .env files end in an error, and soon", async () => {
  const vault = open(new MemoryStore());
  const began = performance.now();
  for (const text of [
    `A=${"x".repeat(11 << 20)}`,
    "A=1\n".repeat(1 << 20),
    `A='${"x\n".repeat(4 << 20)}'`,
    Array.from({ length: 501 }, (_, at) => `N${at}=x`).join("\n"),
  ]) {
    const { code } = await refusal(() => vault.importDotenv(text, alice));
    assert.ok(["LIMIT_EXCEEDED", "INVALID_ARGUMENT", "VALUE_INVALID"].includes(code), code);
  }
  assert.ok(performance.now() - began < 30_000);
});
