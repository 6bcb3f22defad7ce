/** Wrapped keyrings in a browser: by passphrases, in a page and in a worker, and by a key that WebCrypto does not give out. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { Keyring, WrappedKeyring } from "../../node/lib/node/ts/index.js";
import { openPage, serve } from "./serve.mjs";

const passphrase = `gr\u00fc\u00df ${randomBytes(18).toString("base64url")}`;
const cost = { memoryKib: 8192, passes: 1 };
let server;
let chromium;

before(async () => {
  server = await serve(resolve(import.meta.dirname, "../.."));
  chromium = await openPage(server.origin, "/tests/browser/page.html");
  await chromium.page.evaluate(() => window.strongroom.init());
});

after(async () => {
  await chromium?.close();
  server?.close();
});

const inPage = (run, more) => chromium.page.evaluate(run, { passphrase, cost, ...more });

test("the page opens what Node wrapped, changes it, and Node opens that", async () => {
  const keyring = Keyring.generate({ label: "2026" });
  const text = (await WrappedKeyring.seal(keyring, { label: "node", passphrase })).toText();
  const token = keyring.encrypt("hello");
  const told = await inPage(
    async ({ passphrase, cost, text, token }) => {
      const opened = await window.strongroom.WrappedKeyring.parse(text).open({ passphrase });
      const read = opened.keyring.decrypt(token);
      const next = opened.keyring.addEnabled({ label: "2027" });
      opened.reseal(next.makePrimary(next.keys[1].id));
      await opened.add({ label: "page", passphrase: `${passphrase} of the page`, cost });
      opened.close();
      const refused = await opened.add({ label: "late", passphrase, cost }).catch((error) => error.code);
      return { read, refused, text: opened.wrapped.toText(), wraps: opened.wrapped.wraps };
    },
    { text, token },
  );
  assert.deepEqual([told.read, told.refused], ["hello", "INVALID_ARGUMENT"]);
  assert.deepEqual(told.wraps, [
    { label: "node", kind: "passphrase", cost: { memoryKib: 65536, passes: 3, lanes: 1 } },
    { label: "page", kind: "passphrase", cost: { memoryKib: 8192, passes: 1, lanes: 1 } },
  ]);
  for (const phrase of [passphrase, `${passphrase} of the page`]) {
    const opened = await WrappedKeyring.parse(told.text).unwrap({ passphrase: phrase });
    assert.deepEqual(
      opened.keys.map(({ label, state }) => [label, state]),
      [
        ["2027", "primary"],
        ["2026", "enabled"],
      ],
    );
    assert.equal(opened.decrypt(token), "hello");
  }
});

test("a key that WebCrypto does not give out wraps the keyring", async () => {
  const told = await inPage(async ({ passphrase, cost }) => {
    const { Keyring, WrappedKeyring } = window.strongroom;
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]);
    let handed;
    const wrap = async (dataKey) => {
      handed = dataKey;
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, dataKey));
      return new Uint8Array([...iv, ...sealed]);
    };
    const unwrap = async (opaque) => {
      const given = { name: "AES-GCM", iv: opaque.slice(0, 12) };
      return new Uint8Array(await crypto.subtle.decrypt(given, key, opaque.slice(12)));
    };
    const keyring = Keyring.generate();
    const wrapped = await WrappedKeyring.seal(keyring, { label: "page", wrap });
    const opened = await wrapped.open({ unwrap });
    await opened.add({ label: "paper", passphrase, cost });
    opened.close();
    const again = WrappedKeyring.parse(opened.wrapped.toText());
    const sealed = keyring.encrypt("hello");
    const failed = await again.unwrap({ unwrap: () => crypto.subtle.exportKey("raw", key) }).catch((e) => e);
    return {
      text: opened.wrapped.toText(),
      sealed,
      read: (await again.unwrap({ unwrap })).decrypt(sealed),
      wiped: handed.length === 32 && handed.every((byte) => byte === 0),
      failed: [failed.code, failed.cause?.name],
      shown: `${opened} ${JSON.stringify(wrapped)}`,
    };
  });
  assert.deepEqual([told.read, told.wiped], ["hello", true]);
  assert.deepEqual(told.failed, ["STORAGE_FAILED", "InvalidAccessError"]);
  assert.equal(told.shown, 'OpenedKeyring(page: host, paper: passphrase) "WrappedKeyring(page: host)"');
  const opened = await WrappedKeyring.parse(told.text).unwrap({ passphrase });
  assert.equal(opened.decrypt(told.sealed), "hello");
});

test("in a worker a passphrase is tried while the page goes on", async () => {
  const keyring = Keyring.generate();
  const text = (await WrappedKeyring.seal(keyring, { label: "node", passphrase })).toText();
  const { read, gap } = await inPage(
    async ({ passphrase, text, token }) => {
      const script = `
        import { init, WrappedKeyring } from "${location.origin}/wasm/lib/wasm/ts/index.js";
        addEventListener("message", async ({ data: { text, passphrase, token } }) => {
          await init();
          const keyring = await WrappedKeyring.parse(text).unwrap({ passphrase });
          postMessage({ read: keyring.decrypt(token) });
        });`;
      const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
      let [last, gap] = [performance.now(), 0];
      const timer = setInterval(() => {
        gap = Math.max(gap, performance.now() - last);
        last = performance.now();
      }, 5);
      const started = performance.now();
      const { read } = await window.answered(new Worker(url, { type: "module" }), {
        passphrase,
        text,
        token,
      });
      clearInterval(timer);
      return { read, gap: gap / (performance.now() - started) };
    },
    { text, token: keyring.encrypt("hello") },
  );
  assert.equal(read, "hello");
  assert.ok(gap < 0.6, `the page stood still for ${Math.round(gap * 100)} % of the time`);
});

test("what is refused carries its code, and nothing of the passphrase", async () => {
  const told = await inPage(async ({ passphrase, cost }) => {
    const { Keyring, WrappedKeyring } = window.strongroom;
    const keyring = Keyring.generate();
    const wrapped = await WrappedKeyring.seal(keyring, { label: "page", passphrase, cost });
    const codes = [];
    for (const call of [
      () => wrapped.unwrap({ passphrase: `${passphrase} ` }),
      () => wrapped.unwrap({ unwrap: (opaque) => opaque }),
      () => wrapped.unwrap({}),
      () => WrappedKeyring.seal(keyring, { label: "", passphrase, cost }),
      () => WrappedKeyring.seal(keyring, { label: "a", passphrase: passphrase.slice(0, 7), cost }),
      () => WrappedKeyring.seal(keyring, { label: "a", passphrase, cost: { memoryKib: 2 ** 40 } }),
      () => WrappedKeyring.seal(keyring, { label: "a", passphrase, cost: { passes: 17 } }),
      () => WrappedKeyring.seal(keyring, { label: "a", wrap: (dataKey) => dataKey }),
      () => WrappedKeyring.parse(passphrase),
      () => keyring.makePrimary(passphrase),
      () => keyring.addEnabled({ key: passphrase }),
    ]) {
      try {
        await call();
        codes.push("nothing was thrown");
      } catch (error) {
        console.error(error, `${error} ${error.stack} ${JSON.stringify(error)}`);
        codes.push(error.code);
      }
    }
    console.log(wrapped, `${wrapped}`, JSON.stringify(wrapped));
    return codes;
  });
  assert.deepEqual(told, [
    "NOT_AUTHENTIC",
    "UNSUPPORTED",
    "INVALID_ARGUMENT",
    "NAME_INVALID",
    "VALUE_INVALID",
    "INVALID_ARGUMENT",
    "LIMIT_EXCEEDED",
    "INVALID_ARGUMENT",
    "KEY_INVALID",
    "INVALID_ARGUMENT",
    "KEY_INVALID",
  ]);
  const seen = [...chromium.printed, ...chromium.requests.map(({ url, body }) => `${url} ${body}`)].join(
    "\n",
  );
  assert.ok(seen.includes("StrongroomError") && seen.includes("page: passphrase"));
  assert.ok(!seen.includes(passphrase.slice(5, 20)));
});
