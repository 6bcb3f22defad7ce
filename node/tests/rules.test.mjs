/** The rules of a vault as its users see them: policy and grants, versions, rotation and its grace, ends, and keys that change. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { Keyring, MemoryStore, Secret, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, closing, refused, scratch } from "./support.mjs";

const STORES = {
  MemoryStore: () => new MemoryStore(),
  SqliteStore: (t) => closing(t, new SqliteStore(join(scratch(t), "vault.db"))),
};
const [NOON, MINUTE, DAY] = [Date.UTC(2025, 11, 7, 12), 60_000, 86_400_000];
const at = (millis) => new Date(NOON + millis);
const as = (id, ...roles) => ({ actor: { id, roles } });

const makeVault = (options = {}) =>
  new Vault({ keyring: Keyring.generate(), store: new MemoryStore(), ...options });

/** A clock that stands at noon, and is set to so many milliseconds later. */
function clock(t) {
  t.mock.timers.enable({ apis: ["Date"], now: NOON });
  return (millis) => t.mock.timers.setTime(NOON + millis);
}

const isDenied = (run) =>
  run().then(
    () => "yes",
    (error) => (error.code === "PERMISSION_DENIED" ? "no" : error.code),
  );

for (const [name, makeStore] of Object.entries(STORES)) {
  describe(`the rules of a vault over ${name}`, () => {
    const open = (t, options = {}) => makeVault({ store: makeStore(t), ...options });

    test("the built-in roles let a senior engineer do everything, engineers and analysts read by name", async (t) => {
      const vault = open(t, { policy: "default" });
      const senior = as("sam", "senior-engineer");
      await vault.set("A", "value", { ...senior, generator: "hex" });
      await vault.set("A", "another", senior);
      const doing = {
        get: (who) => vault.get("A", who),
        exists: (who) => vault.exists("A", who),
        verify: (who) => vault.verify("A", "another", who),
        versions: (who) => vault.versions("A", who),
        audit: (who) => vault.audit({ ...who, name: "A" }),
        list: (who) => vault.list(who),
        set: (who) => vault.set("NEW", "value", who),
        rotate: (who) => vault.rotate("A", who),
        rollback: (who) => vault.rollback("A", 1, who),
        disable: (who) => vault.disable("A", who),
        enable: (who) => vault.enable("A", who),
        revokePrevious: (who) => vault.revokePrevious("A", who),
        expire: (who) => vault.expire("A", { ...who, expiresAt: null }),
        propose: (who) => vault.propose("rotate", "A", "proposed", who),
        grant: (who) => vault.grant("A", { to: { user: "bob" }, actions: ["read"] }, who),
        grants: (who) => vault.grants("A", who),
        policy: (who) => vault.policy(who),
        census: (who) => vault.census(who),
        rekey: (who) => vault.rekey(who),
        purge: (who) => vault.purge(who),
        delete: (who) => vault.delete("NEW", who),
      };
      const reading = ["get", "exists", "verify", "versions", "audit"];
      for (const [role, may] of [
        ["engineer", reading],
        ["analyst", reading],
        ["Senior-Engineer", []],
        ["intern", []],
        ["senior-engineer", Object.keys(doing)],
      ]) {
        for (const [what, run] of Object.entries(doing)) {
          const expected = may.includes(what) ? "yes" : "no";
          assert.equal(await isDenied(() => run(as("ada", role))), expected, `${role}: ${what}`);
        }
      }
      assert.equal(await isDenied(() => vault.get("A", { actor: "ada" })), "no", "an actor without roles");
      assert.equal(await isDenied(() => vault.set("B", "v", as("ada", "analyst", "senior-engineer"))), "yes");
      await vault.verifyAudit(senior);
    });

    test("a policy goes by namespaces, names, users and members, and what it denies is in the audit", async (t) => {
      const vault = open(t, {
        policy: {
          rules: [
            { id: "bots", users: ["bot"], actions: ["read"], namespaces: ["prod*"], names: ["*.token"] },
            { id: "owners", roles: ["owner"], actions: ["*"] },
          ],
          members: { alice: ["owner"] },
        },
      });
      const [production, staging] = [{ namespace: "production" }, { namespace: "staging" }];
      for (const where of [production, staging]) {
        for (const each of ["chat.token", "password"]) await vault.set(each, "value", { ...alice, ...where });
      }
      const bot = { actor: { id: "bot", platform: "cron" } };
      assert.equal((await vault.get("chat.token", { ...bot, ...production })).reveal(), "value");
      for (const run of [
        () => vault.get("chat.token", { ...bot, ...staging }),
        () => vault.get("password", { ...bot, ...production }),
        () => vault.set("chat.token", "mine", { ...bot, ...production }),
        () => vault.list(bot),
      ]) {
        const error = await refused("PERMISSION_DENIED", run);
        assert.equal(error.retryable, false);
      }
      const events = await vault.audit({ ...alice, limit: 5 });
      assert.deepEqual(
        events
          .reverse()
          .map(({ action, actor, platform, outcome, code }) => [action, actor, platform, outcome, code]),
        [
          ["get", "bot", "cron", "success", undefined],
          ["get", "bot", "cron", "denied", "PERMISSION_DENIED"],
          ["get", "bot", "cron", "denied", "PERMISSION_DENIED"],
          ["set", "bot", "cron", "denied", "PERMISSION_DENIED"],
          ["list", "bot", "cron", "denied", "PERMISSION_DENIED"],
        ],
      );
    });

    test("a session that has ended is refused whatever the roles, and one that lasts is not", async (t) => {
      const set = clock(t);
      const vault = open(t, { policy: "default" });
      const session = {
        actor: { id: "sam", roles: ["senior-engineer"], sessionExpiresAt: at(MINUTE) },
      };
      await vault.set("A", "value", session);
      set(MINUTE - 1);
      await vault.rotate("A", { generate: "uuid" }, session);
      set(MINUTE);
      await refused("SESSION_EXPIRED", () => vault.versions("A", session));
      await refused("SESSION_EXPIRED", () => vault.setPolicy("default", session));
    });

    test("a policy is kept in the store, told as it is, and holds for every vault over it", async (t) => {
      const [keyring, store] = [Keyring.generate(), makeStore(t)];
      const [vault, other] = [makeVault({ keyring, store }), makeVault({ keyring, store })];
      await vault.set("A", "value", { actor: "bob" });
      assert.deepEqual(await vault.policy(alice), { policy: undefined, fixed: false });
      const policy = {
        rules: [{ id: "all", users: ["alice"], actions: ["*"] }],
        members: { created_at: ["dev"] },
      };
      assert.equal(await vault.setPolicy(policy, alice), undefined);
      await refused("PERMISSION_DENIED", () => other.get("A", { actor: "bob" }));
      const inForce = await other.policy(alice);
      assert.equal(inForce.fixed, false);
      assert.deepEqual(inForce.policy.members, policy.members, "names of users are left as they are");
      assert.deepEqual(inForce.policy.rules[0].namespaces, ["*"]);
      await vault.setPolicy(inForce.policy, alice);
      await refused("INVALID_ARGUMENT", () => vault.setPolicy({ rules: [] }, alice));
      const fixed = makeVault({ keyring, store, policy: "default" });
      const senior = as("sam", "senior-engineer");
      await refused("UNSUPPORTED", () => fixed.setPolicy("default", senior));
      assert.equal((await fixed.policy(senior)).fixed, true);
      await refused("PERMISSION_DENIED", () => fixed.get("A", alice));
      await vault.setPolicy(
        { rules: [...inForce.policy.rules, { id: "bob", roles: ["dev"], actions: ["read"] }] },
        alice,
      );
      assert.equal((await other.get("A", as("bob", "dev"))).reveal(), "value");
    });

    test("a grant gives one secret until its time, and is listed and taken back", async (t) => {
      const set = clock(t);
      const vault = open(t, { policy: { rules: [{ id: "all", users: ["alice"], actions: ["*"] }] } });
      const bob = { actor: "bob" };
      await vault.set("A", "value", alice);
      await vault.set("B", "value", alice);
      const { id } = await vault.grant(
        "A",
        { to: { user: "bob" }, actions: ["read"], until: at(DAY) },
        alice,
      );
      const dev = await vault.grant("A", { to: { role: "dev" }, actions: ["read", "write"] }, alice);
      assert.deepEqual(await vault.grants("A", alice), [
        { id, to: { user: "bob" }, actions: ["read"], until: at(DAY), grantedBy: "alice", grantedAt: at(0) },
        {
          id: dev.id,
          to: { role: "dev" },
          actions: ["read", "write"],
          until: undefined,
          grantedBy: "alice",
          grantedAt: at(0),
        },
      ]);
      set(DAY - 1);
      assert.equal((await vault.get("A", bob)).reveal(), "value");
      await refused("PERMISSION_DENIED", () => vault.rotate("A", "mine", bob));
      await refused("PERMISSION_DENIED", () => vault.get("B", bob));
      set(DAY);
      await refused("PERMISSION_DENIED", () => vault.get("A", bob));
      assert.equal((await vault.rotate("A", "of a developer", as("bob", "dev"))).version, 2);
      assert.equal(await vault.revoke("A", dev.id, alice), undefined);
      await refused("PERMISSION_DENIED", () => vault.get("A", as("bob", "dev")));
      await refused("INVALID_ARGUMENT", () => vault.revoke("A", dev.id, alice));
      assert.deepEqual(await vault.grants("A", alice), []);
    });

    test("versions tell their history without a value, and a rollback brings one back", async (t) => {
      const set = clock(t);
      const vault = open(t);
      await vault.set("A", "first", alice);
      set(MINUTE);
      await vault.rotate("A", "second", { actor: "bob", graceMillis: DAY });
      const [second, first] = await vault.versions("A", alice);
      assert.deepEqual(
        { ...second, fingerprint: undefined },
        {
          number: 2,
          current: true,
          at: at(MINUTE),
          by: "bob",
          reason: "rotation",
          fingerprint: undefined,
          compromised: false,
          validUntil: undefined,
        },
      );
      assert.deepEqual(
        [first.number, first.current, first.at, first.reason, first.validUntil],
        [1, false, at(0), "manual", at(MINUTE + DAY)],
      );
      assert.equal((await vault.rollback("A", 1, alice)).version, 3);
      assert.equal((await vault.get("A", alice)).reveal(), "first");
      const [third] = await vault.versions("A", alice);
      assert.equal(third.reason, "rollback");
      assert.match(third.fingerprint, /^[0-9a-f]{12}$/);
      assert.equal(third.fingerprint, first.fingerprint);
      assert.notEqual(third.fingerprint, second.fingerprint);
      await refused("VERSION_NOT_FOUND", () => vault.rollback("A", 4, alice));
      await refused("INVALID_ARGUMENT", () => vault.rollback("A", 3, alice));
      await refused("SECRET_NOT_FOUND", () => vault.versions("NOBODY", alice));
    });

    test("values are made as asked for, and by the secret's own generator when none is given", async (t) => {
      const vault = open(t);
      const value = async (each) => (await vault.get(each, alice)).reveal();
      await vault.set("HEX", { generate: "hex" }, alice);
      assert.match(await value("HEX"), /^[0-9a-f]{64}$/);
      const rules = { kind: "password", length: 20, classes: ["lower", "digit"] };
      await vault.set("PASSWORD", { generate: rules }, { ...alice, generator: { kind: "hex", bytes: 16 } });
      assert.match(await value("PASSWORD"), /^(?=.*[a-z])(?=.*[0-9])[a-z0-9]{20}$/);
      await vault.rotate("PASSWORD", alice);
      const made = await value("PASSWORD");
      assert.match(made, /^[0-9a-f]{32}$/);
      await vault.rotate("PASSWORD", alice);
      assert.notEqual(await value("PASSWORD"), made);
      await vault.rotate("PASSWORD", { generate: "uuid" }, alice);
      assert.match(await value("PASSWORD"), /^[0-9a-f-]{36}$/);
      await refused("INVALID_ARGUMENT", () => vault.rotate("HEX", alice));
      await refused("INVALID_ARGUMENT", () =>
        vault.set("WEAK", { generate: { kind: "hex", bytes: 4 } }, alice),
      );
    });

    test("verify accepts the current value, and the previous one until its grace is over", async (t) => {
      const set = clock(t);
      const vault = open(t);
      const rejected = { accepted: false, matches: undefined, version: undefined, validUntil: undefined };
      await vault.set("A", "old", alice);
      await vault.rotate("A", "new", { ...alice, graceMillis: MINUTE });
      const current = { accepted: true, matches: "current", version: 2, validUntil: undefined };
      const previous = { accepted: true, matches: "previous", version: 1, validUntil: at(MINUTE) };
      for (const value of ["new", Buffer.from("new"), Secret.of("new")])
        assert.deepEqual(await vault.verify("A", value, alice), current);
      assert.deepEqual(await vault.verify("A", "old", alice), previous);
      assert.deepEqual(await vault.verify("A", "neither", alice), rejected);
      const events = (await vault.audit({ ...alice, limit: 3 })).map(({ action, outcome }) => [
        action,
        outcome,
      ]);
      assert.deepEqual(events, [
        ["verify", "denied"],
        ["verify_previous", "success"],
        ["verify", "success"],
      ]);
      set(MINUTE - 1);
      assert.deepEqual(await vault.verify("A", "old", alice), previous);
      set(MINUTE);
      assert.deepEqual(await vault.verify("A", "old", alice), rejected);
      await vault.rotate("A", "newest", { ...alice, graceMillis: DAY });
      assert.equal((await vault.verify("A", "new", alice)).matches, "previous");
      assert.equal((await vault.revokePrevious("A", alice)).version, 3);
      assert.deepEqual(await vault.verify("A", "new", alice), rejected);
      assert.deepEqual((await vault.verify("A", "newest", alice)).version, 3);
      await vault.rotate("A", "without a grace", alice);
      assert.deepEqual(await vault.verify("A", "newest", alice), rejected);
    });

    test("a disabled secret gives no value and verifies nothing until it is enabled", async (t) => {
      const vault = open(t);
      await vault.set("A", "value", alice);
      assert.equal((await vault.disable("A", alice)).version, 1);
      assert.equal((await vault.list(alice))[0].state, "disabled");
      await refused("SECRET_DISABLED", () => vault.get("A", alice));
      assert.equal((await vault.verify("A", "value", alice)).accepted, false);
      await vault.enable("A", alice);
      assert.equal((await vault.get("A", alice)).reveal(), "value");
      assert.equal((await vault.verify("A", "value", alice)).accepted, true);
    });

    test("a value is refused from its end on, and deleted by a purge", async (t) => {
      const set = clock(t);
      const vault = open(t);
      await vault.set("AT", "value", { ...alice, expiresAt: at(MINUTE) });
      await vault.set("IN", "value", { ...alice, expiresInMillis: MINUTE });
      await vault.set("EVER", "value", { ...alice, expiresAt: null });
      await vault.set("LATER", "value", alice);
      const ends = async () =>
        Object.fromEntries((await vault.list(alice)).map((each) => [each.name, each.expiresAt]));
      assert.deepEqual(await ends(), { AT: at(MINUTE), IN: at(MINUTE), EVER: undefined, LATER: undefined });
      await vault.expire("LATER", { ...alice, expiresInMillis: 2 * MINUTE });
      await vault.expire("EVER", { ...alice, expiresAt: at(DAY) });
      await vault.expire("EVER", { ...alice, expiresAt: null });
      await vault.propose("delete", "EVER", alice);
      set(MINUTE - 1);
      await vault.get("AT", alice);
      assert.deepEqual(await vault.purge(alice), { secrets: 0, proposals: 0 });
      set(MINUTE);
      for (const each of ["AT", "IN"]) {
        await refused("SECRET_EXPIRED", () => vault.get(each, alice));
        assert.equal((await vault.verify(each, "value", alice)).accepted, false);
      }
      await vault.get("LATER", alice);
      await vault.rotate("IN", "another", { ...alice, expiresInMillis: DAY });
      assert.equal((await vault.get("IN", alice)).reveal(), "another");
      set(10 * MINUTE);
      assert.deepEqual(await vault.purge({ ...alice, namespace: "other" }), { secrets: 0, proposals: 1 });
      assert.deepEqual(await vault.purge(alice), { secrets: 2, proposals: 0 });
      assert.deepEqual(await ends(), { EVER: undefined, IN: at(MINUTE + DAY) });
      await refused("INVALID_ARGUMENT", () => vault.expire("IN", { ...alice, expiresAt: at(0) }));
      await refused("INVALID_ARGUMENT", () => vault.expire("IN", alice));
    });

    test("rotation status tells what is due, when, and whom to tell", async (t) => {
      const set = clock(t);
      const vault = open(t);
      await vault.set("CRITICAL", "value", {
        ...alice,
        sensitivity: "critical",
        notify: ["ops@example.com"],
      });
      await vault.set("PLAIN", "value", { ...alice, sensitivity: "none" });
      await vault.set("USUAL", "value", { ...alice, namespace: "other" });
      const standings = async (options = {}) =>
        (await vault.rotationStatus({ ...alice, ...options })).secrets.map(({ standing }) => standing);
      assert.deepEqual(await vault.rotationStatus(alice), {
        secrets: [
          {
            namespace: "default",
            name: "CRITICAL",
            sensitivity: "critical",
            standing: "compliant",
            lastRotated: at(0),
            dueAt: at(30 * DAY),
            notify: ["ops@example.com"],
          },
          {
            namespace: "default",
            name: "PLAIN",
            sensitivity: "none",
            standing: "compliant",
            lastRotated: at(0),
            dueAt: undefined,
            notify: [],
          },
          {
            namespace: "other",
            name: "USUAL",
            sensitivity: "standard",
            standing: "compliant",
            lastRotated: at(0),
            dueAt: at(180 * DAY),
            notify: [],
          },
        ],
        compliant: 3,
        dueSoon: 0,
        overdue: 0,
        never: 0,
        nextDue: at(30 * DAY),
        primaryCreatedAt: (await vault.rotationStatus(alice)).primaryCreatedAt,
      });
      set(23 * DAY);
      assert.deepEqual(await standings(), ["due_soon", "compliant", "compliant"]);
      assert.deepEqual(await standings({ aheadMillis: DAY }), ["compliant", "compliant", "compliant"]);
      set(30 * DAY);
      const status = await vault.rotationStatus({ ...alice, namespace: "default" });
      assert.deepEqual([status.compliant, status.overdue, status.nextDue], [1, 1, undefined]);
      await vault.rotate("CRITICAL", "new", alice);
      assert.deepEqual(await standings({ namespace: "default" }), ["compliant", "compliant"]);
    });

    test("keys change without a stop: rekey, a stale keyring that still reads, and the old key's end", async (t) => {
      const [store, first, second] = [makeStore(t), Keyring.generate(), Keyring.generate()];
      const [oldKey, newKey] = [first, second].map((keyring) => keyring.keys[0].id);
      const both = Keyring.parse(`${second.dangerousExport()},${first.dangerousExport()}`);
      const [old, fresh] = [makeVault({ store, keyring: first }), makeVault({ store, keyring: both })];
      for (let index = 0; index < 7; index += 1) await old.set(`NAME_${index}`, `value ${index}`, alice);
      await old.rotate("NAME_0", "rotated", alice);
      const { id } = await old.propose("rotate", "NAME_1", "proposed", alice);
      await refused("KEYRING_STALE", () => fresh.set("A", "value", alice));
      await refused("KEY_IN_USE", () => fresh.retire(oldKey, alice));
      const progress = [];
      const rekeyed = await fresh.rekey({
        ...alice,
        limit: 3,
        onProgress: async (soFar) => {
          await null;
          progress.push(soFar);
        },
      });
      assert.deepEqual(rekeyed, { examined: 8, changed: 8, unreadable: 0 });
      assert.deepEqual(
        progress.map(({ examined }) => examined),
        [3, 6, 8],
      );
      assert.deepEqual(progress.at(-1), rekeyed);
      const { keys } = await fresh.census(alice);
      assert.deepEqual(keys, { [newKey]: { values: 7, versions: 1, proposals: 1, root: 1 } });
      await refused("KEYRING_STALE", () =>
        makeVault({
          store,
          keyring: Keyring.parse(`${first.dangerousExport()},${second.dangerousExport()}`),
        }).set("A", "value", alice),
      );
      assert.equal((await fresh.get("NAME_0", alice)).reveal(), "rotated");
      assert.equal((await fresh.get("NAME_6", alice)).reveal(), "value 6");
      await fresh.confirm(id, alice);
      assert.equal((await fresh.get("NAME_1", alice)).reveal(), "proposed");
      await refused("KEY_IN_USE", () => fresh.retire(newKey, alice));
      assert.deepEqual(await fresh.retire(oldKey, alice), { id: oldKey, state: "disabled" });
      assert.deepEqual(await fresh.retire(oldKey, alice), { id: oldKey, state: "destroyed" });
      await refused("INVALID_ARGUMENT", () => fresh.retire(oldKey, alice));
      await refused("KEY_UNKNOWN", () => fresh.retire("0".repeat(64), alice));
      await fresh.verifyAudit(alice);
    });

    test("a rekey is told page by page, goes on where a page ended, and passes over what is done", async (t) => {
      const [store, first] = [makeStore(t), Keyring.generate()];
      const vault = makeVault({ store, keyring: first });
      for (let index = 0; index < 5; index += 1) await vault.set(`NAME_${index}`, "value", alice);
      const both = `${Keyring.generate().dangerousExport()},${first.dangerousExport()}`;
      const fresh = makeVault({ store, keyring: Keyring.parse(both) });
      let cut;
      for await (const page of fresh.rekeyPages({ ...alice, limit: 2 })) {
        cut = page;
        break;
      }
      assert.deepEqual([cut.examined, cut.changed, typeof cut.next], [2, 2, "string"]);
      const rest = [];
      for await (const page of fresh.rekeyPages({ ...alice, limit: 2, after: cut.next })) rest.push(page);
      assert.deepEqual(
        rest.map(({ examined, changed }) => [examined, changed]),
        [
          [2, 2],
          [1, 1],
        ],
      );
      assert.equal(rest.at(-1).next, undefined);
      assert.deepEqual(await fresh.rekey(alice), { examined: 5, changed: 0, unreadable: 0 });
    });
  });
}

test("what a rule takes is checked at the border, and nothing is done or repeated", async () => {
  const vault = makeVault();
  await vault.set("A", "value", { ...alice, generator: "hex" });
  const before = await vault.audit({ ...alice, limit: 1000 });
  const grant = { to: { user: "bob" }, actions: ["read"] };
  const circular = {};
  circular.self = circular;
  const wrong = [
    () => vault.set("A", "v", { ...alice, sensitivity: "canary" }),
    () => vault.set("A", "v", { ...alice, notify: "canary" }),
    () => vault.set("A", "v", { ...alice, generator: "canary" }),
    () => vault.set("A", "v", { ...alice, expiresAt: NOON }),
    () => vault.set("A", "v", { ...alice, expiresAt: new Date(Number.NaN) }),
    () => vault.set("A", "v", { ...alice, expiresInMillis: Number.NaN }),
    () => vault.set("A", "v", { ...alice, expiresInMillis: 0.5 }),
    () => vault.set("A", "v", { ...alice, expiresInMillis: 0 }),
    () => vault.set("A", "v", { ...alice, expiresIn: 5 }),
    () => vault.set("A", "v", { ...alice, expiresInMillis: 1, expiresAt: new Date(Date.now() + DAY) }),
    () => vault.set("A", "v", { ...alice, graceMillis: 5 }),
    () => vault.set("A", { generate: undefined }, alice),
    () => vault.set("A", { generate: "canary" }, alice),
    () => vault.set("A", { generate: "hex", value: "canary" }, alice),
    () => vault.set("A", { generate: circular }, alice),
    () => vault.set("A", { generate: 1n }, alice),
    () => vault.rotate("A", undefined, alice),
    () => vault.rotate("A", "v", { ...alice, graceMillis: "5" }),
    () => vault.rotate("A", "v", { ...alice, graceMillis: 0 }),
    () => vault.rotate("A", "v", { ...alice, graceMillis: Number.POSITIVE_INFINITY }),
    () => vault.rotate("A", "v", { ...alice, graceMillis: 367 * DAY }),
    () => vault.rotate("A", "v", { ...alice, sensitivity: "high" }),
    () => vault.rotate("A", { generate: "hex" }),
    () => vault.rollback("A", "1", alice),
    () => vault.rollback("A", 1.5, alice),
    () => vault.verify("A", undefined, alice),
    () => vault.verify("A", { generate: "hex" }, alice),
    () => vault.rotationStatus({ ...alice, aheadMillis: "5" }),
    () => vault.grant("A", undefined, alice),
    () => vault.grant("A", { ...grant, until: NOON }, alice),
    () => vault.grant("A", { ...grant, until: new Date(0) }, alice),
    () => vault.grant("A", { ...grant, untl: new Date(0) }, alice),
    () => vault.grant("A", { ...grant, actions: ["admin"] }, alice),
    () => vault.grant("A", { ...grant, actions: ["list"] }, alice),
    () => vault.grant("A", { ...grant, to: "canary" }, alice),
    () => vault.setPolicy("canary", alice),
    () => vault.setPolicy(undefined, alice),
    () =>
      vault.setPolicy({ rules: [{ id: "a", users: ["alice"], actions: ["*"], namespace: ["x"] }] }, alice),
    () => vault.rekey({ ...alice, limit: Number.NaN }),
    () => vault.rekey({ ...alice, limit: 0 }),
    () => vault.rekey({ ...alice, onProgress: 5 }),
    () => vault.rekeyPages({ ...alice, onProgress: () => {} }).next(),
    () => vault.retire("canary", alice),
    () => vault.get("A", { actor: { id: "alice", roles: "admin" } }),
    () => vault.get("A", { actor: { id: "alice", roles: [5] } }),
    () => vault.get("A", { actor: { id: "alice", role: ["admin"] } }),
  ];
  for (const run of wrong) {
    const error = await refused("INVALID_ARGUMENT", run).catch((cause) => {
      throw new Error(String(run), { cause });
    });
    assert.ok(!inspect(error).includes('"canary"'), inspect(error));
  }
  assert.equal((await vault.get("A", alice)).details.version, 1);
  const since = (await vault.audit({ ...alice, limit: 1000 })).slice(0, -before.length);
  const done = since.filter(({ outcome }) => outcome !== "error").map(({ action }) => action);
  assert.deepEqual(done, ["get", "audit"]);
  for (const policy of ["canary", {}, { rules: [{}] }, 5, circular, new Map()]) {
    assert.throws(() => makeVault({ policy }), { code: "INVALID_ARGUMENT" }, inspect(policy));
  }
});

test("an exception of onProgress ends the rekey, and reaches whoever began it", async () => {
  const vault = makeVault();
  await vault.set("A", "value", alice);
  const thrown = new Error("enough");
  const rekeying = vault.rekey({ ...alice, onProgress: () => Promise.reject(thrown) });
  await assert.rejects(rekeying, (error) => error === thrown);
  await vault.rekey(alice);
});
