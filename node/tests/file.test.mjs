/** A vault in one file, from Node: as the file's own tests in Python have it, where Node could differ. */
import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FileStore } from "../lib/node/ts/file.js";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { checkStore } from "../lib/node/ts/testing.js";
import { behaviour } from "./behaviour.mjs";
import { alice, refused, scratch } from "./support.mjs";

const keyring = Keyring.generate();

behaviour("FileStore", (t) => new FileStore(join(scratch(t), "secrets.json.enc")));

async function vaultIn(t, options) {
  const path = join(scratch(t), "secrets.json.enc");
  const vault = new Vault({ keyring, store: new FileStore(path, options) });
  await vault.set("A", "sk_test_abc123", alice);
  return { path, vault };
}

test("the kit passes a file", async (t) => {
  assert.equal((await checkStore(new FileStore(join(scratch(t), "vault")))).length, 15);
});

test("the file and its lock are their owner's alone, and nothing else is left", async (t) => {
  const { path, vault } = await vaultIn(t);
  await vault.set("B", "sk_test_abc124", alice);
  const folder = join(path, "..");
  assert.deepEqual(readdirSync(folder).sort(), ["secrets.json.enc", "secrets.json.enc.lock"]);
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  assert.ok(!readFileSync(path, "utf8").includes("sk_test"));
});

test("a file that others can read is refused, and what it failed with is the cause", async (t) => {
  const { path, vault } = await vaultIn(t);
  chmodSync(path, 0o644);
  const content = readFileSync(path);
  for (const run of [() => vault.get("A", alice), () => vault.set("A", "sk_test_abc124", alice)]) {
    const { cause } = await refused("STORAGE_FAILED", run);
    assert.match(cause.message, /^Failed to load secrets: .* \(mode 644\): .* `chmod 600` it$/);
    assert.equal(cause.code, "STORAGE_FAILED");
  }
  assert.deepEqual(readFileSync(path), content);
});

test("a file that was cut short or altered fails to load", async (t) => {
  const { path, vault } = await vaultIn(t);
  const whole = readFileSync(path);
  const altered = Buffer.from(whole);
  altered[300] ^= 1;
  for (const content of [whole.subarray(0, 0), whole.subarray(0, 200), whole.subarray(0, -1), altered]) {
    writeFileSync(path, content);
    const store = new FileStore(path);
    const { message, cause } = await refused("STORAGE_FAILED", () =>
      new Vault({ keyring, store }).get("A", alice),
    );
    assert.match(message, /^Failed to load secrets/);
    assert.match(cause.message, /^Failed to load secrets: the document is not whole/);
  }
  writeFileSync(path, whole);
  assert.equal((await vault.get("A", alice)).reveal(), "sk_test_abc123");
});

test("a vault that grows too long is refused, and told as applied by nobody", async (t) => {
  const { path } = await vaultIn(t);
  const limit = statSync(path).size + 100;
  const vault = new Vault({ keyring, store: new FileStore(path, { limit }) });
  const error = await refused("STORAGE_FAILED", () => vault.set("B", "sk_test_abc124", alice));
  assert.match(error.message, /applied nothing/);
  assert.equal(error.cause.code, "LIMIT_EXCEEDED");
});

test("many requests at once take turns and leave the event loop alone", async (t) => {
  const { vault } = await vaultIn(t);
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  await Promise.all(Array.from({ length: 20 }, (_, each) => vault.set(`N${each}`, "sk_test_abc123", alice)));
  clearInterval(timer);
  assert.ok(ticks > 5, `${ticks} ticks`);
  assert.equal((await vault.list(alice)).length, 21);
  await vault.verifyAudit(alice);
});

test("a backup is the same, is never put over something unasked, and restores", async (t) => {
  const { path, vault } = await vaultIn(t);
  const store = new FileStore(path);
  const to = `${path}.backup`;
  const sha256 = await store.backup(to);
  assert.equal(JSON.parse(readFileSync(to, "utf8")).sha256, sha256);
  assert.deepEqual(readFileSync(to), readFileSync(path));
  await refused("INVALID_ARGUMENT", () => store.backup(to));
  await vault.set("A", "sk_test_abc124", alice);
  await store.backup(to, { replace: true });
  assert.deepEqual(readFileSync(to), readFileSync(path));
  await refused("INVALID_ARGUMENT", () => store.backup(path, { replace: true }));
  await refused("STORAGE_FAILED", () => new FileStore(`${path}.none`).backup(`${path}.other`));
});

test("arguments that are none are refused", async (t) => {
  await refused("INVALID_ARGUMENT", () => new FileStore("/"));
  await refused("INVALID_ARGUMENT", () => new FileStore(7));
  await refused("INVALID_ARGUMENT", () => new FileStore("a", { lockTimout: 1 }));
  await refused("INVALID_ARGUMENT", () => new FileStore("a", { limit: 1.5 }));
  await refused("INVALID_ARGUMENT", () => new FileStore("a", { lockTimeout: -1 }));
  const { path } = await vaultIn(t);
  await refused("INVALID_ARGUMENT", () => new FileStore(path).backup(7));
  await refused("INVALID_ARGUMENT", () => new FileStore(path).backup("a", { over: true }));
  await refused("INVALID_ARGUMENT", () => new FileStore(path).load([{ kind: "canary" }]));
});
