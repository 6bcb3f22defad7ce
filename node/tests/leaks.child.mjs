/**
 * Drives a canary through every operation of the Node package, refusals and failures included, and shows whoever is
 * listening every object that comes of it: on stdout, on stderr, in traces and in inspections. Arguments: a folder, the
 * canary as base64, the key as base64; and, to prove the scanner, in which encoding to plant a leak.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { format, inspect } from "node:util";
import Database from "better-sqlite3";
import * as strongroom from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { planted } from "./canary.mjs";

const [folder, canaryText, keyText, plant] = process.argv.slice(2);
const canary = Buffer.from(canaryText, "base64");
const value = canary.toString();
const { Keyring, MemoryStore, mask, Secret, Vault } = strongroom;
let shown = 0;

/** Everything that programs do with an object without asking for its value. */
function show(what, thing) {
  shown += 1;
  console.log(what, thing);
  console.error(
    `${what}`,
    inspect(thing, { depth: 20, showHidden: true, getters: true, customInspect: false }),
  );
  console.dir(thing, { depth: 20, showHidden: true });
  console.log(format("%s %o %O %j", thing, thing, thing, jsonSafe(thing)), String(thing?.toString?.()));
  console.table?.([thing]);
  for (const key of Reflect.ownKeys(Object(thing))) console.log(inspect(thing[key], { depth: 5 }));
  if (thing instanceof Error) console.error(thing.stack, thing.message, thing.cause);
}

function jsonSafe(thing) {
  try {
    return JSON.parse(JSON.stringify(thing) ?? "null");
  } catch (error) {
    return String(error);
  }
}

async function attempt(what, run) {
  try {
    show(what, await run());
  } catch (error) {
    show(`${what} failed`, error);
  }
}

const keyring = Keyring.fromEnv({ ENCRYPTION_KEY: keyText });
const alice = { actor: { id: "alice", platform: "test" } };
const senior = { actor: { id: "alice", roles: ["senior-engineer"] } };
show("keyring", keyring);
show("keys", keyring.keys);
show("module", strongroom);

/** A store that lets everybody see what it is asked and what it answers, as a store with a debug log does. */
function logged(store) {
  const log =
    (method) =>
    async (...args) => {
      const answer = await store[method](...args);
      console.error(
        method,
        inspect(args, { depth: 20, maxStringLength: null }),
        inspect(answer, { depth: 20, maxStringLength: null }),
      );
      return answer;
    };
  return { load: log("load"), list: log("list"), commit: log("commit"), events: log("events") };
}

for (const [name, store] of [
  ["memory", new MemoryStore()],
  ["sqlite", new SqliteStore(join(folder, "vault.db"))],
  ["better", new SqliteStore(new Database(join(folder, "better.db")))],
  ["adopted", new SqliteStore(join(folder, "old.db"))],
]) {
  const vault = new Vault({ keyring, store: logged(store), actors: ["alice"], confirm: ["delete"] });
  show(name, vault);
  show(name, store);
  const run = (what, body) => attempt(`${name}: ${what}`, () => body(vault));
  await run("set", (v) => v.set("A", value, alice));
  await run("set bytes", (v) => v.set("B", canary, alice));
  await run("set a secret", (v) => v.set("C", Secret.of(value), alice));
  await run("get", (v) => v.get("A", alice));
  await run("reveal nothing", async (v) => (await v.get("A", alice)).details);
  await run("rotate", (v) => v.rotate("A", `${value}!`, alice));
  await run("set with rules", (v) =>
    v.set("RULED", value, {
      ...alice,
      sensitivity: "critical",
      notify: ["ops"],
      generator: "hex",
      expiresInMillis: 600_000,
    }),
  );
  await run("rotate with a grace", (v) => v.rotate("RULED", `${value}@`, { ...alice, graceMillis: 600_000 }));
  await run("rotate by the generator", (v) => v.rotate("RULED", { ...alice, graceMillis: 600_000 }));
  for (const presented of [value, `${value}@`, canary, Secret.of(value), `${value}#`])
    await run("verify", (v) => v.verify("RULED", presented, alice));
  await run("versions", (v) => v.versions("RULED", alice));
  await run("rollback", (v) => v.rollback("RULED", 1, alice));
  await run("rollback to nowhere", (v) => v.rollback("RULED", 99, alice));
  await run("revoke previous", (v) => v.revokePrevious("RULED", alice));
  await run("disable", (v) => v.disable("RULED", alice));
  await run("get a disabled one", (v) => v.get("RULED", alice));
  await run("verify a disabled one", (v) => v.verify("RULED", value, alice));
  await run("enable", (v) => v.enable("RULED", alice));
  await run("grant", (v) => v.grant("RULED", { to: { user: "bob" }, actions: ["read"] }, alice));
  await run("grants", (v) => v.grants("RULED", alice));
  await run("revoke", (v) => v.revoke("RULED", value, alice));
  await run("policy", (v) => v.policy(alice));
  const recipients = ["age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"];
  await run("export", (v) => v.export({ ...alice, recipients }));
  await run("import of a value", (v) => v.import(canary, { ...alice, passphrase: value }));
  await run("export for a value", (v) => v.export({ ...alice, recipients: [value] }));
  await run("rotation status", (v) => v.rotationStatus(alice));
  await run("expire", (v) => v.expire("RULED", { ...alice, expiresInMillis: 1 }));
  await new Promise((resolve) => setTimeout(resolve, 5));
  await run("get an expired one", (v) => v.get("RULED", alice));
  await run("purge", (v) => v.purge(alice));
  for (let index = 0; index < 11; index += 1)
    await run("rotate", (v) => v.rotate("B", `${value}${index}`, alice));
  await run("exists", (v) => v.exists("A", alice));
  await run("list", (v) => v.list(alice));
  const proposed = await vault.propose("set", "A", `${value}?`, alice);
  show("proposed", proposed);
  await run("confirm by another", (v) => v.confirm(proposed.id, { actor: "mallory" }));
  await run("confirm elsewhere", (v) => v.confirm(proposed.id, { actor: "alice" }));
  await run("confirm", (v) => v.confirm(proposed.id, alice));
  await run("confirm again", (v) => v.confirm(proposed.id, alice));
  const cancelled = await vault.propose("rotate", "A", `${value}.`, alice);
  await run("cancel", (v) => v.cancel(cancelled.id, alice));
  const waiting = await vault.propose("rotate", "C", `${value},`, alice);
  show("waiting", waiting);
  for (const text of [
    `secret set D ${value}`,
    "secret get D",
    `secret rotate D ${value}`,
    `secret get A ${value}`,
    `secret put A ${value}`,
    `secret confirm ${value}`,
    `secret ${value}`,
    value,
    "secret list",
    "secret audit A",
    "secret delete D",
  ]) {
    await run("command", (v) => v.command(text, alice));
  }
  // A value where a name, an actor, an id or an option belongs. A store that is asked for a name sees it: no log here.
  const quiet = new Vault({ keyring, store, actors: ["alice"] });
  const pasted = ` ${value}`;
  await attempt("pasted as a name", () => quiet.get(pasted, alice));
  await attempt("pasted as a name", () => quiet.set(pasted, "x", alice));
  await attempt("pasted as a namespace", () => quiet.get("A", { ...alice, namespace: pasted }));
  for (const text of ["set NAME x", "rotate NAME x", "get NAME", "audit NAME", "delete NAME"]) {
    await attempt("pasted as a name", () => quiet.command(`secret ${text.replace("NAME", value)}`, alice));
  }
  await run("pasted as an actor", (v) => v.get("A", { actor: `${value}\n` }));
  await run("pasted as an id", (v) => v.confirm(value, alice));
  await run("pasted as a change", (v) => v.propose(value, "A", "x", alice));
  await run("pasted as a limit", (v) => v.audit({ ...alice, limit: value }));
  await run("pasted as a generator", (v) => v.set("A", { generate: value }, alice));
  await run("pasted beside a generator", (v) => v.set("A", { generate: "hex", value }, alice));
  await run("pasted as options of rules", (v) =>
    v.set("A", "x", { ...alice, sensitivity: value, notify: value }),
  );
  await run("pasted as a version", (v) => v.rollback("A", value, alice));
  await run("pasted as a policy", (v) => v.setPolicy(value, alice));
  await run("pasted as a rule", (v) => v.setPolicy({ rules: [{ id: value, roles: value }] }, alice));
  await run("pasted as a grantee", (v) => v.grant("A", { to: value, actions: [value] }, alice));
  await run("pasted as a grant", (v) => v.revoke("A", value, alice));
  await run("pasted as a key", (v) => v.retire(value, alice));
  await run("pasted as an instant", (v) => v.expire("A", { ...alice, expiresAt: value }));
  await run("an object", (v) => v.set("A", { value }, alice));
  await run("a list", (v) => v.set("A", [value], alice));
  await run("an object as a name", (v) => v.get({ value }, alice));
  await run("no actor", (v) => v.set("A", value, {}));
  await run("too long", (v) => v.set("A", value.repeat(4000), alice));
  await run("refused", (v) => v.set("A", value, { actor: "mallory" }));
  await run("missing", (v) => v.rotate("MISSING", value, alice));
  await run("a session that ended", (v) =>
    v.set("A", value, { actor: { id: "alice", sessionExpiresAt: new Date(0) } }),
  );
  await run("set many", (v) =>
    v.setMany({ M: value, N: { value: Secret.of(value), notify: ["ops"] } }, alice),
  );
  await run("get many", (v) => v.getMany(["M", "N"], alice));
  await run("many that fail", (v) => v.setMany({ M: value, N: "" }, { ...alice, ifExists: "fail" }));
  await run("many of another type", (v) => v.setMany({ M: value, N: [value] }, alice));
  await run("import", (v) => v.importDotenv(`M=${value}\nO='${value}'\n`, { ...alice, namespace: "app" }));
  await run("import what cannot be read", (v) => v.importDotenv(`M='${value}`, alice));
  const asked = strongroom.Manifest.parse(
    "version: 1\nentries: [{name: M, minimum_length: 4096}, {name: N}]",
  );
  await run("check", (v) => v.check(asked, alice));
  await run("a manifest with a value", () =>
    strongroom.Manifest.parse(`version: 1\nentries: [{name: M, default: "${value}"}]`),
  );
  await run("census", (v) => v.census(alice));
  await run("adopt", (v) => v.adopt(alice));
  await run("audit", (v) => v.audit({ ...alice, limit: 1000 }));
  await run("verify", (v) => v.verifyAudit(alice));
  await run("delete", (v) => v.delete("C", alice));
  const broken = (method) => {
    const failing = () => {
      throw new Error("the disk is full");
    };
    return new Vault({ keyring, store: { ...logged(store), [method]: failing } });
  };
  for (const method of ["load", "list", "commit", "events"]) {
    const failing = broken(method);
    await attempt(`${name}: ${method} fails`, () => failing.set("A", value, alice));
    await attempt(`${name}: ${method} fails`, () => failing.get("A", alice));
    await attempt(`${name}: ${method} fails`, () => failing.verifyAudit(alice));
    await attempt(`${name}: ${method} fails`, () => failing.command(`secret set A ${value}`, alice));
  }
  const fresh = `${Keyring.generate().dangerousExport()},${keyring.dangerousExport()}`;
  const moved = new Vault({ keyring: Keyring.parse(fresh), store: logged(store) });
  const oldKey = keyring.keys[0].id;
  await attempt(`${name}: a stale keyring`, () => moved.set("A", value, alice));
  await attempt(`${name}: rekey`, () =>
    moved.rekey({ ...alice, limit: 2, onProgress: (all) => show("rekeyed", all) }),
  );
  await attempt(`${name}: the other one is stale`, () => vault.set("A", value, alice));
  await attempt(`${name}: retire`, () => moved.retire(oldKey, alice));
  await attempt(`${name}: destroy`, () => moved.retire(oldKey, alice));
  await attempt(`${name}: set a policy`, () => moved.setPolicy("default", senior));
  await attempt(`${name}: denied by it`, () => moved.set("A", value, alice));
  const stranger = new Vault({ keyring: Keyring.generate(), store });
  await attempt(`${name}: another key`, () => stranger.get("A", alice));
  await attempt(`${name}: another key`, () => stranger.set("A", value, alice));
}

const secret = Secret.of(value);
show("secret", secret);
show("clone", structuredClone(secret));
show("spread", { ...secret });
for (const style of ["prefix(4)", "prefix(8)", "ends(3)", "full"])
  show("mask", [mask(value, style), secret.masked(style)]);
await attempt("a style", () => mask(value, value));
await attempt("an assertion", () => secret.equals(value));
for (const options of [{}, { associatedData: value }, { format: "node_gcm" }]) {
  const token = keyring.encrypt(value, options);
  show("token", token);
  await attempt("token", () => keyring.inspectToken(token, { associatedData: options.associatedData }));
  await attempt("a cut token", () => keyring.decrypt(token.slice(0, -3)));
  await attempt("another key", () => Keyring.generate().decrypt(token));
}
await attempt("no token", () => keyring.decrypt(value));
await attempt("no token", () => keyring.decryptBytes({ value }));
await attempt("bytes as text", () =>
  keyring.decrypt(keyring.encrypt(Buffer.concat([canary, Buffer.from([0xff])]))),
);
await attempt("a format", () => keyring.encrypt(value, { format: value }));
await attempt("an option", () => keyring.encrypt({ value }));
for (const text of [
  value,
  `${keyText},${keyText}`,
  `${keyText}x`,
  keyText.slice(4),
  Buffer.from(keyText, "base64").toString("hex").slice(1),
  `srk1.${keyText}`,
]) {
  await attempt("a key", () => Keyring.parse(text));
  await attempt("a key", () => Keyring.fromEnv({ ENCRYPTION_KEY: text }));
}
await attempt("a key as bytes", () => Keyring.parse(Buffer.from(keyText, "base64")));
await attempt("keys from both", () =>
  Keyring.fromEnv({ ENCRYPTION_KEY: keyText, ENCRYPTION_KEY_FILE: keyText }),
);
await attempt("a key as a path", () => Keyring.fromEnv({ ENCRYPTION_KEY_FILE: keyText }));
secret.wipe();
await attempt("wiped", () => secret.reveal());

if (plant !== undefined) {
  const { text, place } = planted(plant, canary);
  if (place === "stdout") process.stdout.write(text);
  else if (place === "stderr") process.stderr.write(text);
  else writeFileSync(join(folder, place), text);
}
// Killed, so that the files stay as those of a running program are, the WAL too.
process.stderr.write("", () =>
  process.stdout.write(`shown: ${shown}\n`, () => process.kill(process.pid, "SIGKILL")),
);
