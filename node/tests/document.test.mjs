/** A vault in a place that keeps one text, and what such a place can do to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DocumentStore, Keyring, Vault } from "../lib/node/ts/index.js";
import { checkStore } from "../lib/node/ts/testing.js";
import { behaviour } from "./behaviour.mjs";
import { alice, refused } from "./support.mjs";

const keyring = Keyring.generate();

/** A place in memory. `faults` are those of the writes to come, in order. */
class Place {
  content;
  version = 0;
  writes = 0;
  faults = [];

  async read() {
    await undefined;
    return this.content === undefined ? undefined : { content: this.content, tag: this.version };
  }

  async write(content, tag) {
    const fault = this.faults.shift();
    if (fault === "before") throw new Error("the bucket is away");
    if (fault === "conflict" || tag !== (this.content === undefined ? undefined : this.version))
      return "conflict";
    this.content = Uint8Array.from(content);
    this.version += 1;
    this.writes += 1;
    if (fault === "after") throw new Error("the reply got lost");
    return "written";
  }
}

behaviour("DocumentStore", () => new DocumentStore(new Place()));

test("the kit passes a place for one text", async () => {
  assert.equal((await checkStore(new DocumentStore(new Place()))).length, 15);
});

async function vaultIn() {
  const place = new Place();
  const vault = new Vault({ keyring, store: new DocumentStore(place) });
  await vault.set("A", "sk_test_abc123", alice);
  return { place, vault };
}

for (const fault of ["before", "after", "conflict"]) {
  test(`a write with the fault "${fault}" is done once in the end`, async () => {
    const { place, vault } = await vaultIn();
    const writes = place.writes;
    place.faults = [fault];
    assert.equal((await vault.set("A", "sk_test_abc124", alice)).version, 2);
    assert.equal(place.writes, writes + 1);
    await vault.verifyAudit(alice);
  });
}

for (const [what, broken] of [
  ["fails", () => Promise.reject(new Error("the bucket is away"))],
  ["gives half a document", async () => ({ content: new Uint8Array(100), tag: 0 })],
]) {
  test(`what was applied is not known when a read ${what} after a write that was a conflict`, async () => {
    const { place, vault } = await vaultIn();
    const write = place.write.bind(place);
    place.faults = ["conflict"];
    place.write = (content, tag) => {
      place.read = broken;
      return write(content, tag);
    };
    const { message } = await refused("STORAGE_FAILED", () => vault.set("A", "sk_test_abc124", alice));
    assert.match(message, /not known whether the change was applied/);
  });
}

test("a read that fails before a write is tried is made again", async () => {
  const { place, vault } = await vaultIn();
  const read = place.read.bind(place);
  let reads = 0;
  place.read = () => {
    reads += 1;
    // The first is the vault's look at the secret, the second that of its commit.
    if (reads === 2) throw new Error("the bucket is away");
    return read();
  };
  assert.equal((await vault.set("A", "sk_test_abc124", alice)).version, 2);
});

test("two stores over one place lose nothing", async () => {
  const { place, vault } = await vaultIn();
  const other = new Vault({ keyring, store: new DocumentStore(place) });
  const sets = Array.from({ length: 20 }, (_, each) =>
    (each % 2 ? vault : other).set(`N${each}`, "sk_test_abc123", alice),
  );
  await Promise.all(sets);
  assert.equal((await vault.list(alice)).length, 21);
  await other.verifyAudit(alice);
});

test("what is no whole document fails to load", async () => {
  const { place, vault } = await vaultIn();
  place.content = place.content.subarray(0, -1);
  const { message, cause } = await refused("STORAGE_FAILED", () => vault.get("A", alice));
  assert.match(message, /^Failed to load secrets/);
  assert.match(cause.message, /cut short/);
});

test("a long document leaves the event loop alone", async () => {
  const place = new Place();
  const store = new DocumentStore(place);
  const event = { stream: "canary", namespace: null, name: null, at: 0, actor: "a".repeat(200) };
  const events = Array.from({ length: 5000 }, (_, seq) => ({ ...event, seq: seq + 1, operation_id: "ab" }));
  const change = { operation_id: "ab", puts: [], deletes: [], checks: [], counters: [], events };
  for (const run of [() => store.commit(change), () => new DocumentStore(place).load([])]) {
    const ended = run().then(() => "ended");
    // All that a place in memory and promises alone do comes before this.
    assert.equal(await Promise.race([ended, new Promise((done) => setImmediate(done, "a turn"))]), "a turn");
    await ended;
  }
  assert.equal(place.writes, 1);
});

test("content that its place writes into meanwhile is read as it was", async () => {
  const { place, vault } = await vaultIn();
  const store = new DocumentStore({
    read: () => {
      const content = Uint8Array.from(place.content);
      setImmediate(() => content.fill(0));
      return { content, tag: place.version };
    },
    write: () => "conflict",
  });
  await vault.list(alice);
  assert.equal((await store.list({ kind: "secret", namespace: null, limit: 9 }, null)).items.length, 1);
});

test("a document that grows too long is refused before it is written", async () => {
  const { place } = await vaultIn();
  const content = place.content;
  const store = new DocumentStore(place, { limit: content.length + 100 });
  const error = await refused("STORAGE_FAILED", () =>
    new Vault({ keyring, store }).set("B", "sk_test_abc124", alice),
  );
  assert.match(error.message, /applied nothing/);
  assert.equal(error.cause.code, "LIMIT_EXCEEDED");
  assert.equal(place.content, content);
});

test("an answer that is none and options that are none are refused", async () => {
  const store = new DocumentStore({ read: () => undefined, write: () => true });
  const { cause } = await refused("STORAGE_FAILED", () =>
    new Vault({ keyring, store }).set("A", "sk_test_a", alice),
  );
  assert.match(cause.message, /"written" or "conflict"/);
  await refused("INVALID_ARGUMENT", () => new DocumentStore(new Place(), { limits: 1 }));
});
