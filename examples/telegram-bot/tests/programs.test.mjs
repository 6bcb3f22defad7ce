/** The programs around the bot: the self-test, and the start without what it needs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Canaries } from "./leaks.mjs";

/** @param {string} program @param {Record<string, string>} env */
function run(program, env) {
  const path = fileURLToPath(new URL(`../${program}.mjs`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [path], {
    env: { PATH: process.env.PATH, ...env },
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, output: stdout + stderr };
}

for (const format of /** @type {const} */ (["base64", "hex", "base64url"])) {
  test(`the self-test is content with a key in ${format}, and does not show it`, () => {
    const canaries = new Canaries();
    const key = canaries.watch(randomBytes(32).toString(format));
    const { status, output } = run("self-test", { ENCRYPTION_KEY: key });
    assert.equal(status, 0, output);
    assert.equal(output.match(/^ok {3}/gm)?.length, 5);
    assert.match(output, /^OK: the bot can use this key\.$/m);
    assert.deepEqual(canaries.found(output), []);
  });
}

test("the self-test reads a key from a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "strongroom-self-test-"));
  const file = join(folder, "key");
  writeFileSync(file, `${randomBytes(32).toString("base64")}\n`);
  assert.equal(run("self-test", { ENCRYPTION_KEY_FILE: file }).status, 0);
  rmSync(folder, { recursive: true });
});

const THIS_FILE = fileURLToPath(import.meta.url);

/** @type {[string, Record<string, string>, RegExp][]} */
const REFUSED = [
  ["no key", {}, /NOT_CONFIGURED: Encryption not configured: .*openssl rand -base64 32/],
  ["an empty key", { ENCRYPTION_KEY: " " }, /NOT_CONFIGURED: .*openssl rand -base64 32/],
  ["a short key", { ENCRYPTION_KEY: randomBytes(31).toString("base64") }, /KEY_INVALID: .*31 bytes.*openssl/],
  ["two sources", { ENCRYPTION_KEY: "x", ENCRYPTION_KEY_FILE: THIS_FILE }, /INVALID_ARGUMENT: .*both/],
];

for (const [what, env, words] of REFUSED) {
  test(`the self-test says what to do about ${what}`, () => {
    const { status, output } = run("self-test", env);
    assert.equal(status, 1);
    assert.match(output, words);
    assert.doesNotMatch(output, /^ok|^OK/m);
    if ((env.ENCRYPTION_KEY ?? "").length > 8) assert.ok(!output.includes(env.ENCRYPTION_KEY ?? ""));
  });
}

/** @type {[string, Record<string, string>, RegExp][]} */
const UNFIT = [
  ["a token", { ALLOWED_USERS: "1" }, /^The bot can't run\. Set TELEGRAM_BOT_TOKEN/m],
  ["allowed users", { TELEGRAM_BOT_TOKEN: "1:x" }, /^The bot can't run\. Set ALLOWED_USERS/m],
  ["numeric ids", { TELEGRAM_BOT_TOKEN: "1:x", ALLOWED_USERS: "@ada" }, /ALLOWED_USERS takes numeric ids/],
  [
    "a key",
    { TELEGRAM_BOT_TOKEN: "1:x", ALLOWED_USERS: "1, 2" },
    /NOT_CONFIGURED: Encryption not configured/,
  ],
];

for (const [what, env, words] of UNFIT) {
  test(`the bot does not start without ${what}, and says so`, () => {
    const { status, output } = run("main", env);
    assert.equal(status, 1);
    assert.match(output, words);
    assert.doesNotMatch(output, /^\s+at /m, "in a sentence, not in a stack");
  });
}
