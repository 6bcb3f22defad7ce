/** Several processes, and several operations of one process, on the same secrets: no error, no lost count, one chain. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Keyring, MemoryStore, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { makeOldDatabase } from "./old-bot.mjs";
import { alice, below, closing, runChild, scratch } from "./support.mjs";

const SHARED = Array.from({ length: 5 }, (_, index) => `SHARED_${index}`);

async function makeShared(store) {
  const keyring = Keyring.generate();
  const vault = new Vault({ keyring, store });
  for (const name of SHARED) await vault.set(name, `${name}=first`, alice);
  return { vault, key: keyring.dangerousExport() };
}

/** That what was done is exactly what the store tells. */
async function assertTold(vault, reports) {
  const listed = new Map((await vault.list(alice)).map((each) => [each.name, each]));
  for (const name of SHARED) {
    const { accessedCount, version } = listed.get(name);
    const gets = reports.reduce((sum, { gets: each }) => sum + (each[name] ?? 0), 0);
    const writes = reports.flatMap(({ writes: each }) => each[name] ?? []);
    assert.equal(accessedCount, gets, `accesses of ${name}`);
    assert.equal(version, writes.length + 1, `versions of ${name}`);
    const versions = writes.sort((a, b) => a - b);
    assert.deepEqual(
      versions,
      versions.map((_, index) => index + 2),
      `${name}: each write made a version of its own`,
    );
  }
  const counted = reports.map(
    ({ gets, writes, lists }) => sum(gets) + sum(writes, (each) => each.length) + lists,
  );
  const { events, streams } = await vault.verifyAudit(alice);
  // The beginning, the five creations, and the list above.
  assert.equal(events, counted.reduce((a, b) => a + b) + 7);
  assert.equal(streams, 6);
  return counted;
}

const sum = (record, of = (each) => each) =>
  Object.values(record).reduce((total, each) => total + of(each), 0);

for (const lanes of [1, 8]) {
  test(`two processes do 1,000 operations each on five secrets, ${lanes} at a time`, async (t) => {
    const path = join(scratch(t), "vault.db");
    const { vault, key } = await makeShared(closing(t, new SqliteStore(path)));
    const children = ["one", "two"].map((id) =>
      runChild("concurrency.child.mjs", [path, key, 1000, lanes, id]),
    );
    const ended = await Promise.all(children);
    for (const { code, stderr } of ended) assert.equal(code, 0, stderr);
    const counted = await assertTold(
      vault,
      ended.map(({ stdout }) => JSON.parse(stdout)),
    );
    assert.deepEqual(counted, [1000, 1000]);
    assert.equal(new DatabaseSync(path).prepare("PRAGMA integrity_check").get().integrity_check, "ok");
  });
}

for (const [name, makeStores] of Object.entries({
  "one MemoryStore": () => {
    const store = new MemoryStore();
    return [store, store];
  },
  "two SqliteStores on one file": (t) => {
    const path = join(scratch(t), "vault.db");
    return [new SqliteStore(path), new SqliteStore(path)].map((store) => closing(t, store));
  },
})) {
  test(`two vaults of one process over ${name} do hundreds of operations at a time`, async (t) => {
    const stores = makeStores(t);
    const { vault, key } = await makeShared(stores[0]);
    const second = new Vault({ keyring: Keyring.parse(key), store: stores[1] });
    const report = { gets: {}, writes: {}, lists: 0 };
    const operations = Array.from({ length: 600 }, async (_, index) => {
      const shared = SHARED[below(5)];
      const actor = { actor: `actor${index % 7}` };
      const own = index % 2 === 0 ? vault : second;
      if (index % 3 === 0) {
        const { version } = await own.rotate(shared, `${shared}=${index}`, actor);
        report.writes[shared] = [...(report.writes[shared] ?? []), version];
      } else if (index % 20 === 1) {
        await own.list(actor);
        report.lists += 1;
      } else {
        assert.ok((await own.get(shared, actor)).reveal().startsWith(`${shared}=`));
        report.gets[shared] = (report.gets[shared] ?? 0) + 1;
      }
    });
    await Promise.all(operations);
    assert.deepEqual(await assertTold(vault, [report]), [600]);
  });
}

test("of many that create, confirm or delete the same at once, one does it", async (t) => {
  const { vault } = await makeShared(closing(t, new SqliteStore(join(scratch(t), "vault.db"))));
  const twenty = Array.from({ length: 20 });
  const created = await Promise.all(twenty.map((_, index) => vault.set("NEW", `value ${index}`, alice)));
  assert.equal(created.filter((each) => each.created).length, 1);
  assert.deepEqual(
    new Set(created.map((each) => each.version)),
    new Set(twenty.map((_, index) => index + 1)),
  );
  const { id } = await vault.propose("rotate", "NEW", "proposed", alice);
  const confirmed = await Promise.all(twenty.map(() => vault.confirm(id, alice)));
  assert.equal(confirmed.filter((each) => !each.repeated).length, 1);
  assert.deepEqual(new Set(confirmed.map((each) => each.written.version)), new Set([21]));
  const deleted = await Promise.allSettled(twenty.map(() => vault.delete("NEW", alice)));
  assert.equal(deleted.filter((each) => each.status === "fulfilled").length, 1);
  for (const { reason } of deleted.filter((each) => each.status === "rejected"))
    assert.equal(reason.code, "SECRET_NOT_FOUND");
  await vault.verifyAudit(alice);
});

for (const [what, make] of Object.entries({
  "a file that does not exist": () => ({ key: Keyring.generate().dangerousExport(), adopted: 0 }),
  "the database of an old bot": (path) => {
    const { database, key, values } = makeOldDatabase(path, { plain: true });
    database.close();
    return { key: key.toString("hex"), adopted: values.size };
  },
})) {
  test(`six processes open ${what} at the same instant, and use it`, async (t) => {
    for (let round = 0; round < 4; round += 1) {
      const path = join(scratch(t), "vault.db");
      const { key, adopted } = make(path);
      const instant = Date.now() + 1000;
      const ended = await Promise.all(
        Array.from({ length: 6 }, () => runChild("opening.child.mjs", [path, key, instant])),
      );
      for (const { code, stderr } of ended) assert.equal(code, 0, stderr);
      const vault = new Vault({ keyring: Keyring.parse(key), store: closing(t, new SqliteStore(path)) });
      assert.equal((await vault.list(alice)).length, adopted + 6);
      const { unchained } = await vault.verifyAudit(alice);
      assert.equal(unchained, adopted);
    }
  });
}

test("a vault verifies its history while others write it", async (t) => {
  const path = join(scratch(t), "vault.db");
  const { vault, key } = await makeShared(closing(t, new SqliteStore(path)));
  const child = runChild("concurrency.child.mjs", [path, key, 300, 2, "busy"]);
  let running = true;
  child.then(() => {
    running = false;
  });
  let verified = 0;
  for (let index = 0; running && index < 500; index += 1) {
    await vault
      .set(`TEMPORARY_${index}`, "value", alice)
      .then(() => vault.delete(`TEMPORARY_${index}`, alice));
    await vault.verifyAudit(alice);
    verified += 1;
    // A store that answers at once never lets go of the microtasks: the child's end would not be heard.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { code, stderr } = await child;
  assert.equal(code, 0, stderr);
  assert.ok(verified > 1, `verified ${verified} times`);
});
