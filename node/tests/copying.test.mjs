/** A vault moves from store to store with its history: identical answers, and never half a vault. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Keyring, MemoryStore, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, closing, refused, scratch } from "./support.mjs";

const sqlite = (t, name) => closing(t, new SqliteStore(join(scratch(t), name)));

async function livedIn(store, options = {}) {
  const keyring = Keyring.generate();
  const vault = new Vault({ keyring, store, ...options });
  const values = Object.fromEntries(
    Array.from({ length: 300 }, (_, number) => [`S${number}`, `value ${number}`]),
  );
  await vault.setMany(values, { namespace: "many", ...alice });
  await vault.set("A", "a one", { sensitivity: "critical", ...alice });
  await vault.rotate("A", "a two", { graceMillis: 3_600_000, ...alice });
  await vault.get("A", alice);
  await vault.set("GONE", "gone", alice);
  await vault.delete("GONE", alice);
  await vault.setPolicy({ rules: [{ id: "owner", users: ["alice"], actions: ["*"] }] }, alice);
  await vault.grant("A", { to: { user: "bob" }, actions: ["read"] }, alice);
  await vault.renewRoot(alice);
  return { keyring, vault, proposal: (await vault.propose("rotate", "A", "a three", alice)).id };
}

/** What the vault says to everything that can be asked, the history first, which the others write into. */
async function answers(vault, proposal) {
  return {
    audit: await vault.audit({ limit: 1000, ...alice }),
    auditOfOne: await vault.audit({ name: "A", limit: 1000, ...alice }),
    verified: await vault.verifyAudit(alice),
    list: await vault.list(alice),
    due: await vault.due({ aheadMillis: 60 * 86_400_000, ...alice }),
    status: await vault.rotationStatus(alice),
    versions: await vault.versions("A", alice),
    grants: await vault.grants("A", alice),
    policy: await vault.policy(alice),
    census: await vault.census(alice),
    identified: [await vault.identify("a two", alice), await vault.identify("a one", alice)],
    value: (await vault.get("A", { actor: "bob" })).reveal(),
    confirmed: (await vault.confirm(proposal, alice)).written.version,
    counted: (await vault.list(alice)).map(({ name, accessedCount }) => [name, accessedCount]),
  };
}

describe("a copy of a vault", () => {
  test("answers the same as it moves from SQLite to memory to SQLite", async (t) => {
    let { keyring, vault, proposal } = await livedIn(sqlite(t, "first.db"));
    for (const target of [new MemoryStore(), sqlite(t, "last.db")]) {
      const copied = await vault.copyTo(target, alice);
      assert.deepEqual([copied.secrets, copied.left], [301, 0]);
      assert.ok(copied.proposals >= 1);
      const moved = new Vault({ keyring, store: target, vaultId: copied.vaultId });
      const [before, after] = [await answers(vault, proposal), await answers(moved, proposal)];
      assert.deepEqual(after, before);
      assert.equal(after.verified.events, copied.events + 2);
      vault = moved;
      proposal = (await vault.propose("rotate", "A", `after ${copied.events}`, alice)).id;
    }
  });

  test("that was cut short at any request of the target is no vault", async () => {
    const { keyring, vault } = await livedIn(new MemoryStore());
    const ends = new Set();
    for (let left = 0; ; left += 1) {
      const [inner, full] = [new MemoryStore(), new Error("disk full")];
      let asked = 0;
      const limited =
        (kind) =>
        (...given) => {
          asked += 1;
          if (asked > left) throw full;
          return inner[kind](...given);
        };
      const target = Object.fromEntries(
        ["load", "list", "commit", "events"].map((kind) => [kind, limited(kind)]),
      );
      const hasHead = () => inner.list({ kind: "head", namespace: null, limit: 1 }, null).items.length === 1;
      const copied = vault.copyTo(target, alice);
      try {
        await copied;
        assert.ok(hasHead());
        break;
      } catch (error) {
        assert.equal(error.code, "STORAGE_FAILED", error.message);
        assert.equal(error.cause, full);
      }
      const isEmpty = inner.events({ scope: "latest", limit: 1 }, null).events.length === 0;
      ends.add(hasHead() ? "whole" : isEmpty ? "empty" : "half");
      if (hasHead() || isEmpty) continue;
      await refused("VAULT_HEAD_MISSING", () => new Vault({ keyring, store: inner }).list(alice));
      const again = await refused("INVALID_ARGUMENT", () => vault.copyTo(inner, alice));
      assert.match(again.message, /a part of a vault without its head/);
    }
    assert.deepEqual([...ends].sort(), ["empty", "half", "whole"]);
    await vault.verifyAudit(alice);
  });

  test("is refused into what is no store, or not empty, or while the vault is used", async () => {
    const store = new MemoryStore();
    const { keyring, vault } = await livedIn(store);
    const none = await refused("INVALID_ARGUMENT", () => vault.copyTo({ load() {} }, alice));
    assert.match(none.message, /that is no store to copy to/);
    const itself = await refused("INVALID_ARGUMENT", () => vault.copyTo(store, alice));
    assert.match(itself.message, /the target store is not empty: it has a vault/);
    await refused("PERMISSION_DENIED", () => vault.copyTo(new MemoryStore(), { actor: "bob" }));

    const busy = new MemoryStore();
    const commit = busy.commit.bind(busy);
    busy.commit = async (changeSet) => {
      await vault.get("A", alice);
      return commit(changeSet);
    };
    const meanwhile = await refused("CONFLICT", () => vault.copyTo(busy, alice));
    assert.match(meanwhile.message, /the vault was used while it was copied/);
    await refused("VAULT_HEAD_MISSING", () => new Vault({ keyring, store: busy }).list(alice));
  });

  test("is told of once, by the event that stands before it", async () => {
    const told = [];
    const store = new MemoryStore();
    const { vault } = await livedIn(store, { onEvent: (event) => told.push(event.action) });
    told.length = 0;
    await vault.copyTo(new MemoryStore(), alice);
    assert.deepEqual(told, ["copy_to"]);
  });
});
