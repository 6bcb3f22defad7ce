/** The browser package as a page uses it: built, served, and run in headless Chromium. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { Keyring } from "../../node/lib/node/ts/index.js";
import { openPage, serve } from "./serve.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const key = randomBytes(32);
const canary = `canary-${randomBytes(18).toString("base64url")}`;
let server;
let chromium;

before(async () => {
  server = await serve(ROOT);
  chromium = await openPage(server.origin, "/tests/browser/page.html");
});

after(async () => {
  await chromium?.close();
  server?.close();
});

/** Runs a function in the page with the key and the canary. */
const inPage = (run, more) => chromium.page.evaluate(run, { key: key.toString("base64"), canary, ...more });

test("before init every call says what to do", async () => {
  const error = await inPage(({ key }) => {
    try {
      window.strongroom.Keyring.parse(key);
    } catch (error) {
      return { code: error.code, message: error.message };
    }
  });
  assert.equal(error.code, "UNSUPPORTED");
  assert.match(error.message, /await init\(\)/);
});

test("a load that failed can be tried again", async () => {
  const failed = await inPage(async () => {
    try {
      await window.strongroom.init("/missing.wasm");
    } catch {
      await window.strongroom.init();
      return true;
    }
  });
  assert.equal(failed, true);
});

test("the page opens what Node wrote, and Node what the page wrote", async () => {
  const keyring = Keyring.parse(key.toString("base64"));
  const tokens = [
    keyring.encrypt(canary, { associatedData: "user:42" }),
    keyring.encrypt(canary, { format: "node_gcm" }),
    keyring.encrypt(canary, { format: "fernet" }),
  ];
  const seen = await inPage(
    ({ key, tokens, canary }) => {
      const keyring = window.strongroom.Keyring.parse(key);
      return {
        opened: tokens.map((token) => keyring.decrypt(token, { associatedData: "user:42" }) === canary),
        written: keyring.encrypt(canary, { associatedData: "row" }),
        fernet: keyring.encrypt(canary, { format: "fernet" }),
      };
    },
    { tokens },
  );
  assert.deepEqual(seen.opened, [true, true, true]);
  assert.equal(keyring.decrypt(seen.fernet, { formats: ["fernet"] }), canary);
  assert.equal(keyring.decrypt(seen.written, { associatedData: "row" }), canary);
});

test("the independent decoder opens what the page wrote", async () => {
  const values = Array.from({ length: 200 }, (_, size) => randomBytes(size).toString("hex"));
  const tokens = await inPage(
    ({ key, values }) => {
      const keyring = window.strongroom.Keyring.parse(key);
      const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
      return values.map((value) => keyring.encrypt(bytes(value), { associatedData: "row" }));
    },
    { values },
  );
  const context = { purpose: "data", associated_data: Buffer.from("row").toString("hex") };
  const lines = tokens.map((token) => JSON.stringify({ key_hex: key.toString("hex"), token, context }));
  const python = join(ROOT, ".venv/bin/python");
  const input = `${lines.join("\n")}\n`;
  const output = execFileSync(python, [join(ROOT, "tests/decoder/sealed_v1.py")], {
    input,
    encoding: "utf8",
  });
  const opened = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).plaintext_hex);
  assert.deepEqual(opened, values);
});

test("errors carry their code, and say nothing of the value", async () => {
  const errors = await inPage(({ key, canary }) => {
    const { Keyring, Secret, mask, isStrongroomError } = window.strongroom;
    const keyring = Keyring.parse(key);
    const token = keyring.encrypt(canary, { associatedData: "a" });
    const wiped = Secret.of(canary);
    wiped.wipe();
    const calls = [
      () => keyring.decrypt(token, { associatedData: "b" }),
      () => Keyring.generate().decrypt(token),
      () => keyring.decrypt(canary),
      () => keyring.encrypt(canary, { format: "rot13" }),
      () => keyring.encrypt(canary, { format: "fernet", associatedData: "a" }),
      () => keyring.encrypt(canary, { associated: "a" }),
      () => Keyring.parse(canary),
      () => Keyring.parse(""),
      () => mask(canary, "some"),
      () => wiped.reveal(),
    ];
    return calls.map((call) => {
      try {
        call();
        return { code: "nothing was thrown" };
      } catch (error) {
        console.error(error);
        return {
          code: error.code,
          ours: isStrongroomError(error, error.code),
          text: `${error} ${error.stack}`,
        };
      }
    });
  });
  assert.deepEqual(
    errors.map(({ code }) => code),
    [
      "NOT_AUTHENTIC",
      "KEY_UNKNOWN",
      "TOKEN_MALFORMED",
      "INVALID_ARGUMENT",
      "INVALID_ARGUMENT",
      "INVALID_ARGUMENT",
      "KEY_INVALID",
      "NOT_CONFIGURED",
      "INVALID_ARGUMENT",
      "INVALID_ARGUMENT",
    ],
  );
  for (const { ours, text } of errors) {
    assert.ok(ours);
    assert.ok(!text.includes(canary) && !text.includes(key.toString("base64")));
  }
});

test("a secret shows itself to nobody who does not ask", async () => {
  const shown = await inPage(({ key, canary }) => {
    const { Keyring, Secret } = window.strongroom;
    const [secret, keyring] = [Secret.of(canary), Keyring.parse(key)];
    console.log(secret, keyring, `${secret} ${keyring}`, JSON.stringify({ secret, keyring }));
    const cloned = (() => {
      try {
        return JSON.stringify(structuredClone(secret));
      } catch (error) {
        return String(error);
      }
    })();
    const seen = [`${secret}`, JSON.stringify({ secret, keyring }), Object.entries(secret).join(), cloned];
    return { seen: seen.join(" "), revealed: secret.reveal() === canary };
  });
  assert.equal(shown.revealed, true);
  assert.ok(!shown.seen.includes(canary), shown.seen);
  assert.match(shown.seen, /cana\*\*\*\*/);
});

/** Every text in which a value could hide. */
const disguises = (value) => {
  const bytes = Buffer.from(value);
  const aligned = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(shift === 0 ? 0 : 4, -4),
  );
  return [value, bytes.toString("hex"), ...aligned];
};

test("nothing that the page printed or sent holds the value or the key, and the search finds a planted leak", async () => {
  const everything = () => JSON.stringify([chromium.printed, chromium.requests]);
  const wanted = [...disguises(canary), key.toString("base64"), key.toString("hex")];
  const leaked = () => wanted.filter((text) => everything().includes(text));
  assert.ok(chromium.printed.length > 0);
  assert.deepEqual(leaked(), []);
  assert.ok(chromium.requests.every(({ url, body }) => url.startsWith(server.origin) && body === null));
  await inPage(({ canary }) => console.log("planted", btoa(`x${canary}`)));
  assert.equal(leaked().length, 1);
});
