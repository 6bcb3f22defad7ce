/** Export and import as age files, with Debian's `age` on the other side. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Keyring, MemoryStore, Secret, Vault } from "../lib/node/ts/index.js";

const CANARY = "canary-7f3a9c51e2-plaintext";
const passphrase = "correct horse battery staple";
const folder = mkdtempSync(join(tmpdir(), "strongroom-archives-"));
const keyFile = join(folder, "key.txt");
let recipients;
let identities;

before(() => {
  execFileSync("age-keygen", ["-o", keyFile], { stdio: "ignore" });
  recipients = [execFileSync("age-keygen", ["-y", keyFile], { encoding: "utf8" }).trim()];
  identities = [readFileSync(keyFile, "utf8")];
});
after(() => rmSync(folder, { recursive: true }));

const open = (options = {}) =>
  new Vault({ keyring: Keyring.generate(), store: new MemoryStore(), ...options });

async function filled(options) {
  const vault = open(options);
  await vault.set("A", "a one", { actor: "alice", sensitivity: "critical", notify: ["ops"] });
  await vault.rotate("A", CANARY, { actor: "alice", graceMillis: 1e9 });
  await vault.set("B", new Uint8Array([0, 255]), { actor: "alice", namespace: "app" });
  return vault;
}

const age = (args, input) => execFileSync("age", args, { input, stdio: ["pipe", "pipe", "ignore"] });

/** An archive with another header or other lines, in order again. */
function altered(archive, alter) {
  const text = archive.toString("utf8");
  const end = text.indexOf("\n");
  const [header, lines] = [
    JSON.parse(text.slice(0, end)),
    text
      .slice(end + 1)
      .trimEnd()
      .split("\n"),
  ];
  alter(header, lines);
  const body = lines.map((line) => `${line}\n`).join("");
  header.bytes = Buffer.byteLength(body);
  header.digest = createHash("sha256").update(body).digest("hex");
  return Buffer.from(`${JSON.stringify(header)}\n${body}`);
}

test("a vault goes to another one with values, versions, settings and history", async () => {
  const [source, target] = [await filled(), open()];
  const data = await source.export({ actor: "alice", recipients });
  assert.ok(data instanceof Uint8Array);
  const dry = await target.import(data, { actor: "bob", identities, dryRun: true });
  assert.deepEqual([dry.dryRun, (await target.list({ actor: "bob" })).length], [true, 0]);
  const report = await target.import(data, { actor: "bob", identities });
  assert.deepEqual(
    report.secrets.map(({ namespace, name, outcome, version, code }) => [
      namespace,
      name,
      outcome,
      version,
      code,
    ]),
    [
      ["app", "B", "created", 1, undefined],
      ["default", "A", "created", 2, undefined],
    ],
  );
  assert.ok(report.exportedAt instanceof Date && report.events === 5, `${report.events}`);
  assert.equal((await target.get("A", { actor: "bob" })).reveal(), CANARY);
  assert.equal((await target.verify("A", "a one", { actor: "bob" })).matches, "previous");
  const told = async (vault) =>
    (await vault.versions("A", { actor: "x" })).map(({ fingerprint: _, ...version }) => version);
  assert.deepEqual(await told(target), await told(source));
  const actions = (await target.audit({ name: "A", actor: "bob" })).map(
    ({ action, actor }) => `${actor} ${action}`,
  );
  assert.deepEqual(actions.slice(-5), [
    "bob set",
    "bob import_history",
    "alice export",
    "alice rotate",
    "alice set",
  ]);
  await target.verifyAudit({ actor: "bob" });
});

test("conflicts fail, are skipped or replaced", async () => {
  const [source, target] = [await filled(), open()];
  const data = await source.export({ actor: "alice", recipients, names: ["A"], history: false });
  await target.set("A", "mine", { actor: "bob" });
  await assert.rejects(target.import(data, { actor: "bob", identities }), { code: "SECRET_EXISTS" });
  const [refused] = (await target.import(data, { actor: "bob", identities, dryRun: true })).secrets;
  assert.deepEqual([refused.outcome, refused.code, refused.version], ["refused", "SECRET_EXISTS", undefined]);
  for (const [onConflict, outcome] of [
    ["skip", "skipped"],
    ["replace", "replaced"],
    ["replace", "unchanged"],
  ]) {
    const { secrets } = await target.import(data, { actor: "bob", identities, onConflict });
    assert.equal(secrets[0].outcome, outcome);
  }
});

test("the stock age opens what is exported, and what it made is imported", async () => {
  const source = await filled();
  for (const armor of [false, true]) {
    const file = join(folder, "backup.age");
    writeFileSync(file, await source.export({ actor: "alice", recipients, armor }));
    const archive = age(["-d", "-i", keyFile, file]);
    const { format, secrets } = JSON.parse(archive.toString("utf8").split("\n")[0]);
    assert.deepEqual([format, secrets], ["strongroom/archive/v1", 2]);
    assert.ok(archive.includes(Buffer.from(CANARY).toString("base64")));
    const target = open();
    const made = age([...(armor ? ["-a"] : []), "-r", recipients[0]], archive);
    await target.import(armor ? made.toString("utf8") : made, { actor: "bob", identities });
    assert.equal((await target.get("A", { actor: "bob" })).reveal(), CANARY);
  }
});

test("a passphrase opens its file, another one does not, and the event loop goes on meanwhile", async () => {
  const [source, target] = [await filled(), open()];
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const data = await source.export({ actor: "alice", passphrase: Secret.of(passphrase), names: ["A"] });
  clearInterval(timer);
  assert.ok(ticks > 5, `${ticks}`);
  const wrong = target.import(data, { actor: "bob", passphrase: `${passphrase} ` });
  await assert.rejects(wrong, { code: "BACKUP_INVALID", message: /passphrase is wrong/ });
  assert.equal((await target.import(data, { actor: "bob", passphrase })).secrets.length, 1);
});

test("what is cut, altered, hostile or no archive at all is refused whole", async () => {
  const [source, target] = [await filled(), open()];
  await target.set("MINE", "mine", { actor: "bob" });
  const data = await source.export({ actor: "alice", recipients });
  const refuses = async (file, code, message) => {
    await assert.rejects(target.import(file, { actor: "bob", identities }), (error) => {
      assert.ok(error.code === code && message.test(error.message), `${error.code}: ${error.message}`);
      return !error.stack.includes(CANARY);
    });
    assert.deepEqual(
      (await target.list({ actor: "bob" })).map(({ name }) => name),
      ["MINE"],
    );
  };
  for (const length of [0, 10, 150, 300, 70_000, data.length - 1])
    await refuses(data.subarray(0, length), "BACKUP_INVALID", /./);
  for (const place of [0, 30, 200, 400, 70_000]) {
    const flipped = Uint8Array.from(data);
    flipped[place] ^= 2;
    await refuses(flipped, "BACKUP_INVALID", /./);
  }
  await refuses("a photo", "BACKUP_INVALID", /no age file/);
  const archive = age(["-d", "-i", keyFile], data);
  const sealed = (alter) => age(["-r", recipients[0]], altered(archive, alter));
  const named = (name) =>
    sealed((_, lines) => {
      lines[0] = JSON.stringify({ ...JSON.parse(lines[0]), name });
    });
  await refuses(named("../../etc/passwd"), "NAME_INVALID", /\[0\]/);
  await refuses(named("two words"), "NAME_INVALID", /\[0\]/);
  const million = sealed((header) => {
    header.secrets = 1_000_000;
  });
  await refuses(million, "LIMIT_EXCEEDED", /1000000/);
  const swapped = sealed((_, lines) => {
    [lines[2], lines[3]] = [lines[3], lines[2]];
  });
  await refuses(swapped, "BACKUP_INVALID", /history/);
  await target.verifyAudit({ actor: "bob" });
});

test("who may not export or write every name is refused", async () => {
  const policy = { rules: [{ id: "writes", users: ["alice"], actions: ["read", "write"] }] };
  const vault = await filled({ policy });
  await assert.rejects(vault.export({ actor: "alice", recipients }), { code: "PERMISSION_DENIED" });
  const data = await (await filled()).export({ actor: "alice", recipients });
  await assert.rejects(vault.import(data, { actor: "bob", identities }), { code: "PERMISSION_DENIED" });
});

test("what is given is checked and never repeated", async () => {
  const vault = await filled();
  const [no, both] = [{ actor: "alice" }, { actor: "alice", passphrase, recipients }];
  for (const [call, code] of [
    [() => vault.export(no), "INVALID_ARGUMENT"],
    [() => vault.export(both), "INVALID_ARGUMENT"],
    [() => vault.export({ actor: "alice", recipients: [] }), "INVALID_ARGUMENT"],
    [() => vault.export({ actor: "alice", recipients: [CANARY] }), "INVALID_ARGUMENT"],
    [() => vault.export({ actor: "alice", recipients: CANARY }), "INVALID_ARGUMENT"],
    [() => vault.export({ actor: "alice", passphrase: CANARY.slice(0, 7) }), "VALUE_INVALID"],
    [() => vault.export({ actor: "alice", recipients, armour: true }), "INVALID_ARGUMENT"],
    [() => vault.import("x", no), "INVALID_ARGUMENT"],
    [() => vault.import("x", { actor: "alice", passphrase, identities }), "INVALID_ARGUMENT"],
    [() => vault.import("x", { actor: "alice", identities: CANARY }), "INVALID_ARGUMENT"],
    [() => vault.import("x", { actor: "alice", identities: [CANARY] }), "INVALID_ARGUMENT"],
    [() => vault.import(7, { actor: "alice", passphrase }), "INVALID_ARGUMENT"],
  ])
    await assert.rejects(call(), (error) => error.code === code && !error.stack.includes(CANARY));
});
