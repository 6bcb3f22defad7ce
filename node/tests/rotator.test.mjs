/** Rotation by the host's rotator: processes killed with -9 at every moment of it, failures and their causes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { Keyring, MemoryStore, Secret, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { Provider } from "./provider.mjs";
import { alice, closing, refused, runChild, scratch } from "./support.mjs";

const CANARY = "canary-7d1f0a52";
const AFTER_CREATE = "after what was created is committed";
const WHERE = [
  "the begin is committed",
  "create",
  "what was created is committed",
  "activate",
  "the end is committed",
].flatMap((what) => [`before ${what}`, `after ${what}`]);

async function prepared(store = new MemoryStore(), keyring = Keyring.generate()) {
  const vault = new Vault({ keyring, store });
  await vault.set("DB_PASSWORD", "the first", alice);
  return vault;
}

const current = async (vault) => (await vault.get("DB_PASSWORD", alice)).reveal();

describe("a process that is killed while it rotates", () => {
  for (const where of WHERE) {
    test(`${where} is resumed by the next`, async (t) => {
      const folder = scratch(t);
      const [path, values] = [join(folder, "vault.db"), join(folder, "provider.json")];
      const [keyring, provider] = [Keyring.generate(), new Provider(values)];
      provider.startWith("the first");
      const vault = await prepared(closing(t, new SqliteStore(path)), keyring);
      const run = (where) => runChild("rotator.child.mjs", [path, keyring.dangerousExport(), values, where]);
      // Twice: whoever resumes may die as well.
      for (const _ of [1, 2]) {
        const died = await run(where);
        assert.ok(provider.accepts(await current(vault)), "whoever has the vault's value is let in");
        // Who resumes creates nothing, and lives where that is what it would die at.
        if (died.code !== 0 || where !== AFTER_CREATE) assert.equal(died.signal, "SIGKILL", died.stderr);
      }
      const rotations = 1 + ({ [AFTER_CREATE]: 1, "after the end is committed": 2 }[where] ?? 0);
      const { code, stdout, stderr } = await run("nowhere");
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: String(rotations + 1), stderr: "" });
      assert.equal(await current(vault), `issued ${rotations} of DB_PASSWORD`);
      assert.equal(provider.state.inUse, await current(vault));
      assert.equal(new Set(provider.state.activations).size, rotations);
      await vault.verifyAudit(alice);
      assert.ok(!readFileSync(path).includes("issued"), "no value is in the file in the clear");
    });
  }
});

test("a rotator gets the rotation and the value that it gave, which is wiped afterwards", async () => {
  const vault = await prepared();
  const [seen, shown] = [[], []];
  const rotator = {
    create: async (rotation) => {
      seen.push(rotation);
      return Secret.of(CANARY);
    },
    activate: async (rotation, value) => {
      assert.equal(value.reveal(), CANARY);
      seen.push(rotation);
      shown.push(value);
    },
  };
  await vault.set("KEY", "first", { ...alice, namespace: "nexus" });
  const options = { ...alice, namespace: "nexus" };
  const written = await vault.rotate("KEY", {
    ...options,
    rotator,
    graceMillis: 60_000,
    expiresInMillis: 60_000,
  });
  assert.deepEqual([written.version, written.created], [2, false]);
  assert.deepEqual(seen[0], seen[1]);
  const { id, ...rest } = seen[0];
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.deepEqual(rest, { namespace: "nexus", name: "KEY", version: 2 });
  assert.throws(() => shown[0].reveal());
  assert.equal((await vault.verify("KEY", "first", options)).matches, "previous");
  const actions = (await vault.audit({ ...options, name: "KEY" })).map((event) => event.action);
  assert.deepEqual(actions.slice(-4), ["rotate", "rotate_create", "rotate_begin", "set"]);
});

test("a rotator without activate has its value in use at once", async () => {
  const vault = await prepared();
  assert.equal(
    (await vault.rotate("DB_PASSWORD", { ...alice, rotator: { create: () => CANARY } })).version,
    2,
  );
  assert.equal(await current(vault), CANARY);
});

/** Fails at a step until it is told to work. */
class Failing {
  asked = [];

  constructor(step) {
    this.step = step;
  }

  create({ id }) {
    this.asked.push(`create ${id}`);
    if (this.step === "create") throw new TypeError("the provider is down");
    return CANARY;
  }

  async activate({ id }, value) {
    this.asked.push(`activate ${id}`);
    if (this.step === "activate") throw new TypeError("the provider is down");
    assert.equal(value.reveal(), CANARY);
  }
}

for (const step of ["create", "activate"]) {
  test(`what a rotator throws on ${step} is the cause, and the next call goes on`, async () => {
    const [vault, rotator] = [await prepared(), new Failing(step)];
    const error = await refused("ROTATION_FAILED", () => vault.rotate("DB_PASSWORD", { ...alice, rotator }));
    assert.ok(error.cause instanceof TypeError && error.retryable);
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(CANARY));
    assert.equal(await current(vault), "the first");
    rotator.step = undefined;
    assert.equal((await vault.rotate("DB_PASSWORD", { actor: "bob", rotator })).version, 2);
    const names = rotator.asked.map((each) => each.split(" ")[0]);
    const again = step === "create" ? "create" : "activate";
    assert.deepEqual(names, ["create", again, "activate"]);
    assert.equal(new Set(rotator.asked.map((each) => each.split(" ")[1])).size, 1);
  });
}

test("a value gives up what can't be activated", async () => {
  const [vault, rotator] = [await prepared(), new Failing("activate")];
  await refused("ROTATION_FAILED", () => vault.rotate("DB_PASSWORD", { ...alice, rotator }));
  await vault.set("DB_PASSWORD", "by hand", alice);
  rotator.step = undefined;
  assert.equal((await vault.rotate("DB_PASSWORD", { ...alice, rotator })).version, 3);
  assert.equal(new Set(rotator.asked.map((each) => each.split(" ")[1])).size, 2, "another rotation");
});

test("what others write meanwhile stays", async () => {
  const vault = await prepared();
  const byHand = () => vault.set("DB_PASSWORD", "by hand", { actor: "bob" });
  const early = {
    create: async () => {
      await byHand();
      return CANARY;
    },
  };
  await refused("CONFLICT", () => vault.rotate("DB_PASSWORD", { ...alice, rotator: early }));
  const late = { create: () => CANARY, activate: byHand };
  const error = await refused("ROTATION_FAILED", () =>
    vault.rotate("DB_PASSWORD", { ...alice, rotator: late }),
  );
  assert.equal(error.cause, undefined);
  assert.equal(await current(vault), "by hand");
});

test("what is no value, no rotator, or too much, is refused", async () => {
  const [vault, rotator] = [await prepared(), new Failing()];
  const rotated = (options) => vault.rotate("DB_PASSWORD", { ...alice, ...options });
  for (const bad of [undefined, null, 7])
    await refused("ROTATION_FAILED", () => rotated({ rotator: { create: () => bad } }));
  for (const bad of ["", "x".repeat(70_000)]) {
    await refused("VALUE_INVALID", () => rotated({ rotator: { create: () => bad } }));
  }
  for (const bad of [null, {}, "rotator", { create: () => CANARY, activate: true }]) {
    await refused("INVALID_ARGUMENT", () => rotated({ rotator: bad }));
  }
  await refused("INVALID_ARGUMENT", () => vault.rotate("DB_PASSWORD", CANARY, { ...alice, rotator }));
  await refused("INVALID_ARGUMENT", () =>
    vault.rotate("DB_PASSWORD", { generate: "hex" }, { ...alice, rotator }),
  );
  await refused("INVALID_ARGUMENT", () => rotated({ rotator, graceMillis: 0 }));
  await refused("SECRET_NOT_FOUND", () => vault.rotate("MISSING", { ...alice, rotator }));
  assert.deepEqual(rotator.asked, []);
  assert.equal((await vault.versions("DB_PASSWORD", alice)).length, 1);
  assert.equal((await rotated({ rotator })).version, 2);
});
