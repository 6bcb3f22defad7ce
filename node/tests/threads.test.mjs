/** Worker threads: each loads the native part and opens the vault for itself; all work on one file, and come and go. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, below, closing, scratch } from "./support.mjs";

const WORKERS = 8;
const SHARED = Array.from({ length: 5 }, (_, index) => `SHARED_${index}`);
/** In milliseconds; workers that take so long wait for each other. */
const guard = { timeout: 300_000 };

const started = (workerData) => new Worker(new URL("threads.worker.mjs", import.meta.url), { workerData });

/** What a worker tells when it is done; rejects when it fails or ends without a word. */
async function toldBy(worker) {
  const ended = once(worker, "exit").then(([code]) => {
    throw new Error(`the worker ended with ${code} and told nothing`);
  });
  const [told] = await Promise.race([once(worker, "message"), ended]);
  ended.catch(() => {});
  return told;
}

async function makeShared(t) {
  const path = join(scratch(t), "vault.db");
  const keyring = Keyring.generate();
  const vault = new Vault({ keyring, store: closing(t, new SqliteStore(path)) });
  for (const name of SHARED) await vault.set(name, `${name}=first`, alice);
  return { path, keyring, vault, key: keyring.dangerousExport() };
}

function assertWhole(path) {
  const database = new DatabaseSync(path);
  assert.equal(database.prepare("PRAGMA integrity_check").get().integrity_check, "ok");
  database.close();
}

test("eight workers do hundreds of operations each on one file", guard, async (t) => {
  const { path, key, vault } = await makeShared(t);
  const workers = Array.from({ length: WORKERS }, (_, index) =>
    started({ path, key, id: `worker${index}`, does: "works", operations: 200 }),
  );
  const done = await Promise.all(workers.map(toldBy));
  const listed = new Map((await vault.list(alice)).map((each) => [each.name, each]));
  assert.equal(listed.size, SHARED.length + WORKERS);
  for (const name of SHARED) {
    const { accessedCount, version } = listed.get(name);
    assert.equal(
      accessedCount,
      done.reduce((sum, { gets }) => sum + (gets[name] ?? 0), 0),
      `accesses of ${name}`,
    );
    const versions = done.flatMap(({ writes }) => writes[name] ?? []).sort((a, b) => a - b);
    assert.deepEqual(
      versions,
      versions.map((_, index) => index + 2),
      `${name}: each write made a version of its own`,
    );
    assert.equal(version, versions.length + 1, `versions of ${name}`);
  }
  const { events } = await vault.verifyAudit(alice);
  // The beginning, the five creations, and the list above.
  assert.equal(
    events,
    done.reduce((sum, each) => sum + each.events, 7),
  );
  assertWhole(path);
});

test("keyrings of one key text encrypt and decrypt in eight workers at once", guard, async () => {
  const keyring = Keyring.generate();
  const key = keyring.dangerousExport();
  const workers = Array.from({ length: WORKERS }, (_, index) =>
    started({ key, id: `worker${index}`, does: "encrypts", operations: 150 }),
  );
  const tokens = (await Promise.all(workers.map(toldBy))).flatMap((each) => each.tokens);
  assert.equal(tokens.length, WORKERS * 3 * 3);
  for (const { token, value } of tokens)
    assert.equal(Buffer.from(keyring.decryptBytes(token)).toString("hex"), value);
  assert.equal(new Set(tokens.map(({ token }) => token)).size, tokens.length);
});

test("workers that are ended in the middle of operations harm nothing", guard, async (t) => {
  const { path, key, vault } = await makeShared(t);
  for (let round = 0; round < 6; round += 1) {
    const workers = Array.from({ length: WORKERS }, (_, index) =>
      started({ path, key, id: `worker${round}_${index}`, does: "endures" }),
    );
    // Under way, all of them, and then each at a moment of its own.
    await Promise.all(workers.map(toldBy));
    await Promise.all(
      workers.map(async (worker) => {
        await setTimeout(below(30));
        assert.equal(await worker.terminate(), 1);
      }),
    );
    for (const name of SHARED)
      assert.ok((await vault.get(name, alice)).reveal().startsWith(`${name}=`), "a whole value");
    await vault.verifyAudit(alice);
    assertWhole(path);
  }
  for (const name of SHARED) await vault.rotate(name, `${name}=last`, alice);
  await vault.verifyAudit(alice);
});

test("the native part is loaded and let go of by workers again and again", guard, async (t) => {
  const { path, key, vault } = await makeShared(t);
  for (let round = 0; round < 5; round += 1) {
    const workers = Array.from({ length: WORKERS }, (_, index) =>
      started({ path, key, id: `worker${round}_${index}`, does: "works", operations: 1 }),
    );
    // Half of them are ended while they load.
    await Promise.all(
      workers.map((worker, index) => (index % 2 === 0 ? worker.terminate() : toldBy(worker))),
    );
  }
  const { length } = await vault.list(alice);
  assert.ok(length >= SHARED.length + 5 * (WORKERS / 2), `${length} secrets`);
  await vault.verifyAudit(alice);
  assertWhole(path);
});
