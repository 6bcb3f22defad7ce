/** Keyrings: where their keys come from, what is refused, and the encryption of an application's own data. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { Keyring } from "../lib/node/ts/index.js";
import { oldDecrypt, oldEncrypt, refused, scratch } from "./support.mjs";

test("a key is read from base64, base64url, hex and its own export, and has one id", () => {
  const raw = randomBytes(32);
  const texts = ["base64", "base64url", "hex"].map((encoding) => raw.toString(encoding));
  texts.push(texts[0].replace(/=+$/, ""), texts[2].toUpperCase(), Keyring.parse(texts[0]).dangerousExport());
  const ids = texts.map((text) => Keyring.parse(text).keys[0].id);
  assert.equal(new Set(ids).size, 1);
  assert.match(ids[0], /^[0-9a-f]{64}$/);
  assert.match(texts.at(-1), /^srk1\./);
});

test("several keys are read in order, the first of them primary", () => {
  const [a, b, c] = [1, 2, 3].map(() => randomBytes(32).toString("base64"));
  const keyring = Keyring.parse(` ${a} ,\n${b}\n\n${c},`);
  assert.deepEqual(
    keyring.keys.map((key) => key.state),
    ["primary", "enabled", "enabled"],
  );
  assert.deepEqual(
    keyring.keys.map((key) => key.id),
    [a, b, c].map((text) => Keyring.parse(text).keys[0].id),
  );
  assert.equal(keyring.keys[0].createdAt, undefined);
  assert.equal(keyring.keys[0].label, undefined);
  const sealed = Keyring.parse(c).encrypt("v");
  assert.equal(keyring.decrypt(sealed), "v");
  assert.equal(keyring.inspectToken(keyring.encrypt("v")).keyId, keyring.keys[0].id);
});

test("an export is a whole keyring, in order", () => {
  const keyring = Keyring.parse([1, 2].map(() => Keyring.generate().dangerousExport()).join());
  const again = Keyring.parse(keyring.dangerousExport());
  assert.deepEqual(
    again.keys.map((key) => key.id),
    keyring.keys.map((key) => key.id),
  );
  assert.equal(again.dangerousExport(), keyring.dangerousExport());
  assert.equal(again.decrypt(keyring.encrypt("v")), "v");
  assert.ok(Keyring.generate().keys[0].createdAt instanceof Date);
});

test("text that is no key is refused with what was seen, and is not repeated", async () => {
  const short = randomBytes(31);
  const wrong = {
    "31 bytes": [short.toString("base64"), /31 bytes/],
    "33 bytes": [randomBytes(33).toString("base64"), /33 bytes/],
    "63 hex digits": [randomBytes(32).toString("hex").slice(1), /63 hex digits/],
    "65 hex digits": [`${randomBytes(32).toString("hex")}0`, /65 hex digits/],
    "a passphrase": ["correct horse battery staple", /neither base64 nor hex/],
    "altered srk1 text": [altered(Keyring.generate().dangerousExport()), /checksum/],
    "cut srk1 text": [Keyring.generate().dangerousExport().slice(0, -1), /checksum/],
    "srk1 text of another version": [Keyring.generate().dangerousExport().replace("srk1", "srk2"), /neither/],
  };
  for (const [what, [text, said]] of Object.entries(wrong)) {
    for (const run of [() => Keyring.parse(text), () => Keyring.fromEnv({ ENCRYPTION_KEY: text })]) {
      const error = await refused("KEY_INVALID", run);
      assert.match(error.message, said, what);
      assert.match(error.message, /openssl rand -base64 32/);
      assert.ok(!inspect(error).includes(text.slice(0, 12)), what);
    }
  }
  const twice = Keyring.generate().dangerousExport();
  assert.match(
    (await refused("KEY_INVALID", () => Keyring.parse(`${twice},${twice}`))).message,
    /key 2 is there twice/,
  );
  await refused("NOT_CONFIGURED", () => Keyring.parse(""));
  await refused("NOT_CONFIGURED", () => Keyring.parse(" ,\n, "));
});

test("fromEnv reads the key, or the file, and never picks one of both", async (t) => {
  const key = randomBytes(32).toString("base64");
  const { id } = Keyring.parse(key).keys[0];
  const file = join(scratch(t), "key");
  writeFileSync(file, `\n  ${key}\n\n`);
  for (const env of [
    { ENCRYPTION_KEY: `  ${key}\n` },
    { ENCRYPTION_KEY_FILE: file },
    { ENCRYPTION_KEY_FILE: ` ${file}\n` },
    { ENCRYPTION_KEY: "", ENCRYPTION_KEY_FILE: file },
    { ENCRYPTION_KEY: key, ENCRYPTION_KEY_FILE: "" },
  ]) {
    assert.equal(Keyring.fromEnv(env).keys[0].id, id, inspect(env));
  }
  const both = { ENCRYPTION_KEY: key, ENCRYPTION_KEY_FILE: file };
  assert.match((await refused("INVALID_ARGUMENT", () => Keyring.fromEnv(both))).message, /both set/);
  for (const env of [{}, { ENCRYPTION_KEY: "" }, { ENCRYPTION_KEY: " \n" }, { ENCRYPTION_KEY: undefined }]) {
    const error = await refused("NOT_CONFIGURED", () => Keyring.fromEnv(env));
    assert.match(error.message, /^Encryption not configured/);
    assert.match(error.message, /openssl rand -base64 32/);
  }
});

test("fromEnv reads the environment of the process unless given another", async () => {
  const saved = { ...process.env };
  try {
    delete process.env.ENCRYPTION_KEY_FILE;
    process.env.ENCRYPTION_KEY = Keyring.generate().dangerousExport();
    assert.equal(Keyring.fromEnv().dangerousExport(), process.env.ENCRYPTION_KEY);
    delete process.env.ENCRYPTION_KEY;
    await refused("NOT_CONFIGURED", () => Keyring.fromEnv());
  } finally {
    for (const name of ["ENCRYPTION_KEY", "ENCRYPTION_KEY_FILE"]) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
  }
});

test("a key file that is missing, empty, a folder, too large or no text is refused", async (t) => {
  const folder = scratch(t);
  const written = (name, content) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  mkdirSync(join(folder, "folder"));
  const cases = [
    [join(folder, "missing"), /cannot be read/],
    [join(folder, "folder"), /not a key file/],
    [written("empty", ""), /ENCRYPTION_KEY_FILE holds no key/],
    [written("large", "x".repeat(65_537)), /at most 64 KiB/],
    [written("binary", Buffer.from([0xff, 0xfe, 0x00])), /not text/],
  ];
  if (process.getuid() !== 0) {
    const locked = written("locked", Keyring.generate().dangerousExport());
    chmodSync(locked, 0);
    cases.push([locked, /cannot be read/]);
  }
  for (const [file, said] of cases) {
    const error = await refused("NOT_CONFIGURED", () => Keyring.fromEnv({ ENCRYPTION_KEY_FILE: file }));
    assert.match(error.message, /^Encryption not configured/);
    assert.match(error.message, said);
  }
  const bad = written("bad", randomBytes(31).toString("base64"));
  const error = await refused("KEY_INVALID", () => Keyring.fromEnv({ ENCRYPTION_KEY_FILE: bad }));
  assert.match(error.message, /ENCRYPTION_KEY_FILE/);
});

test("associated data binds a token: other, absent and empty data do not open it", async () => {
  const keyring = Keyring.generate();
  const bound = keyring.encrypt("hunter2", { associatedData: "user:42" });
  assert.equal(keyring.decrypt(bound, { associatedData: "user:42" }), "hunter2");
  assert.equal(keyring.decrypt(bound, { associatedData: Buffer.from("user:42") }), "hunter2");
  for (const options of [{ associatedData: "user:43" }, { associatedData: "" }, {}, undefined]) {
    await refused("NOT_AUTHENTIC", () => keyring.decrypt(bound, options));
  }
  const empty = keyring.encrypt("hunter2", { associatedData: "" });
  assert.equal(keyring.decrypt(empty, { associatedData: new Uint8Array(0) }), "hunter2");
  await refused("NOT_AUTHENTIC", () => keyring.decrypt(empty));
  await refused("NOT_AUTHENTIC", () => keyring.decrypt(keyring.encrypt("hunter2"), { associatedData: "" }));
});

test("misspelled options are refused: a token would silently be bound to nothing", async () => {
  const keyring = Keyring.generate();
  const token = keyring.encrypt("v");
  await refused("INVALID_ARGUMENT", () => keyring.encrypt("v", { associated_data: "user:42" }));
  await refused("INVALID_ARGUMENT", () => keyring.decrypt(token, { asociatedData: "user:42" }));
  await refused("INVALID_ARGUMENT", () => keyring.decryptBytes(token, { format: "sealed" }));
  await refused("INVALID_ARGUMENT", () => keyring.inspectToken(token, { aad: "" }));
});

test("all three formats are written on request and read", async () => {
  const key = randomBytes(32);
  const keyring = Keyring.parse(key.toString("hex"));
  for (const value of ["", "v", "z\u00fcrich \u{1F511}", "x".repeat(100_000)]) {
    for (const [format, shape] of [
      [undefined, /^sr1\.[\w-]+$/],
      ["sealed", /^sr1\.[\w-]+$/],
      ["node_gcm", /^[\w+/]+=*$/],
      ["fernet", /^gAAAA[\w-]+=*$/],
    ]) {
      const token = keyring.encrypt(value, { format });
      assert.match(token, shape);
      assert.equal(keyring.decrypt(token), value);
      assert.deepEqual(Buffer.from(keyring.decryptBytes(token)), Buffer.from(value));
      assert.deepEqual(keyring.inspectToken(token), {
        format: format ?? "sealed",
        keyId: keyring.keys[0].id,
      });
    }
  }
  assert.equal(oldDecrypt(key, keyring.encrypt("v", { format: "node_gcm" })).toString(), "v");
  assert.equal(keyring.decrypt(oldEncrypt(key, "v")), "v");
  await refused("INVALID_ARGUMENT", () => keyring.encrypt("v", { format: "aes" }));
  for (const format of ["node_gcm", "fernet"]) {
    await refused("INVALID_ARGUMENT", () => keyring.encrypt("v", { format, associatedData: "x" }));
  }
});

test("a value that is not text is given as bytes alone", async () => {
  const keyring = Keyring.generate();
  const token = keyring.encrypt(Uint8Array.of(0xff, 0x00, 0xc3));
  assert.deepEqual([...keyring.decryptBytes(token)], [0xff, 0x00, 0xc3]);
  await refused("VALUE_INVALID", () => keyring.decrypt(token));
});

test("a token that was altered, cut or sealed with another key is refused", async () => {
  const [keyring, other] = [Keyring.generate(), Keyring.generate()];
  const token = keyring.encrypt("hunter2");
  assert.match(
    (await refused("KEY_UNKNOWN", () => other.decrypt(token))).message,
    new RegExp(keyring.keys[0].id.slice(0, 8)),
  );
  await refused("NOT_AUTHENTIC", () => other.decrypt(keyring.encrypt("hunter2", { format: "node_gcm" })));
  for (const format of ["sealed", "node_gcm"]) {
    const whole = keyring.encrypt("hunter2", { format });
    const [start, body] = format === "sealed" ? ["sr1.", whole.slice(4)] : ["", whole];
    const encoding = format === "sealed" ? "base64url" : "base64";
    const bytes = Buffer.from(body, encoding);
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = start + bytes.subarray(0, length).toString(encoding);
      const codes = ["TOKEN_MALFORMED", "NOT_AUTHENTIC", "KEY_UNKNOWN"];
      assert.throws(
        () => keyring.decrypt(cut),
        (error) => codes.includes(error.code),
        `${format} cut to ${length}`,
      );
    }
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      const inId = format === "sealed" && bit < 256;
      const code = inId ? "KEY_UNKNOWN" : "NOT_AUTHENTIC";
      assert.throws(
        () => keyring.decrypt(start + flipped.toString(encoding)),
        { code },
        `${format} bit ${bit}`,
      );
    }
  }
  for (const text of ["", "sr1.", "sr1.!", "plain text", "gAAAA", "sr2.AAAA"]) {
    assert.throws(() => keyring.decrypt(text), { code: "TOKEN_MALFORMED" }, text);
  }
});

test("a keyring shows the first digits of its key ids, and nothing else", () => {
  const keyring = Keyring.parse([1, 2].map(() => Keyring.generate().dangerousExport()).join());
  const shown = `Keyring(${keyring.keys.map((key) => key.id.slice(0, 8)).join(", ")})`;
  assert.equal(`${keyring}`, shown);
  assert.equal(JSON.stringify(keyring), JSON.stringify(shown));
  assert.equal(inspect({ keyring }), `{ keyring: ${shown} }`);
  assert.deepEqual(Reflect.ownKeys(keyring), []);
});

function altered(text) {
  const place = text.length - 10;
  return text.slice(0, place) + (text[place] === "A" ? "B" : "A") + text.slice(place + 1);
}
