/** No value and no key gets out: not into output, errors, inspections, or files, in any encoding. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Keyring } from "../lib/node/ts/index.js";
import { needles, planted, scan } from "./canary.mjs";
import { makeOldDatabase } from "./old-bot.mjs";
import { oldEncrypt, runChild, scratch } from "./support.mjs";

/** What the encodings are that a leak can have. */
const ENCODINGS = [...needles("any secret at all").keys()];

/**
 * What must be found nowhere: parts of the value and of the key, none of which a mask shows. The value's first eight and
 * last three characters may be shown.
 */
function makeSecrets() {
  const value = `sk_test_${randomBytes(18).toString("base64url").replaceAll("-", "x").replaceAll("_", "y")}\u00e9xyz`;
  const key = randomBytes(32);
  const exported = Keyring.parse(key.toString("base64")).dangerousExport().slice(5);
  const hidden = {
    "the value's beginning": value.slice(8, 20),
    "the value's end": value.slice(-16, -3),
    "the key's bytes": key.subarray(0, 16),
    "the key's last bytes": key.subarray(16),
    "the key's text": key.toString("base64").slice(2, 22),
    "the key's exported text": exported.slice(2, 22),
  };
  return { value, key, hidden };
}

/** Runs all operations in a process of their own; gives every byte that it has left behind, by where. */
async function drive(t, { value, key }, plant) {
  const folder = scratch(t);
  const { database } = makeOldDatabase(join(folder, "old.db"), { key, rows: 3, journal: "wal" });
  database
    .prepare("UPDATE secrets SET value_encrypted = ? WHERE name = 'SECRET_0'")
    .run(oldEncrypt(key, value));
  const args = [folder, Buffer.from(value).toString("base64"), key.toString("base64")];
  const { signal, stdout, stderr, output } = await runChild(
    "leaks.child.mjs",
    plant === undefined ? args : [...args, plant],
  );
  const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]);
  database.close();
  assert.equal(signal, "SIGKILL", stderr.slice(-2000));
  return { places: new Map([["output", output], ...files]), stdout, stderr };
}

test("a canary driven through every operation, refusal and failure is found nowhere, and neither is the key", async (t) => {
  const secrets = makeSecrets();
  const { places, stdout, stderr } = await drive(t, secrets);
  const [, shown] = /^shown: (\d+)$/m.exec(stdout);
  assert.ok(Number(shown) > 300, `only ${shown} objects were shown`);
  for (const word of ["sk_t****", "StrongroomError", "the disk is full", "PERMISSION_DENIED", "Keyring("]) {
    assert.ok(stdout.includes(word) && stderr.length > 100_000, `the output says nothing of ${word}`);
  }
  const names = [...places.keys()];
  const expected = [
    "vault.db",
    "vault.db-wal",
    "better.db",
    "old.db",
    "old.db-wal",
    "old.db.before-strongroom",
  ];
  for (const name of expected) assert.ok(places.get(name)?.length > 1000, `${name} is not among ${names}`);
  for (const [place, bytes] of places) {
    for (const [what, secret] of Object.entries(secrets.hidden)) {
      assert.deepEqual(scan(bytes, secret), [], `${what} in ${place}: ${around(bytes, secret)}`);
    }
  }
});

test("the scanner finds a leak in every encoding, and on stdout, on stderr and in a file", async (t) => {
  const secrets = makeSecrets();
  for (const encoding of ENCODINGS) {
    const { text } = planted(`${encoding}@nowhere`, secrets.value);
    assert.ok(scan(text, secrets.value).length > 0, encoding);
    assert.deepEqual(scan(text, makeSecrets().value), [], "another secret is not found");
    // Of parts of what leaked, their own alignment is found.
    const parts = ["the value's beginning", "the value's end"].map(
      (what) => scan(text, secrets.hidden[what]).length,
    );
    if (/^(plain|hex|HEX|base64)/.test(encoding)) assert.ok(!parts.includes(0), `${encoding}: ${parts}`);
  }
  for (const plant of ["plain@stdout", "base64+1@stderr", "hex@leak.log"]) {
    const { places } = await drive(t, secrets, plant);
    const found = [...places].filter(
      ([, bytes]) => scan(bytes, secrets.hidden["the value's beginning"]).length > 0,
    );
    assert.deepEqual(
      found.map(([place]) => place),
      [plant.endsWith(".log") ? "leak.log" : "output"],
      plant,
    );
  }
});

/** The surroundings of a leak in plain, for whoever looks for its source. */
function around(bytes, secret) {
  const place = bytes.indexOf(Buffer.from(secret));
  return place < 0
    ? "encoded"
    : JSON.stringify(bytes.subarray(Math.max(0, place - 300), place + 40).toString());
}
