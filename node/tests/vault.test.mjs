/** The vault as its users see it: every method over every kind of store, what it returns, and what it throws. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import {
  ERROR_CODES,
  isStrongroomError,
  Keyring,
  MemoryStore,
  mask,
  Secret,
  StrongroomError,
  Vault,
} from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, closing, refused, scratch } from "./support.mjs";

const VALUE = "sk_test_abc123";
const STORES = {
  MemoryStore: () => new MemoryStore(),
  SqliteStore: (t) => closing(t, new SqliteStore(join(scratch(t), "vault.db"))),
};

const makeVault = (options = {}) =>
  new Vault({ keyring: Keyring.generate(), store: new MemoryStore(), ...options });

for (const [name, makeStore] of Object.entries(STORES)) {
  describe(`a vault over ${name}`, () => {
    const open = (t, options = {}) => makeVault({ store: makeStore(t), ...options });

    test("set, get and rotate tell what they wrote and read, with instants as Date", async (t) => {
      const vault = open(t);
      const before = Date.now();
      const set = await vault.set("API_KEY", VALUE, alice);
      assert.deepEqual(
        { ...set, at: undefined },
        fields({ namespace: "default", name: "API_KEY", version: 1, created: true }),
      );
      assert.ok(set.at instanceof Date && set.at.getTime() >= before && set.at.getTime() <= Date.now());
      const again = await vault.set("API_KEY", "another value", alice);
      assert.deepEqual([again.version, again.created], [2, false]);
      const rotated = await vault.rotate("API_KEY", "a third value", alice);
      assert.deepEqual([rotated.version, rotated.created], [3, false]);
      const secret = await vault.get("API_KEY", alice);
      assert.ok(secret instanceof Secret);
      assert.equal(secret.reveal(), "a third value");
      const { keyId, lastRotated, ...details } = secret.details;
      assert.deepEqual(details, { namespace: "default", name: "API_KEY", version: 3, format: "sealed" });
      assert.match(keyId, /^[0-9a-f]{64}$/);
      assert.deepEqual(lastRotated, rotated.at);
    });

    test("a secret is set from text, from bytes and from a Secret, and the Secret stays whole", async (t) => {
      const vault = open(t);
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      const own = Secret.of("of my own");
      await vault.set("TEXT", "z\u00fcrich \u{1F511}\n", alice);
      await vault.set("BYTES", bytes, alice);
      await vault.set("BUFFER", Buffer.from(bytes), alice);
      await vault.set("SECRET", own, alice);
      assert.equal((await vault.get("TEXT", alice)).reveal(), "z\u00fcrich \u{1F511}\n");
      for (const each of ["BYTES", "BUFFER"]) {
        const secret = await vault.get(each, alice);
        assert.deepEqual(Buffer.from(secret.revealBytes()), Buffer.from(bytes));
        assert.throws(() => secret.reveal(), { code: "VALUE_INVALID" });
      }
      assert.equal((await vault.get("SECRET", alice)).reveal(), "of my own");
      assert.equal(own.reveal(), "of my own");
    });

    test("exists tells whether there is such a secret, in its namespace and its case", async (t) => {
      const vault = open(t);
      await vault.set("A", "v", { ...alice, namespace: "nexus" });
      assert.equal(await vault.exists("A", { ...alice, namespace: "nexus" }), true);
      for (const [each, namespace] of [
        ["A", undefined],
        ["a", "nexus"],
        ["B", "nexus"],
        ["A", "Nexus"],
      ]) {
        assert.equal(await vault.exists(each, { ...alice, namespace }), false);
      }
    });

    test("list tells everything but the value, ordered byte by byte", async (t) => {
      const vault = open(t);
      assert.deepEqual(await vault.list(alice), []);
      await vault.set("b", "v1", { actor: "bob" });
      await vault.set("B", "v2", alice);
      await vault.set("A", "v3", { ...alice, namespace: "nexus" });
      await vault.rotate("b", "v4", alice);
      const read = await vault.get("b", alice);
      await vault.get("b", alice);
      const all = await vault.list(alice);
      assert.deepEqual(
        all.map(({ namespace, name: each }) => `${namespace}:${each}`),
        ["default:B", "default:b", "nexus:A"],
      );
      const { lastAccessed, createdAt, lastRotated, ...rest } = all[1];
      const told = {
        namespace: "default",
        name: "b",
        version: 2,
        state: "active",
        accessedCount: 2,
        createdBy: "bob",
        expiresAt: undefined,
      };
      assert.deepEqual(rest, told);
      assert.ok(lastAccessed instanceof Date && createdAt instanceof Date && lastAccessed >= createdAt);
      assert.deepEqual(lastRotated, read.details.lastRotated);
      assert.equal(all[0].lastAccessed, undefined);
      assert.equal(all[0].accessedCount, 0);
      assert.deepEqual(
        (await vault.list({ ...alice, namespace: "nexus" })).map((each) => each.name),
        ["A"],
      );
      assert.deepEqual(await vault.list({ ...alice, namespace: "nobody" }), []);
      assert.ok(!/v[1-4]/.test(JSON.stringify(all)));
    });

    test("delete leaves the history; a new secret of that name begins anew", async (t) => {
      const vault = open(t);
      await vault.set("A", "old", alice);
      const gone = await vault.delete("A", alice);
      assert.deepEqual([gone.version, gone.created, gone.name], [undefined, false, "A"]);
      await refused("SECRET_NOT_FOUND", () => vault.get("A", alice));
      await refused("SECRET_NOT_FOUND", () => vault.delete("A", alice));
      await refused("SECRET_NOT_FOUND", () => vault.rotate("A", "v", alice));
      assert.deepEqual(await vault.list(alice), []);
      assert.deepEqual((await vault.set("A", "new", alice)).version, 1);
      assert.equal((await vault.list(alice))[0].accessedCount, 0);
      const events = (await vault.audit({ ...alice, name: "A" }))
        .reverse()
        .map((event) => [event.action, event.outcome]);
      assert.deepEqual(events, [
        ["set", "success"],
        ["delete", "success"],
        ["get", "error"],
        ["delete", "error"],
        ["rotate", "error"],
        ["set", "success"],
      ]);
      const uids = new Set((await vault.audit({ ...alice, name: "A" })).map((event) => event.secretUid));
      assert.equal(uids.size, 3, "two secrets had the name, and some events are about none");
      await vault.verifyAudit(alice);
    });

    test("audit tells the latest events first, typed, as many as asked for", async (t) => {
      const vault = open(t);
      const bob = { actor: { id: "bob", platform: "telegram" } };
      await vault.set("A", "v", alice);
      for (let index = 0; index < 30; index += 1) await vault.get("A", bob);
      const latest = await vault.audit(alice);
      assert.equal(latest.length, 20);
      const [event] = latest;
      assert.ok(event.at instanceof Date);
      assert.match(event.stream, /^[0-9a-f]{32}$/);
      assert.equal(event.secretUid, event.stream);
      const { action, namespace, name: each, actor, platform, outcome, success, code, reason, seq } = event;
      assert.deepEqual(
        { action, namespace, each, actor, platform, outcome, success, code, reason, seq },
        {
          action: "get",
          namespace: "default",
          each: "A",
          actor: "bob",
          platform: "telegram",
          outcome: "success",
          success: true,
          code: undefined,
          reason: undefined,
          seq: 30,
        },
      );
      assert.deepEqual(
        (await vault.audit({ ...alice, name: "A", limit: 2 })).map((each) => each.action),
        ["get", "get"],
      );
      assert.equal((await vault.audit({ ...alice, limit: 1000 })).length, 34);
      assert.deepEqual(await vault.audit({ ...alice, name: "B" }), []);
      for (const limit of [0, 1001])
        await refused("INVALID_ARGUMENT", () => vault.audit({ ...alice, limit }));
      for (const limit of [-1, 1.5, "5"])
        await refused("INVALID_ARGUMENT", () => vault.audit({ ...alice, limit }));
      await refused("INVALID_ARGUMENT", () => vault.audit({ ...alice, namespace: "nexus" }));
    });

    test("refusals are recorded with their code, and an unknown name that could hold a value is not", async (t) => {
      const vault = open(t, { actors: ["alice"] });
      await vault.set("A", "v", alice);
      await refused("PERMISSION_DENIED", () => vault.get("A", { actor: "mallory" }));
      await refused("PERMISSION_DENIED", () => vault.exists("A", { actor: "mallory" }));
      await refused("NAME_INVALID", () => vault.get("a value pasted here", alice));
      const told = (await vault.audit(alice)).map(({ action, name: each, actor, outcome, code }) =>
        [action, each, actor, outcome, code].join(),
      );
      assert.deepEqual(told, [
        "get,,alice,error,NAME_INVALID",
        "exists,A,mallory,denied,PERMISSION_DENIED",
        "get,A,mallory,denied,PERMISSION_DENIED",
        "set,A,alice,success,",
        "init,,,success,",
      ]);
    });

    test("verifyAudit counts events and streams", async (t) => {
      const vault = open(t);
      await vault.set("A", "v", alice);
      await vault.get("A", alice);
      const { vaultId, ...counted } = await vault.verifyAudit(alice);
      assert.match(vaultId, /^[0-9a-f]{32}$/);
      assert.deepEqual(counted, { events: 3, streams: 2, unchained: 0 });
      assert.deepEqual(await vault.verifyAudit(alice), { vaultId, events: 4, streams: 2, unchained: 0 });
    });

    test("a proposal is confirmed once, and told again when confirmed again", async (t) => {
      const vault = open(t);
      const before = Date.now();
      const proposed = await vault.propose("set", "A", VALUE, alice);
      const { id, expiresAt, ...rest } = proposed;
      const told = { change: "set", namespace: "default", name: "A", masked: "sk_t****", exists: false };
      assert.deepEqual(rest, told);
      assert.match(id, /^[A-Za-z0-9_-]{22}$/);
      assert.ok(expiresAt.getTime() >= before + 300_000 && expiresAt.getTime() <= Date.now() + 300_000);
      assert.equal(await vault.exists("A", alice), false);
      const confirmed = await vault.confirm(id, alice);
      assert.deepEqual([confirmed.change, confirmed.repeated, confirmed.written.version], ["set", false, 1]);
      assert.ok(confirmed.written.at instanceof Date);
      assert.deepEqual(await vault.confirm(id, alice), { ...confirmed, repeated: true });
      assert.equal((await vault.get("A", alice)).reveal(), VALUE);
      assert.equal((await vault.get("A", alice)).details.version, 1);
      await refused("CONFIRMATION_NOT_FOUND", () => vault.cancel(id, alice));
    });

    test("rotations and deletions are proposed too; a deletion has no value", async (t) => {
      const vault = open(t);
      await vault.set("A", "first value", alice);
      const rotation = await vault.propose("rotate", "A", Secret.of("second value"), alice);
      assert.deepEqual([rotation.exists, rotation.masked], [true, "seco****"]);
      assert.equal((await vault.confirm(rotation.id, alice)).written.version, 2);
      const deletion = await vault.propose("delete", "A", alice);
      assert.deepEqual([deletion.change, deletion.exists, deletion.masked], ["delete", true, undefined]);
      assert.equal((await vault.confirm(deletion.id, alice)).written.version, undefined);
      assert.equal(await vault.exists("A", alice), false);
      assert.equal((await vault.confirm(deletion.id, alice)).repeated, true);
      await refused("SECRET_NOT_FOUND", () => vault.propose("delete", "A", alice));
      await refused("SECRET_NOT_FOUND", () => vault.propose("rotate", "A", "v", alice));
      await refused("INVALID_ARGUMENT", () => vault.propose("set", "A", alice));
      await refused("INVALID_ARGUMENT", () => vault.propose("delete", "A", "v", alice));
      await refused("INVALID_ARGUMENT", () => vault.propose("destroy", "A", "v", alice));
    });

    test("a proposal is its actor's own, on its platform, in time, and of a secret that did not change", async (t) => {
      const store = makeStore(t);
      const keyring = Keyring.generate();
      const vault = new Vault({ keyring, store });
      const bob = { actor: { id: "bob", platform: "telegram" } };
      await vault.set("A", "v", alice);
      const { id } = await vault.propose("rotate", "A", "w", bob);
      for (const actor of [
        "bob",
        "alice",
        { id: "bob", platform: "discord" },
        { id: "alice", platform: "telegram" },
      ]) {
        await refused("CONFIRMATION_MISMATCH", () => vault.confirm(id, { actor }));
        await refused("CONFIRMATION_MISMATCH", () => vault.cancel(id, { actor }));
      }
      await vault.set("A", "changed meanwhile", alice);
      await refused("CHANGED_SINCE_PROPOSED", () => vault.confirm(id, bob));
      await vault.cancel(id, bob);
      await vault.cancel(id, bob);
      await refused("CONFIRMATION_NOT_FOUND", () => vault.confirm(id, bob));
      const hasty = new Vault({ keyring, store, proposalMillis: 1 });
      const late = await hasty.propose("set", "A", "w", alice);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await refused("CONFIRMATION_EXPIRED", () => hasty.confirm(late.id, alice));
      for (const none of ["", "x", "A".repeat(22), "\0", "../../etc/passwd"]) {
        await refused("CONFIRMATION_NOT_FOUND", () => vault.confirm(none, alice));
      }
      assert.equal((await vault.get("A", alice)).reveal(), "changed meanwhile");
      await vault.verifyAudit(alice);
    });

    test("a proposal outlives the vault that made it, if the store does", async (t) => {
      const [store, keyring] = [makeStore(t), Keyring.generate()];
      const { id } = await new Vault({ keyring, store }).propose("set", "A", VALUE, alice);
      await new Vault({ keyring, store }).confirm(id, alice);
      assert.equal((await new Vault({ keyring, store }).get("A", alice)).reveal(), VALUE);
    });

    test("census counts values by key and by format", async (t) => {
      const store = makeStore(t);
      const old = Keyring.generate();
      const vault = new Vault({ keyring: old, store });
      await vault.set("A", "v1", alice);
      await vault.set("A", "v2", alice);
      await vault.set("B", "v", alice);
      await vault.propose("set", "C", "v", alice);
      const fresh = Keyring.generate();
      const both = Keyring.parse(`${fresh.dangerousExport()},${old.dangerousExport()}`);
      const after = new Vault({ keyring: both, store });
      await after.rekeyPages({ ...alice, limit: 1 }).next();
      const [oldId, freshId] = [old.keys[0].id, fresh.keys[0].id];
      assert.deepEqual(await after.census(alice), {
        keys: {
          [freshId]: { values: 1, versions: 1, proposals: 0, root: 1 },
          [oldId]: { values: 1, versions: 0, proposals: 1, root: 0 },
        },
        formats: { sealed: 4 },
        unreadable: 0,
      });
      await refused("KEY_UNKNOWN", () => new Vault({ keyring: fresh, store }).get("B", alice));
    });

    test("adopt finds nothing in a store that only the vault wrote", async (t) => {
      const vault = open(t);
      await vault.set("A", "v", alice);
      assert.deepEqual(await vault.adopt(alice), { secrets: 0, events: 0 });
      await vault.verifyAudit(alice);
    });

    test("chat commands answer in words, mask values, and ask first where they shall", async (t) => {
      const vault = open(t, { confirm: ["set", "delete"] });
      const asked = await vault.command(`secret set A ${VALUE}`, alice);
      assert.deepEqual([asked.carriedValue, asked.code], [true, undefined]);
      assert.match(asked.text, /sk_t\*\*\*\*/);
      assert.deepEqual(
        asked.buttons.map((button) => button.label),
        ["Confirm", "Cancel"],
      );
      for (const button of asked.buttons) assert.ok(Buffer.byteLength(button.command) <= 64);
      const done = await vault.command(asked.buttons[0].command, alice);
      assert.deepEqual([done.carriedValue, done.buttons, done.code], [false, [], undefined]);
      assert.equal((await vault.get("A", alice)).reveal(), VALUE);
      assert.match((await vault.command("secret get A", alice)).text, /sk_t\*\*\*\*/);
      assert.match(
        (await vault.command("secret rotate A a new value, to the letter ", alice)).text,
        /version 2/,
      );
      assert.equal((await vault.get("A", alice)).reveal(), "a new value, to the letter ");
      assert.match((await vault.command("secret list", alice)).text, /A: .*accessed 3x, created by alice/);
      assert.match((await vault.command("secret audit A", alice)).text, /ROTATE alice ok/);
      const refusal = await vault.command("secret get nobody", alice);
      assert.equal(refusal.code, "SECRET_NOT_FOUND");
      const garbled = await vault.command(`secret put A ${VALUE}`, alice);
      assert.deepEqual([garbled.code, garbled.carriedValue], ["COMMAND_INVALID", true]);
      assert.ok(!garbled.text.includes(VALUE));
      const deletion = await vault.command("secret delete A", alice);
      await vault.command(deletion.buttons[1].command, alice);
      assert.equal(await vault.exists("A", alice), true);
    });

    test("values have 1 to 65536 bytes unless told otherwise", async (t) => {
      const vault = open(t);
      for (const value of ["x", "x".repeat(65_536), new Uint8Array(65_536)])
        await vault.set("A", value, alice);
      assert.equal((await vault.get("A", alice)).revealBytes().length, 65_536);
      for (const value of ["", new Uint8Array(0), "x".repeat(65_537), "\u00e9".repeat(32_769)]) {
        const error = await refused("VALUE_INVALID", () => vault.set("A", value, alice));
        assert.match(error.message, /1 to 65536/);
        await refused("VALUE_INVALID", () => vault.rotate("A", value, alice));
        await refused("VALUE_INVALID", () => vault.propose("set", "A", value, alice));
      }
      const small = open(t, { valueMax: 4 });
      await small.set("A", "1234", alice);
      await refused("VALUE_INVALID", () => small.set("A", "12345", alice));
      assert.equal((await small.get("A", alice)).details.version, 1);
    });

    test("names that break the rules are refused without being repeated", async (t) => {
      const vault = open(t);
      const refusedNames = [
        "",
        "a b",
        "a\0b",
        "a\nb",
        "a:b",
        "\u00e9",
        "\u202e",
        "a".repeat(129),
        "a".repeat(5000),
        "\u{1F511}",
      ];
      for (const each of refusedNames) {
        for (const run of [
          () => vault.set(each, "v", alice),
          () => vault.get(each, alice),
          () => vault.rotate(each, "v", alice),
          () => vault.delete(each, alice),
          () => vault.propose("set", each, "v", alice),
          () => vault.set("ok", "v", { ...alice, namespace: each }),
        ]) {
          const error = await refused("NAME_INVALID", run);
          assert.ok(each.length < 3 || !error.message.includes(each), error.message);
          assert.match(error.message, /A-Z a-z 0-9/);
        }
      }
      for (const each of ["a".repeat(128), "mcp.bun.apiKey", "prod/db-password_1", "..", "-"]) {
        await vault.set(each, "v", { ...alice, namespace: each });
        assert.equal((await vault.get(each, { ...alice, namespace: each })).reveal(), "v");
      }
      for (const actor of ["", "a\nb", "a\0", "x".repeat(257), { id: "a", platform: "" }, { id: "" }]) {
        await refused("NAME_INVALID", () => vault.get("A", { actor }));
      }
    });

    test("a session that has ended is refused", async (t) => {
      const vault = open(t);
      const until = (millis) => ({ actor: { id: "alice", sessionExpiresAt: new Date(Date.now() + millis) } });
      await vault.set("A", "v", until(60_000));
      for (const run of [
        () => vault.get("A", until(-1)),
        () => vault.list(until(0)),
        () => vault.verifyAudit(until(-1)),
        () => vault.adopt(until(-1)),
      ]) {
        assert.match((await refused("SESSION_EXPIRED", run)).message, /sign in again/);
      }
    });

    test("a pinned vault id refuses another vault's store and one without a head", async (t) => {
      const store = makeStore(t);
      const keyring = Keyring.generate();
      const vaultId = "0123456789abcdef".repeat(2);
      await refused("VAULT_HEAD_MISSING", () => new Vault({ keyring, store, vaultId }).set("A", "v", alice));
      await new Vault({ keyring, store }).set("A", "v", alice);
      const error = await refused("VAULT_HEAD_MISSING", () =>
        new Vault({ keyring, store, vaultId }).get("A", alice),
      );
      const [, found] = /another vault, ([0-9a-f]{32})/.exec(error.message);
      assert.equal((await new Vault({ keyring, store, vaultId: found }).get("A", alice)).reveal(), "v");
    });
  });
}

test("misspelled and misshapen options are refused, by every method", async () => {
  const vault = makeVault();
  const methods = {
    set: (options) => vault.set("A", "v", options),
    get: (options) => vault.get("A", options),
    exists: (options) => vault.exists("A", options),
    list: (options) => vault.list(options),
    rotate: (options) => vault.rotate("A", "v", options),
    delete: (options) => vault.delete("A", options),
    audit: (options) => vault.audit(options),
    verifyAudit: (options) => vault.verifyAudit(options),
    propose: (options) => vault.propose("set", "A", "v", options),
    confirm: (options) => vault.confirm("A".repeat(22), options),
    cancel: (options) => vault.cancel("A".repeat(22), options),
    disable: (options) => vault.disable("A", options),
    enable: (options) => vault.enable("A", options),
    versions: (options) => vault.versions("A", options),
    rollback: (options) => vault.rollback("A", 1, options),
    verify: (options) => vault.verify("A", "v", options),
    revokePrevious: (options) => vault.revokePrevious("A", options),
    expire: (options) => vault.expire("A", { ...options, expiresAt: null }),
    purge: (options) => vault.purge(options),
    rotationStatus: (options) => vault.rotationStatus(options),
    grant: (options) => vault.grant("A", { to: { user: "bob" }, actions: ["read"] }, options),
    revoke: (options) => vault.revoke("A", "0", options),
    grants: (options) => vault.grants("A", options),
    setPolicy: (options) => vault.setPolicy("default", options),
    policy: (options) => vault.policy(options),
    rekey: (options) => vault.rekey(options),
    retire: (options) => vault.retire("0".repeat(64), options),
    census: (options) => vault.census(options),
    adopt: (options) => vault.adopt(options),
    command: (options) => vault.command("secret list", options),
  };
  const wrong = [
    {},
    undefined,
    null,
    { actr: "alice" },
    { actor: "alice", nmespace: "x" },
    { actor: "alice", namespace: 5 },
    { actor: null },
    { actor: 5 },
    { actor: ["alice"] },
    { actor: { id: 5 } },
    { actor: { id: "alice", platfrom: "telegram" } },
    { actor: { id: "alice", platform: {} } },
    { actor: { id: "alice", roles: "admin" } },
    { actor: { id: "alice", sessionExpiresAt: new Date(Number.NaN) } },
    { actor: { id: "alice", sessionExpiresAt: 5 } },
  ];
  for (const [name, run] of Object.entries(methods)) {
    for (const options of wrong) {
      const error = await refused("INVALID_ARGUMENT", () => run(options)).catch((cause) => {
        throw new Error(`${name}(${inspect(options)})`, { cause });
      });
      assert.equal(error.number, 35);
    }
  }
  const ofTheVault = [
    "verifyAudit",
    "confirm",
    "cancel",
    "setPolicy",
    "policy",
    "rekey",
    "retire",
    "census",
    "adopt",
  ];
  for (const name of [...ofTheVault, "command"]) {
    await refused("INVALID_ARGUMENT", () => methods[name]({ actor: "alice", namespace: "default" }));
  }
  assert.deepEqual(await vault.audit(alice), [], "nothing was recorded");
});

test("values that are neither text nor bytes nor a Secret are refused without being repeated", async () => {
  const vault = makeVault();
  const wrong = [
    null,
    42,
    true,
    { canary: "canary" },
    ["canary"],
    new ArrayBuffer(4),
    new Uint16Array(4),
    new String("canary"),
  ];
  for (const value of wrong) {
    for (const run of [
      () => vault.set("A", value, alice),
      () => vault.rotate("A", value, alice),
      () => vault.verify("A", value, alice),
      () => vault.propose("set", "A", value, alice),
      () => vault.command(value, alice),
      () => Secret.of(value),
      () => mask(value),
      () => Keyring.generate().encrypt(value),
      () => Keyring.generate().encrypt("v", { associatedData: value }),
      () => Keyring.generate().decrypt(value),
      () => Keyring.parse(value),
      () => Keyring.fromEnv({ ENCRYPTION_KEY: value }),
    ]) {
      const error = await refused("INVALID_ARGUMENT", run);
      assert.ok(!inspect(error).includes('"canary"'), inspect(error));
    }
  }
  await refused("INVALID_ARGUMENT", () => vault.set("A", undefined, alice));
  await refused("INVALID_ARGUMENT", () => vault.get({ name: "A" }, alice));
  await refused("INVALID_ARGUMENT", () => vault.get(undefined, alice));
});

test("a vault's own options are checked when it is opened", () => {
  const [keyring, store] = [Keyring.generate(), new MemoryStore()];
  for (const options of [
    { keyring, store, confrim: ["set"] },
    { keyring, store, confirm: ["get"] },
    { keyring, store, confirm: "set" },
    { keyring, store, actors: "alice" },
    { keyring, store, vaultId: "xyz" },
    { keyring, store, vaultId: "0".repeat(31) },
    { keyring, store, valueMax: 0 },
    { keyring, store, valueMax: 1.5 },
    { keyring, store, valueMax: 2 ** 30 },
    { keyring, store, proposalMillis: 0 },
    { keyring },
    { keyring, store: {} },
    { keyring: {}, store },
    { store },
  ]) {
    assert.throws(
      () => new Vault(options),
      { name: "StrongroomError", code: "INVALID_ARGUMENT" },
      inspect(options),
    );
  }
  assert.throws(() => new SqliteStore(":memory:", { busyTimeuot: 5 }), { code: "INVALID_ARGUMENT" });
});

test("a secret shows itself to nobody who does not ask", async () => {
  const vault = makeVault();
  await vault.set("A", VALUE, alice);
  const got = await vault.get("A", alice);
  for (const secret of [Secret.of(VALUE), got]) {
    assert.equal(String(secret), "sk_t****");
    assert.equal(`${secret}`, "sk_t****");
    assert.equal(JSON.stringify({ secret }), '{"secret":"sk_t****"}');
    assert.equal(inspect(secret), "Secret(sk_t****)");
    assert.equal(Object.prototype.toString.call(secret), "[object Secret]");
    assert.deepEqual(Object.keys(secret), ["details"]);
    const shown = [
      inspect({ deep: [{ secret }] }, { depth: 9 }),
      inspect(secret, { customInspect: false, showHidden: true, depth: 9, getters: true }),
      JSON.stringify(structuredClone({ ...secret })),
      inspect(Object.getOwnPropertyDescriptors(secret), { depth: 9 }),
      inspect(Reflect.ownKeys(secret).map((each) => secret[each])),
      inspect(structuredClone(secret)),
    ];
    for (const text of shown) assert.ok(!text.includes(VALUE), text);
    assert.equal(secret.reveal(), VALUE);
    assert.deepEqual(Buffer.from(secret.revealBytes()), Buffer.from(VALUE));
  }
});

test("a secret masks in four styles, and compares", () => {
  const secret = Secret.of("123456789012345678901234xyz");
  const shown = ["prefix(4)", "prefix(8)", "ends(3)", "full"].map((style) => secret.masked(style));
  assert.deepEqual(shown, ["1234****", "12345678...", "123***...xyz", "****"]);
  assert.equal(mask("hunter2"), "****");
  assert.equal(mask(Buffer.from(VALUE)), "sk_t****");
  assert.equal(mask(VALUE, "full"), "****");
  assert.throws(() => secret.masked("prefix(40)"), { code: "INVALID_ARGUMENT" });
  assert.throws(() => mask(VALUE, "all"), { code: "INVALID_ARGUMENT" });
  assert.equal(Secret.of("a").equals(Secret.of(Buffer.from("a"))), true);
  assert.equal(Secret.of("a").equals(Secret.of("b")), false);
  assert.equal(Secret.of("a").equals(Secret.of("aa")), false);
  assert.throws(() => Secret.of("a").equals("a"), { code: "INVALID_ARGUMENT" });
});

test("a wiped secret reveals nothing any more; bytes that were revealed before are the caller's own", async () => {
  const secret = Secret.of(VALUE);
  const bytes = secret.revealBytes();
  bytes.fill(0);
  assert.equal(secret.reveal(), VALUE);
  secret.wipe();
  secret.wipe();
  assert.deepEqual(
    [`${secret}`, JSON.stringify([secret]), inspect(secret)],
    ["wiped", '["wiped"]', "Secret(wiped)"],
  );
  const uses = [() => secret.reveal(), () => secret.revealBytes(), () => secret.masked()];
  for (const use of [...uses, () => secret.equals(Secret.of("a")), () => Secret.of("a").equals(secret)]) {
    assert.throws(use, { code: "INVALID_ARGUMENT", message: /wiped/ });
  }
  await refused("INVALID_ARGUMENT", () => makeVault().set("A", secret, alice));
  const disposed = Secret.of(VALUE);
  disposed[Symbol.dispose]();
  assert.throws(() => disposed.reveal(), { message: /wiped/ });
});

test("a secret that was wiped while it is being set is set all the same", async () => {
  const vault = makeVault();
  const secret = Secret.of(VALUE);
  const setting = vault.set("A", secret, alice);
  secret.wipe();
  await setting;
  assert.equal((await vault.get("A", alice)).reveal(), VALUE);
});

test("an error carries code, number, whether to try again, operation, and the store's own exception", async () => {
  const cause = new Error("disk full");
  const store = new MemoryStore();
  const vault = makeVault({ store });
  await vault.set("A", "v", alice);
  store.load = () => {
    throw cause;
  };
  const error = await refused("STORAGE_FAILED", () => vault.get("A", alice));
  assert.equal(error.cause, cause);
  assert.deepEqual(
    [error.number, error.retryable, error.operation, error.name],
    [21, true, "get", "StrongroomError"],
  );
  assert.match(error.message, /^Failed to load secrets/);
  assert.ok(error instanceof Error && error.stack.includes("vault.test.mjs"));
  delete store.load;
  const missing = await refused("SECRET_NOT_FOUND", () => vault.get("B", alice));
  assert.deepEqual(
    [missing.number, missing.retryable, missing.operation, missing.cause],
    [8, false, "get", undefined],
  );
  assert.equal("cause" in missing, false);
  assert.equal(
    (await refused("NAME_INVALID", () => vault.verifyAudit({ actor: "" }))).operation,
    "verify_audit",
  );
  assert.ok(isStrongroomError(missing) && isStrongroomError(missing, "SECRET_NOT_FOUND"));
  assert.ok(!isStrongroomError(missing, "CONFLICT") && !isStrongroomError(cause) && !isStrongroomError(null));
});

test("every code has a number of its own", () => {
  const numbers = Object.values(ERROR_CODES).map((each) => each.number);
  assert.deepEqual(
    numbers,
    Array.from({ length: 38 }, (_, index) => index + 1),
  );
  assert.equal(ERROR_CODES.PERMISSION_DENIED.number, 6);
  for (const code of Object.keys(ERROR_CODES))
    assert.equal(new StrongroomError(code, "m").number, ERROR_CODES[code].number);
});

const fields = (told) => ({ ...told, at: undefined });
