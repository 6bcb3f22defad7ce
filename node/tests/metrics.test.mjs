/** What a vault has seen, and what is unusual of it, as Node hosts get it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessWatch, Keyring, MemoryStore, Vault } from "../lib/node/ts/index.js";
import { alice, refused } from "./support.mjs";

const open = (options = {}) =>
  new Vault({ keyring: Keyring.generate(), store: new MemoryStore(), ...options });

/** The samples of some families that are not nothing. */
function counted(page, ...families) {
  const samples = page
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => [line.slice("strongroom_".length, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]);
  for (const [name, value] of samples) assert.ok(Number.isFinite(value), name);
  return Object.fromEntries(
    samples.filter(([name, value]) => value !== 0 && families.includes(name.split("{")[0])),
  );
}

const access = (counts) =>
  Object.fromEntries(
    Object.entries(counts).map(([result, count]) => [`secret_access_total{result="${result}"}`, count]),
  );

test("a vault counts its calls, its events and its failures", async () => {
  const store = new MemoryStore();
  const vault = open({ store, actors: ["alice"] });
  await vault.set("A", "one", alice);
  await vault.setMany({ B: "b", C: "c" }, alice);
  await vault.getMany(["A", "B", "C"], alice);
  await vault.exists("A", alice);
  await refused("PERMISSION_DENIED", () => vault.get("A", { actor: "mallory" }));
  await refused("NAME_INVALID", () => vault.set("two words", "x", alice));
  await refused("NAME_INVALID", () => vault.get("", alice));
  const page = vault.metrics();
  assert.deepEqual(counted(page, "secret_access_total"), access({ success: 4, denied: 1, error: 2 }));
  assert.deepEqual(counted(page, "secret_validation_errors_total"), { secret_validation_errors_total: 2 });
  const events = Object.values(counted(page, "events_total")).reduce((sum, count) => sum + count, 0);
  assert.equal(events, (await vault.audit({ ...alice, limit: 1000 })).length);
});

test("calls that come in each other's way count once each", async () => {
  const vault = open();
  await vault.set("A", "one", alice);
  await Promise.all(Array.from({ length: 20 }, () => vault.get("A", alice)));
  const page = vault.metrics();
  assert.deepEqual(counted(page, "secret_access_total"), access({ success: 21 }));
  assert.equal(counted(page, "events_total")['events_total{action="get",result="success"}'], 20);
});

test("a store that fails is counted by request, and the refusal of a chat command as one", async () => {
  const store = new MemoryStore();
  const vault = open({ store, actors: ["alice"] });
  await vault.command("secret set A one", alice);
  assert.equal((await vault.command("secret get A", { actor: "mallory" })).code, "PERMISSION_DENIED");
  store.load = () => Promise.reject(new Error("disk on fire"));
  await refused("STORAGE_FAILED", () => vault.get("A", alice));
  const page = vault.metrics();
  assert.deepEqual(counted(page, "secret_access_total"), access({ success: 1, denied: 1, error: 1 }));
  assert.deepEqual(counted(page, "store_failures_total"), { 'store_failures_total{request="load"}': 1 });
});

test("rotations are told by name, and emergencies by secret", async () => {
  const vault = open();
  await vault.set("A", { generate: "hex" }, { ...alice, generator: "hex", sensitivity: "high" });
  const at = 'secret_rotation_timestamp_seconds{namespace="default",name="A"}';
  const due = 'secret_rotation_due_timestamp_seconds{namespace="default",name="A"}';
  const page = counted(vault.metrics(), at.split("{")[0], due.split("{")[0]);
  assert.ok(Math.abs(page[at] - Date.now() / 1000) < 60);
  assert.equal(Math.round(page[due] - page[at]), 90 * 86_400);
  await vault.emergencyRotate(alice);
  assert.deepEqual(counted(vault.metrics(), "emergency_rotation_total"), { emergency_rotation_total: 1 });
  await vault.delete("A", alice);
  assert.deepEqual(counted(vault.metrics(), at.split("{")[0]), {});
});

test("the prefix is the caller's", async () => {
  const vault = open();
  assert.match(vault.metrics({ prefix: "hyperbun" }), /^hyperbun_secret_access_total\{result="denied"\} 0$/m);
  for (const prefix of ["", "9a", "a-b", "a\n", "a".repeat(65), null, 7])
    await refused("INVALID_ARGUMENT", () => vault.metrics({ prefix }));
  await refused("INVALID_ARGUMENT", () => vault.metrics("hyperbun"));
  await refused("INVALID_ARGUMENT", () => vault.metrics({ prefx: "hyperbun" }));
});

test("a finding is told once for a burst, and a hook that throws fails nothing", async (t) => {
  const found = [];
  const onFinding = async (finding) => {
    await null;
    found.push(finding);
  };
  const accessRules = { deniedBurst: { count: 3, windowMillis: 60_000 } };
  const vault = open({ actors: ["alice"], accessRules, onFinding });
  await vault.set("A", "one", alice);
  for (let attempt = 0; attempt < 6; attempt += 1) {
    await refused("PERMISSION_DENIED", () => vault.get("A", { actor: "mallory" }));
    assert.equal(found.length, attempt >= 2 ? 1 : 0);
  }
  const [{ since, at, ...finding }] = found;
  assert.deepEqual(finding, {
    rule: "denied_burst",
    actor: "mallory",
    namespace: "default",
    name: "A",
    count: 3,
  });
  assert.ok(since <= at && at - since < 60_000);
  const counts = counted(vault.metrics(), "access_findings_total");
  assert.deepEqual(counts, { 'access_findings_total{rule="denied_burst"}': 1 });

  const warned = [];
  t.mock.method(process, "emitWarning", (warning) => warned.push(warning.message));
  const broken = () => {
    throw new Error("no pager");
  };
  const other = open({ accessRules: { firstReader: true }, onFinding: broken });
  await other.set("A", "one", alice);
  assert.equal((await other.get("A", alice)).reveal(), "one");
  assert.deepEqual(warned, ["strongroom: onFinding threw"]);
});

test("history warms a watch up", async () => {
  const store = new MemoryStore();
  const keyring = Keyring.generate();
  const before = open({ keyring, store });
  await before.setMany({ A: "one", B: "two" }, alice);
  await before.get("A", alice);
  const accessRules = new AccessWatch({
    firstReader: true,
    manyReads: { count: 3, windowMillis: 3_600_000 },
  });
  const history = (await before.audit({ actor: "ops", limit: 1000 })).reverse();
  assert.deepEqual(
    history.flatMap((event) => accessRules.observe(event)).map(({ rule, name }) => [rule, name]),
    [["first_reader", "A"]],
  );
  const found = [];
  const vault = open({ keyring, store, accessRules, onFinding: (finding) => found.push(finding.rule) });
  await vault.get("A", alice);
  assert.deepEqual(found, []);
  await vault.get("B", alice);
  assert.deepEqual(found, ["many_reads", "first_reader"]);
});

test("rules that are none are refused", async () => {
  const burst = { count: 1, windowMillis: 1 };
  for (const rules of [
    [burst],
    "firstReader",
    { manyRead: burst },
    { manyReads: { ...burst, count: 0 } },
    { manyReads: { ...burst, count: 1.5 } },
    { manyReads: { ...burst, windowMillis: 0 } },
    { manyReads: { ...burst, window: 1 } },
    { manyReads: { count: 1 } },
    { manyReads: 3 },
    { firstReader: "yes" },
  ]) {
    await refused("INVALID_ARGUMENT", () => new AccessWatch(rules));
    await refused("INVALID_ARGUMENT", () => open({ accessRules: rules }));
  }
  await refused("INVALID_ARGUMENT", () => open({ onFinding: () => {} }));
  await refused("INVALID_ARGUMENT", () => open({ accessRules: {}, onFinding: 7 }));
});
