/** Values that node:crypto wrote and we read, and the other way about: by the thousand, however loosely written. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Keyring } from "../lib/node/ts/index.js";
import { anyOf, below, oldDecrypt, oldEncrypt } from "./support.mjs";

const ROUNDS = 5_000;

test(`${ROUNDS} random values of node:crypto are read to the byte`, () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { key, keyring, value } = sample(round);
    assert.deepEqual(Buffer.from(keyring.decryptBytes(oldEncrypt(key, value))), value);
  }
});

test(`${ROUNDS} random values of ours are read by node:crypto to the byte`, () => {
  const tokens = new Set();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { key, keyring, value } = sample(round);
    const token = keyring.encrypt(value, { format: "node_gcm" });
    assert.equal(Buffer.from(token, "base64").toString("base64"), token, "written canonically");
    assert.deepEqual(oldDecrypt(key, token), value);
    tokens.add(token.slice(0, 20));
  }
  assert.equal(tokens.size, ROUNDS, "an IV came twice");
});

test("texts of every alphabet go both ways", () => {
  const key = randomBytes(32);
  const keyring = Keyring.parse(key.toString("base64"));
  const texts = [
    "",
    " ",
    "\0",
    "\n",
    "z\u00fcrich",
    "\u{1F511}",
    "e\u0301",
    "\u202e",
    "\ufeffbom",
    "-----BEGIN KEY-----\nMII=\n",
  ];
  for (const text of texts) {
    assert.equal(keyring.decrypt(oldEncrypt(key, text)), text);
    assert.equal(oldDecrypt(key, keyring.encrypt(text, { format: "node_gcm" })).toString(), text);
  }
});

test("a value under another key of the ring is read; one under no key of it is not", () => {
  const keys = [1, 2, 3].map(() => randomBytes(32));
  const keyring = Keyring.parse(keys.map((key) => key.toString("base64")).join());
  for (const [index, key] of keys.entries()) {
    const text = oldEncrypt(key, "hunter2");
    assert.equal(keyring.decrypt(text), "hunter2");
    assert.deepEqual(keyring.inspectToken(text), { format: "node_gcm", keyId: keyring.keys[index].id });
  }
  assert.throws(() => keyring.decrypt(oldEncrypt(randomBytes(32), "hunter2")), { code: "NOT_AUTHENTIC" });
});

test("a value whose base64 begins like a Fernet token is read all the same", () => {
  const key = randomBytes(32);
  const keyring = Keyring.parse(key.toString("base64"));
  // The first 30 bits of the IV are chosen: chance would need a billion tries.
  const iv = Buffer.concat([Buffer.from([0x80, 0, 0, 0]), randomBytes(12)]);
  const text = oldEncrypt(key, "hunter2", iv);
  assert.ok(text.startsWith("gAAAA"));
  assert.equal(keyring.decrypt(text), "hunter2");
});

/** Each spoils a text in one way, as editors, mailers, shells and URLs do. */
const MUTATIONS = {
  "line ends": (text) => text.replace(/.{1,20}/g, (line) => line + anyOf(["\n", "\r\n", "\r"])),
  "white space anywhere": (text) => insert(text, anyOf([" ", "\t", "\n", "\v", "\f", "\u00a0"])),
  "white space around": (text) => ` \n${text}\t `,
  "the alphabet of URLs": (text) => text.replaceAll("+", "-").replaceAll("/", "_"),
  "both alphabets": (text) => text.replace(/[+/]/g, (sign) => anyOf([sign, sign === "+" ? "-" : "_"])),
  "no padding": (text) => text.replace(/=+$/, ""),
  "one sign of padding less": (text) => text.replace(/=$/, ""),
  "more padding": (text) => `${text}===`,
  "text after the padding": (text) => `${text}${anyOf(["=", "=="])}${randomBytes(6).toString("base64")}`,
  "padding in the middle": (text) => insert(text, "="),
  "junk anywhere": (text) =>
    insert(text, anyOf(["!", "#", '"', ".", ",", "\\", "\0", "\x7f", "~", "%3D", "{", "é", "ÿ"])),
  "a byte order mark of Latin-1": (text) => `\u00ef\u00bb\u00bf${text}`,
  "one character less": (text) => without(text, below(text.length)),
  "the last character less": (text) => text.slice(0, -1),
  "the first character less": (text) => text.slice(1),
  "one character more": (text) => insert(text, anyOf([..."ABab01+/-_"])),
  "one character other": (text) => {
    const place = below(text.length);
    return text.slice(0, place) + anyOf([..."ABCabc012+/-_ ="]) + text.slice(place + 1);
  },
  "stray bits at the end": (text) =>
    text.replace(/[A-Za-z0-9+/](=*)$/, (_, padding) => anyOf([..."ABCDEFGHQgw"]) + padding),
  "two halves exchanged": (text) => text.slice(text.length / 2) + text.slice(0, text.length / 2),
  "nothing but the beginning": (text) => text.slice(0, below(text.length)),
};

for (const [name, mutate] of Object.entries(MUTATIONS)) {
  test(`base64 with ${name} is read exactly as node:crypto's Buffer reads it`, () => {
    let [opened, failed] = [0, 0];
    for (let round = 0; round < 400; round += 1) {
      const { key, keyring, value } = sample(round);
      let text = oldEncrypt(key, value);
      for (let times = 0; times <= round % 3; times += 1) text = mutate(text);
      const [theirs, ours] = [
        attempt(() => oldDecrypt(key, text)),
        attempt(() => keyring.decryptBytes(text)),
      ];
      assert.deepEqual(ours, theirs, JSON.stringify(text));
      if (theirs === undefined) failed += 1;
      else opened += 1;
    }
    assert.ok(opened + failed === 400);
    if (/line ends|white space|alphabet|no padding|more padding|text after/.test(name))
      assert.equal(failed, 0);
  });
}

test("several kinds of damage at once are read exactly as Buffer reads them", () => {
  let opened = 0;
  for (let round = 0; round < 4_000; round += 1) {
    const { key, keyring, value } = sample(round);
    let text = oldEncrypt(key, value);
    for (let times = below(4); times >= 0; times -= 1) text = anyOf(Object.values(MUTATIONS))(text);
    const [theirs, ours] = [attempt(() => oldDecrypt(key, text)), attempt(() => keyring.decryptBytes(text))];
    assert.deepEqual(ours, theirs, JSON.stringify(text));
    if (theirs !== undefined) opened += 1;
  }
  assert.ok(opened > 400, `only ${opened} were opened at all`);
});

/** The one difference: Buffer takes characters beyond U+00FF by their low byte, we skip them as any other junk. */
test("characters beyond U+00FF are skipped, also where Buffer reads a letter of the alphabet", () => {
  const key = randomBytes(32);
  const keyring = Keyring.parse(key.toString("base64"));
  const text = oldEncrypt(key, "hunter2");
  for (const character of ["\u0141", "\u2028", "\u{1F511}", "\ufeff", "\u4e2d"]) {
    assert.equal(keyring.decrypt(insert(text, character)), "hunter2", JSON.stringify(character));
  }
});

function sample(round) {
  const key = randomBytes(32);
  const value = randomBytes(round % 50 === 0 ? below(70_000) : below(200));
  return { key, value, keyring: Keyring.parse(key.toString("base64")) };
}

function attempt(run) {
  try {
    return Buffer.from(run());
  } catch {
    return undefined;
  }
}

function insert(text, piece) {
  const place = below(text.length + 1);
  return text.slice(0, place) + piece + text.slice(place);
}

function without(text, place) {
  return text.slice(0, place) + text.slice(place + 1);
}
