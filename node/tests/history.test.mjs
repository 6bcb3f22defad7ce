/** Checkpoints kept elsewhere, the keys that sign them, and the export of the history. */
import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { Checkpoint, Keyring, MemoryStore, SigningKey, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { alice, closing, refused, scratch } from "./support.mjs";

const KEY = SigningKey.generate({ name: "example.com/vault" });
const signed = { ...alice, signingKey: KEY };
const against = (checkpoint) => ({ ...alice, checkpoint, verifiers: [KEY.verifier()] });
const STORES = {
  MemoryStore: () => new MemoryStore(),
  SqliteStore: (t) => closing(t, new SqliteStore(join(scratch(t), "vault.db"))),
};

async function livedIn(store, keyring = Keyring.generate()) {
  const vault = new Vault({ keyring, store });
  for (const name of ["A", "B", "GONE"]) {
    await vault.set(name, `value of ${name}`, alice);
    await vault.get(name, alice);
  }
  await vault.delete("GONE", alice);
  return vault;
}

async function exported(vault, options = {}) {
  const lines = [];
  for await (const line of vault.exportAudit({ ...alice, ...options })) lines.push(JSON.parse(line));
  return lines;
}

for (const [name, makeStore] of Object.entries(STORES)) {
  describe(`checkpoints over ${name}`, () => {
    test("a later state verifies against one that was kept, and it tells of itself without a vault", async (t) => {
      const vault = await livedIn(makeStore(t));
      const kept = await vault.checkpoint(signed);
      await vault.delete("A", alice);
      await vault.set("A", "made again", alice);
      await vault.renewRoot(alice);
      const { vaultId, events } = await vault.verifyAudit(against(kept));
      assert.ok(events > 12);
      const read = Checkpoint.parse(kept, { verifiers: [KEY.verifier()] });
      assert.deepEqual([read.vaultId, read.streams], [vaultId, 4]);
      assert.ok(Math.abs(read.at - Date.now()) < 600_000);
    });

    test("one of another vault or of another signer is no proof", async (t) => {
      const vault = await livedIn(makeStore(t));
      const other = await (await livedIn(new MemoryStore())).checkpoint(signed);
      const found = await refused("AUDIT_TAMPERED", () => vault.verifyAudit(against(other)));
      assert.match(found.message, /the checkpoint is of vault [0-9a-f]{32}/);
      const theirs = SigningKey.generate({ name: KEY.name });
      const forged = await vault.checkpoint({ ...alice, signingKey: theirs });
      await refused("BACKUP_INVALID", () => vault.verifyAudit(against(forged)));
      const kept = await vault.checkpoint(signed);
      for (const altered of ["", kept.slice(0, -1), kept.replaceAll("\n", "\r\n"), `${kept}x`]) {
        await refused("BACKUP_INVALID", () => vault.verifyAudit(against(altered)));
        await refused("BACKUP_INVALID", () => Checkpoint.parse(altered, { verifiers: [KEY.verifier()] }));
      }
    });

    test("the export is the history, event by event", async (t) => {
      const vault = await livedIn(makeStore(t));
      const { events } = await vault.verifyAudit(alice);
      const all = await exported(vault);
      assert.equal(all.length, events + 1);
      const macs = new Map(all.map((event) => [`${event.stream}/${event.seq}`, event.mac]));
      for (const event of all)
        assert.equal(event.prev_mac ?? undefined, macs.get(`${event.stream}/${event.seq - 1}`));
      const paged = await exported(vault, { limit: 3 });
      assert.deepEqual(
        paged.filter((event) => event.action !== "export_audit").map((event) => event.mac),
        all.map((event) => event.mac),
      );
      assert.ok(!JSON.stringify(all).includes("value of"));
      for (const event of await exported(vault, { format: "ocsf" })) {
        assert.equal(event.specversion, "1.0");
        assert.equal(event.data.type_uid, 300_400 + event.data.activity_id);
        assert.equal(event.data.metadata.uid, event.id);
      }
      await refused("INVALID_ARGUMENT", () => exported(vault, { format: "csv" }));
      await refused("INVALID_ARGUMENT", () => exported(vault, { limit: 5001 }));
    });
  });
}

test("a database that was put back is found against a checkpoint", async (t) => {
  const [folder, keyring] = [scratch(t), Keyring.generate()];
  const [path, copy] = [join(folder, "vault.db"), join(folder, "copy.db")];
  const before = new SqliteStore(path);
  await livedIn(before, keyring);
  before.close();
  copyFileSync(path, copy);
  const store = closing(t, new SqliteStore(path));
  const vault = new Vault({ keyring, store });
  await vault.rotate("A", "another", alice);
  await vault.set("NEW", "another", alice);
  const kept = await vault.checkpoint(signed);
  await vault.verifyAudit(against(kept));
  const old = new Vault({ keyring, store: closing(t, new SqliteStore(copy)) });
  const found = await refused("AUDIT_TAMPERED", () => old.verifyAudit(against(kept)));
  assert.match(found.message, /stream vault, event \d+: .*the store was put back to an earlier state/);
});

test("what does not go together is refused", async () => {
  const vault = await livedIn(new MemoryStore());
  const kept = await vault.checkpoint(signed);
  await refused("INVALID_ARGUMENT", () => vault.verifyAudit({ ...alice, checkpoint: kept }));
  await refused("INVALID_ARGUMENT", () => vault.verifyAudit({ ...alice, verifiers: [KEY.verifier()] }));
  await refused("INVALID_ARGUMENT", () => vault.verifyAudit({ ...against(kept), verifiers: ["nobody"] }));
  await refused("INVALID_ARGUMENT", () => vault.checkpoint({ ...alice, signingKey: KEY.dangerousExport() }));
  await refused("INVALID_ARGUMENT", () => vault.checkpoint(alice));
});

test("a signing key shows itself to nobody who does not ask", () => {
  const text = KEY.dangerousExport();
  assert.match(text, /^srs1\.[A-Za-z0-9_-]{48}$/);
  for (const shown of [`${KEY}`, inspect(KEY), JSON.stringify(KEY)])
    assert.ok(shown.includes("SigningKey(example.com/vault)") && !shown.includes(text.slice(5)));
  assert.equal(SigningKey.parse(`${text}\n`, { name: KEY.name }).verifier(), KEY.verifier());
  assert.ok(KEY.verifier().startsWith("example.com/vault+"));
});

test("the signing key of a process", async (t) => {
  const text = KEY.dangerousExport();
  const file = join(scratch(t), "key");
  writeFileSync(file, `${text}\n`);
  const of = (env) => SigningKey.fromEnv({ env, name: KEY.name });
  for (const env of [{ STRONGROOM_SIGNING_KEY: text }, { STRONGROOM_SIGNING_KEY_FILE: file }])
    assert.equal(of(env).verifier(), KEY.verifier());
  await refused("NOT_CONFIGURED", () => of({}));
  await refused("NOT_CONFIGURED", () => of({ STRONGROOM_SIGNING_KEY_FILE: `${file}.not` }));
  await refused("INVALID_ARGUMENT", () =>
    of({ STRONGROOM_SIGNING_KEY: text, STRONGROOM_SIGNING_KEY_FILE: file }),
  );
  const error = await refused("KEY_INVALID", () => of({ STRONGROOM_SIGNING_KEY: text.slice(1) }));
  assert.ok(!error.message.includes(text.slice(1)));
  await refused("NAME_INVALID", () => SigningKey.generate({ name: "two words" }));
  await refused("INVALID_ARGUMENT", () => SigningKey.generate({ nam: "x" }));
});
