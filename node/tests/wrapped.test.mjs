/** Keyrings that are kept wrapped, by passphrases and by functions of the host's, and the life of their keys. */
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { native } from "../lib/bindings/js/native.js";
import {
  Keyring,
  MemoryStore,
  OpenedKeyring,
  Secret,
  StrongroomError,
  Vault,
  WrappedKeyring,
} from "../lib/node/ts/index.js";
import { scan } from "./canary.mjs";
import { alice, refused } from "./support.mjs";

const cost = { memoryKib: 8192, passes: 1 };
const passphrase = "correct horse battery staple";
const encoded = new TextEncoder().encode(passphrase);

/** What a KMS of the host's might do, in its own time. It keeps what it was given, to be looked at. */
class Kms {
  #key = randomBytes(32);
  seen = [];
  asked = [];

  wrap = async (dataKey) => {
    this.seen.push(dataKey);
    await new Promise(setImmediate);
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    return Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
  };

  unwrap = async (wrapped) => {
    this.asked.push(wrapped);
    await new Promise(setImmediate);
    const decipher = createDecipheriv("aes-256-gcm", this.#key, wrapped.subarray(0, 12));
    decipher.setAuthTag(wrapped.subarray(44));
    return Buffer.concat([decipher.update(wrapped.subarray(12, 44)), decipher.final()]);
  };
}

/** Keys in every state, with labels. */
function ring() {
  const all = Keyring.generate({ label: "2025" })
    .addEnabled({ label: "2026" })
    .addEnabled({ label: "2027" })
    .addEnabled();
  const [old, , primary, last] = all.keys.map((key) => key.id);
  return all
    .makePrimary(primary)
    .advance(old, "disabled")
    .advance(last, "disabled")
    .advance(last, "destroyed");
}

const sealed = (keyring) => WrappedKeyring.seal(keyring, { label: "alice", passphrase, cost });
const told = (keyring) => keyring.keys.map(({ label, state }) => [label, state]);

test("a passphrase opens the keyring with all that is told of its keys", async () => {
  const keyring = ring();
  for (const given of [passphrase, encoded, Secret.of(passphrase)]) {
    const wrapped = await WrappedKeyring.seal(keyring, { label: "alice", passphrase: given, cost });
    assert.match(wrapped.toText(), /^srw1\./);
    const read = WrappedKeyring.parse(` ${wrapped.toText()}\n`);
    assert.equal(read.toText(), wrapped.toText());
    const opened = await read.unwrap({ passphrase: given });
    assert.deepEqual(opened.keys, keyring.keys);
    assert.equal(opened.decrypt(keyring.encrypt("x")), "x");
    if (given instanceof Secret) assert.equal(given.reveal(), passphrase); // It is the caller's own, and stays.
  }
  assert.deepEqual(told(keyring), [
    ["2027", "primary"],
    ["2025", "disabled"],
    ["2026", "enabled"],
    [undefined, "destroyed"],
  ]);
});

test("several wraps stand side by side, and each opens all", async () => {
  const [keyring, kms] = [ring(), new Kms()];
  const opened = await (await sealed(keyring)).open({ passphrase });
  await Promise.all([
    opened.add({ label: "kms", wrap: kms.wrap }),
    opened.add({ label: "bob", passphrase: "b\u00f6b's own", cost: { ...cost, passes: 2, lanes: 3 } }),
  ]);
  opened.close();
  const { wrapped } = opened;
  assert.deepEqual(wrapped.wraps[0], {
    label: "alice",
    kind: "passphrase",
    cost: { memoryKib: 8192, passes: 1, lanes: 1 },
  });
  const others = wrapped.wraps.slice(1).sort((a, b) => a.label.localeCompare(b.label));
  assert.deepEqual(others, [
    { label: "bob", kind: "passphrase", cost: { memoryKib: 8192, passes: 2, lanes: 3 } },
    { label: "kms", kind: "host", cost: undefined },
  ]);
  for (const way of [{ passphrase }, { passphrase: "b\u00f6b's own" }, { unwrap: kms.unwrap }]) {
    assert.deepEqual((await wrapped.unwrap(way)).keys, keyring.keys);
  }
});

test("a changed keyring is sealed again, and every wrap stays good", async () => {
  const [keyring, kms] = [ring(), new Kms()];
  const first = await WrappedKeyring.seal(keyring, { label: "kms", wrap: kms.wrap });
  const opened = await first.open({ unwrap: kms.unwrap });
  await opened.add({ label: "alice", passphrase, cost });
  const changed = opened.keyring.addEnabled({ label: "2028" });
  opened.reseal(changed);
  opened.close();
  for (const way of [{ passphrase }, { unwrap: kms.unwrap }]) {
    assert.deepEqual((await opened.wrapped.unwrap(way)).keys, changed.keys);
  }
  assert.deepEqual((await first.unwrap({ unwrap: kms.unwrap })).keys, keyring.keys);
});

test("a wrap that was removed opens nothing, and the last one stays", async () => {
  const opened = await (await sealed(ring())).open({ passphrase });
  await opened.add({ label: "bob", passphrase: "bob's passphrase", cost });
  opened.remove("alice");
  await refused("INVALID_ARGUMENT", () => opened.remove("alice"));
  await refused("KEY_IN_USE", () => opened.remove("bob"));
  await refused("NOT_AUTHENTIC", () => opened.wrapped.unwrap({ passphrase }));
});

test("once closed, nothing is changed any more", async () => {
  const keyring = ring();
  const opened = await (await sealed(keyring)).open({ passphrase });
  opened[Symbol.dispose]();
  for (const change of [
    () => opened.add({ label: "bob", passphrase, cost }),
    () => opened.add({ label: "kms", wrap: new Kms().wrap }),
    () => opened.remove("alice"),
    () => opened.reseal(keyring),
  ]) {
    assert.match((await refused("INVALID_ARGUMENT", change)).message, /closed/);
  }
  assert.deepEqual(opened.keyring.keys, keyring.keys);
  assert.deepEqual((await opened.wrapped.unwrap({ passphrase })).keys, keyring.keys);
});

test("the data key is wiped wherever it was, when the host has done with it", async () => {
  const [keyring, kms] = [ring(), new Kms()];
  const wrapped = await WrappedKeyring.seal(keyring, { label: "kms", wrap: kms.wrap });
  const fails = async (dataKey) => {
    await kms.wrap(dataKey);
    throw new Error("no answer");
  };
  await refused("STORAGE_FAILED", () => WrappedKeyring.seal(keyring, { label: "kms", wrap: fails }));
  let gave;
  await wrapped.unwrap({ unwrap: async (opaque) => (gave = await kms.unwrap(opaque)) });
  for (const bytes of [...kms.seen, gave]) assert.deepEqual([...bytes], Array(32).fill(0));
  const secret = Secret.of(await kms.unwrap(kms.asked[0]));
  assert.deepEqual((await wrapped.unwrap({ unwrap: () => secret })).keys, keyring.keys);
  assert.equal(secret.revealBytes().length, 32);
});

test("a passphrase that was given as text is wiped when it was tried, whether or not it opens", async (t) => {
  const wrapped = await sealed(ring());
  const handles = [];
  const { makeSecret } = native();
  t.mock.method(native(), "makeSecret", (value) => {
    handles.push(makeSecret(value));
    return handles.at(-1);
  });
  await wrapped.unwrap({ passphrase });
  await refused("NOT_AUTHENTIC", () => wrapped.unwrap({ passphrase: `${passphrase} ` }));
  assert.equal(handles.length, 2);
  for (const handle of handles) assert.throws(() => handle.revealText(), /wiped/);
});

test("of several host wraps the one that opens is found", async () => {
  const [keyring, first, second, other] = [ring(), new Kms(), new Kms(), new Kms()];
  const opened = await (await WrappedKeyring.seal(keyring, { label: "1", wrap: first.wrap })).open({
    unwrap: first.unwrap,
  });
  await opened.add({ label: "2", wrap: second.wrap });
  const { wrapped } = opened;
  assert.deepEqual((await wrapped.unwrap({ unwrap: second.unwrap })).keys, keyring.keys);
  assert.equal(second.asked.length, 2);
  // One that gives some other key for what is not its own.
  const answers = [new Uint8Array(32), await second.unwrap(second.asked[1])];
  assert.deepEqual((await wrapped.unwrap({ unwrap: () => answers.shift() })).keys, keyring.keys);
  const error = await refused("STORAGE_FAILED", () => wrapped.unwrap({ unwrap: other.unwrap }));
  assert.equal(other.asked.length, 2);
  assert.match(error.cause.message, /authenticate/);
});

test("what a function of the host throws is the cause, whatever it is", async () => {
  const wrapped = await WrappedKeyring.seal(ring(), { label: "kms", wrap: new Kms().wrap });
  for (const fault of [new TypeError("the KMS is away"), "away", undefined]) {
    for (const away of [() => Promise.reject(fault), () => thrown(fault)]) {
      for (const call of [
        () => wrapped.unwrap({ unwrap: away }),
        () => WrappedKeyring.seal(ring(), { label: "kms", wrap: away }),
      ]) {
        const error = await refused("STORAGE_FAILED", call);
        assert.equal(error.cause, fault);
        assert.equal(error.retryable, true);
      }
    }
  }
});

test("what a function of the host gives must be of use", async () => {
  const wrapped = await WrappedKeyring.seal(ring(), { label: "kms", wrap: new Kms().wrap });
  for (const [wrap, code] of [
    [() => "text", "INVALID_ARGUMENT"],
    [() => undefined, "INVALID_ARGUMENT"],
    [() => new Uint8Array(0), "LIMIT_EXCEEDED"],
    [() => new Uint8Array(8193), "LIMIT_EXCEEDED"],
    [(dataKey) => dataKey, "INVALID_ARGUMENT"],
    [async (dataKey) => Buffer.concat([Buffer.from("prefix"), dataKey]), "INVALID_ARGUMENT"],
  ]) {
    await refused(code, () => WrappedKeyring.seal(ring(), { label: "kms", wrap }));
  }
  for (const [unwrap, code] of [
    [() => "x".repeat(32), "INVALID_ARGUMENT"],
    [() => null, "INVALID_ARGUMENT"],
    [() => new Uint8Array(0), "NOT_AUTHENTIC"],
    [async () => new Uint8Array(32), "NOT_AUTHENTIC"],
  ]) {
    await refused(code, () => wrapped.unwrap({ unwrap }));
  }
});

test("a wrong passphrase is told from a text that was altered, and from a wrap of another kind", async () => {
  const [byPhrase, byHost] = [
    await sealed(ring()),
    await WrappedKeyring.seal(ring(), { label: "kms", wrap: new Kms().wrap }),
  ];
  for (const wrong of ["", passphrase.slice(1), `${passphrase} `, new Uint8Array([0xff])]) {
    await refused("NOT_AUTHENTIC", () => byPhrase.unwrap({ passphrase: wrong }));
  }
  const text = byPhrase.toText();
  for (const altered of ["", "srw1.", text.slice(0, -1), text.replace("srw1", "srw2"), `${text}A`]) {
    await refused("KEY_INVALID", () => WrappedKeyring.parse(altered));
  }
  await refused("UNSUPPORTED", () => byHost.unwrap({ passphrase }));
  await refused("UNSUPPORTED", () => byPhrase.unwrap({ unwrap: (bytes) => bytes }));
});

test("arguments that make no sense are refused", async () => {
  const keyring = ring();
  const wrapped = await sealed(keyring);
  const seal = (options) => () => WrappedKeyring.seal(keyring, options);
  const wrap = new Kms().wrap;
  for (const [code, call] of [
    ["INVALID_ARGUMENT", seal({ label: "a" })],
    ["INVALID_ARGUMENT", seal({ label: "a", passphrase, wrap })],
    ["INVALID_ARGUMENT", seal({ label: "a", wrap, cost })],
    ["INVALID_ARGUMENT", seal({ label: "a", wrap: "kms" })],
    ["INVALID_ARGUMENT", seal({ label: "a", passphrase: 12345678 })],
    ["INVALID_ARGUMENT", seal({ passphrase, cost })],
    ["INVALID_ARGUMENT", seal({ label: "a", passphrase, costs: cost })],
    ["INVALID_ARGUMENT", seal({ label: "a", passphrase, cost: { memory: 8192 } })],
    ["INVALID_ARGUMENT", seal({ label: "a", passphrase, cost: { memoryKib: 8192.5 } })],
    ["INVALID_ARGUMENT", seal({ label: "a", passphrase, cost: { memoryKib: 2 ** 32 + 8192 } })],
    ["INVALID_ARGUMENT", () => WrappedKeyring.seal("srk1.x", { label: "a", passphrase, cost })],
    ["INVALID_ARGUMENT", () => wrapped.unwrap({})],
    ["INVALID_ARGUMENT", () => wrapped.unwrap({ passphrase, unwrap: wrap })],
    ["INVALID_ARGUMENT", () => wrapped.unwrap(passphrase)],
    ["INVALID_ARGUMENT", () => WrappedKeyring.parse(7)],
    ["LIMIT_EXCEEDED", seal({ label: "a", passphrase, cost: { memoryKib: 8191 } })],
    ["LIMIT_EXCEEDED", seal({ label: "a", passphrase, cost: { passes: 17 } })],
    ["NAME_INVALID", seal({ label: "", passphrase, cost })],
    ["VALUE_INVALID", seal({ label: "a", passphrase: "hunter2", cost })],
    ["VALUE_INVALID", seal({ label: "a", passphrase: new Uint8Array(9).fill(0xff), cost })],
  ]) {
    await refused(code, call);
  }
});

test("the event loop goes on while a passphrase is tried", async () => {
  const wrapped = await WrappedKeyring.seal(ring(), { label: "alice", passphrase });
  assert.deepEqual(wrapped.wraps[0].cost, { memoryKib: 65536, passes: 3, lanes: 1 });
  let [ticks, gap, last] = [0, 0, performance.now()];
  const timer = setInterval(() => {
    ticks += 1;
    gap = Math.max(gap, performance.now() - last);
    last = performance.now();
  }, 1);
  const started = performance.now();
  await wrapped.unwrap({ passphrase });
  const took = performance.now() - started;
  clearInterval(timer);
  assert.ok(ticks > 5 && gap < took / 2, `${ticks} ticks, ${gap} ms of ${took} ms at most between two`);
});

test("neither a passphrase nor the data key is told", async () => {
  const phrase = randomBytes(24).toString("hex");
  const kms = new Kms();
  const dataKeys = [];
  const wrap = (dataKey) => {
    dataKeys.push(Buffer.from(dataKey));
    return kms.wrap(dataKey);
  };
  const byHost = await WrappedKeyring.seal(ring(), { label: "kms", wrap });
  const wrapped = await WrappedKeyring.seal(ring(), { label: "alice", passphrase: phrase, cost });
  const opened = await wrapped.open({ passphrase: phrase });
  const [dataKey] = dataKeys;
  let shown = "";
  for (const each of [wrapped, opened, byHost, opened.keyring, wrapped.wraps]) {
    shown += `${each} ${inspect(each, { showHidden: true, depth: 9 })} ${JSON.stringify(each)}\n`;
  }
  for (const call of [
    () => wrapped.unwrap({ passphrase: `${phrase}x` }),
    () => wrapped.unwrap({ passphrase: phrase, unwrap: wrap }),
    () => byHost.unwrap({ passphrase: phrase }),
    () => opened.add({ label: "alice", passphrase: phrase, cost }),
    () => opened.add({ label: "bob", passphrase: phrase.repeat(100), cost }),
    () => opened.add({ label: "bob", passphrase: phrase, cost: { memoryKib: 1 } }),
    () => opened.add({ label: "kms", wrap: (key) => key }),
    () => opened.add({ label: "kms", wrap: (key) => Buffer.from(key).toString("hex") }),
    () => byHost.unwrap({ unwrap: () => dataKey.toString("hex") }),
    () => byHost.unwrap({ unwrap: () => Buffer.from(dataKey.subarray(1)) }),
    () => wrapped.unwrap({ unwrap: () => Buffer.from(dataKey) }),
    () => WrappedKeyring.parse(phrase),
    () => Keyring.generate().addEnabled({ key: phrase }),
  ]) {
    const error = await failureOf(call);
    shown += `${error} ${error.stack} ${inspect(error, { showHidden: true, depth: 9 })} ${JSON.stringify(error)}\n`;
  }
  for (const secret of [phrase.slice(8, 30), dataKey, dataKey.toString("hex")]) {
    assert.deepEqual(scan(Buffer.from(shown), secret), []);
    assert.notDeepEqual(scan(Buffer.concat([Buffer.from(shown), Buffer.from(secret)]), secret), []);
  }
});

test("a change of keys gives a new keyring and leaves the old one as it was", async () => {
  const first = Keyring.generate({ label: "2026" });
  const step1 = first.addEnabled({ label: "2027" });
  const [old, next] = step1.keys.map((key) => key.id);
  const step2 = step1.makePrimary(next);
  assert.deepEqual(told(first), [["2026", "primary"]]);
  assert.deepEqual(told(step1), [
    ["2026", "primary"],
    ["2027", "enabled"],
  ]);
  assert.deepEqual(told(step2), [
    ["2027", "primary"],
    ["2026", "enabled"],
  ]);
  const [before, after] = [first.encrypt("x"), step2.encrypt("y")];
  assert.deepEqual([step1.decrypt(before), step1.decrypt(after)], ["x", "y"]);
  await refused("KEY_UNKNOWN", () => first.decrypt(after));
  const disabled = step2.advance(old, "disabled");
  await refused("KEY_UNKNOWN", () => disabled.decrypt(before));
  assert.deepEqual(told(disabled.advance(old, "destroyed").relabel(next, undefined)), [
    [undefined, "primary"],
    ["2026", "destroyed"],
  ]);
  const other = Keyring.generate();
  const [, added] = first.addEnabled({ key: other.dangerousExport(), label: "theirs" }).keys;
  assert.deepEqual(added, { id: other.keys[0].id, label: "theirs", createdAt: undefined, state: "enabled" });
});

test("steps that no key may take are refused", async () => {
  const keyring = Keyring.generate().addEnabled({ label: "new" });
  const [old, next] = keyring.keys.map((key) => key.id);
  const disabled = keyring.advance(next, "disabled");
  for (const [code, call] of [
    ["KEY_IN_USE", () => keyring.advance(old, "disabled")],
    ["INVALID_ARGUMENT", () => keyring.advance(next, "destroyed")],
    ["INVALID_ARGUMENT", () => disabled.advance(next, "enabled")],
    ["INVALID_ARGUMENT", () => disabled.makePrimary(next)],
    ["INVALID_ARGUMENT", () => keyring.advance(next, "gone")],
    ["INVALID_ARGUMENT", () => keyring.makePrimary(next.slice(0, 8))],
    ["INVALID_ARGUMENT", () => keyring.makePrimary()],
    ["INVALID_ARGUMENT", () => keyring.addEnabled({ labels: "x" })],
    ["KEY_UNKNOWN", () => keyring.makePrimary("0".repeat(64))],
    ["KEY_UNKNOWN", () => keyring.relabel("0".repeat(64), "x")],
    ["NAME_INVALID", () => keyring.relabel(next, "\n")],
    ["NAME_INVALID", () => Keyring.generate({ label: "x".repeat(129) })],
    ["KEY_INVALID", () => keyring.addEnabled({ key: keyring.dangerousExport() })],
  ]) {
    await refused(code, call);
  }
});

test("a vault keeps the keyring that it was opened with, and takes one that was unwrapped", async () => {
  const [keyring, store] = [Keyring.generate(), new MemoryStore()];
  const vault = new Vault({ keyring, store });
  await vault.set("A", "x", alice);
  const step1 = keyring.addEnabled({ label: "new" });
  step1.makePrimary(step1.keys[1].id);
  await vault.set("A", "y", alice);
  const again = await (await sealed(step1)).unwrap({ passphrase });
  assert.equal((await new Vault({ keyring: again, store }).get("A", alice)).reveal(), "y");
  assert.equal(typeof OpenedKeyring, "function");
});

async function failureOf(call) {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof StrongroomError, inspect(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

function thrown(fault) {
  throw fault;
}
