/** What is due, whose value a presented one is, what is rotated together, what is done about leaks, and who is told. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Keyring, MemoryStore, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, closing, refused, scratch } from "./support.mjs";

const DAY = 86_400_000;
const STORES = {
  MemoryStore: () => new MemoryStore(),
  SqliteStore: (t) => closing(t, new SqliteStore(join(scratch(t), "vault.db"))),
};

/** `MADE` has a generator, `GIVEN` a previous value within its grace. */
async function livedIn(store, options = {}) {
  const keyring = Keyring.generate();
  const vault = new Vault({ keyring, store, ...options });
  await vault.set("MADE", "made first", { ...alice, generator: "hex", sensitivity: "critical" });
  await vault.set("GIVEN", "given first", alice);
  await vault.rotate("GIVEN", "given second", { ...alice, graceMillis: DAY });
  return { keyring, vault };
}

for (const [name, makeStore] of Object.entries(STORES)) {
  describe(`emergencies and sweeps over ${name}`, () => {
    test("after an emergency no way leads back to a value from before", async (t) => {
      const { vault } = await livedIn(makeStore(t));
      const { id } = await vault.propose("rotate", "GIVEN", "given third", alice);
      const swept = await vault.emergencyRotate(alice);
      assert.deepEqual(
        swept.rotated.map((each) => each.name),
        ["MADE"],
      );
      assert.deepEqual(swept.left, [
        { namespace: "default", name: "GIVEN", why: "no_generator", code: undefined },
      ]);
      assert.equal((await vault.get("GIVEN", alice)).reveal(), "given second");
      await refused("CONFIRMATION_NOT_FOUND", () => vault.confirm(id, alice));
      await vault.rotate("GIVEN", "given fourth", alice);
      const leaked = [
        ["MADE", "made first"],
        ["GIVEN", "given first"],
        ["GIVEN", "given second"],
      ];
      for (const [name, value] of leaked) {
        assert.equal((await vault.verify(name, value, alice)).accepted, false);
        assert.equal((await vault.identify(value, alice)).accepted, false);
        await refused("VERSION_COMPROMISED", () => vault.set(name, value, alice));
        await refused("VERSION_COMPROMISED", () => vault.rotate(name, value, alice));
        await refused("VERSION_COMPROMISED", () => vault.rollback(name, 1, alice));
        const late = await vault.propose("set", name, value, alice);
        await refused("VERSION_COMPROMISED", () => vault.confirm(late.id, alice));
      }
      await vault.verifyAudit(alice);
    });

    test("one secret alone, and what has no generator is disabled on request", async (t) => {
      const { vault } = await livedIn(makeStore(t));
      const { left } = await vault.emergencyRotate({ ...alice, name: "GIVEN", disable: true });
      assert.equal(left[0].why, "disabled");
      await refused("SECRET_DISABLED", () => vault.get("GIVEN", alice));
      await vault.enable("GIVEN", alice);
      await refused("VERSION_COMPROMISED", () => vault.get("GIVEN", alice));
      assert.equal((await vault.get("MADE", alice)).reveal(), "made first");
      await refused("SECRET_NOT_FOUND", () => vault.emergencyRotate({ ...alice, name: "UNKNOWN" }));
      await refused("INVALID_ARGUMENT", () => vault.emergencyRotate({ ...alice, disable: "yes" }));
    });

    test("sweeps go page by page and tell how far they are", async (t) => {
      const { vault } = await livedIn(makeStore(t));
      const many = { ...alice, namespace: "many" };
      for (let n = 0; n < 7; n++) await vault.set(`K${n}`, "old", { ...many, generator: "uuid" });
      const seen = [];
      const onProgress = (soFar) => seen.push(soFar);
      const { rotated } = await vault.rotateAll({ ...many, graceMillis: DAY, limit: 3, onProgress });
      assert.equal(rotated.length, 7);
      assert.deepEqual(
        seen.map((soFar) => soFar.rotated),
        [3, 6, 7],
      );
      assert.equal((await vault.verify("K3", "old", many)).matches, "previous");
      assert.deepEqual(await vault.rotateDue(alice), { rotated: [], left: [] });
      await refused("INVALID_ARGUMENT", () => vault.rotateAll({ ...alice, limit: 0 }));
      await refused("INVALID_ARGUMENT", () => vault.rotateAll({ ...alice, onProgress: 7 }));
    });

    test("identify tells whose value it is, and due what is overdue", async (t) => {
      t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2027, 1, 1) });
      const { vault } = await livedIn(makeStore(t));
      const found = await vault.identify("given first", alice);
      assert.deepEqual([found.name, found.matches, found.version], ["GIVEN", "previous", 1]);
      assert.ok(found.validUntil instanceof Date);
      assert.equal((await vault.identify("nobody's", alice)).name, undefined);
      assert.deepEqual(await vault.due(alice), []);
      t.mock.timers.setTime(Date.UTC(2027, 1, 1) + 31 * DAY);
      const [due, ...others] = await vault.due(alice);
      assert.deepEqual([due.name, due.standing, others.length], ["MADE", "overdue", 0]);
      assert.equal((await vault.rotateDue(alice)).rotated[0].name, "MADE");
      assert.deepEqual(await vault.due(alice), []);
    });

    test("a hook is told of what was committed, by the names that it chose", async (t) => {
      const store = makeStore(t);
      const { keyring } = await livedIn(store);
      const events = [];
      const policy = { rules: [{ id: "lead", users: ["alice"], actions: ["*"] }] };
      const names = ["denied", "previous_used", "overdue", "emergency"];
      const onEvent = async (event) => events.push([event.action, event.name, event.outcome, event.rule]);
      const vault = new Vault({ keyring, store, policy, onEvent, events: names });
      await vault.get("MADE", alice);
      await refused("PERMISSION_DENIED", () => vault.get("MADE", { actor: "mallory" }));
      await vault.verify("GIVEN", "given first", alice);
      await vault.emergencyRotate({ ...alice, name: "GIVEN" });
      await vault.due(alice);
      assert.deepEqual(events, [
        ["get", "MADE", "denied", undefined],
        ["verify_previous", "GIVEN", "success", "lead"],
        ["emergency_rotate", "GIVEN", "success", "lead"],
        ["overdue", "GIVEN", "success", "lead"],
      ]);
      await refused("INVALID_ARGUMENT", () => new Vault({ keyring, store, onEvent, events: ["danied"] }));
      await refused("INVALID_ARGUMENT", () => new Vault({ keyring, store, onEvent: "me" }));
    });
  });
}

test("a hook that throws is reported and fails nothing", async (t) => {
  const warnings = [];
  t.mock.method(process, "emitWarning", (warning) => warnings.push(warning));
  const onEvent = () => {
    throw new Error("the pager is down");
  };
  const vault = new Vault({ keyring: Keyring.generate(), store: new MemoryStore(), onEvent });
  assert.equal((await vault.set("A", "value", alice)).created, true);
  assert.equal((await vault.get("A", alice)).reveal(), "value");
  assert.ok(warnings.length >= 2);
  assert.equal(warnings[0].cause.message, "the pager is down");
});

test("what was not committed is not told", async () => {
  const store = new MemoryStore();
  const events = [];
  const vault = new Vault({ keyring: Keyring.generate(), store, onEvent: (event) => events.push(event) });
  await vault.set("A", "value", alice);
  events.length = 0;
  store.commit = () => "failed";
  await refused("STORAGE_FAILED", () => vault.get("A", alice));
  assert.deepEqual(events, []);
});
