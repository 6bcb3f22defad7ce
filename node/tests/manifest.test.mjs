/** Manifests: read, written as `.env.example`, held up to a vault; hostile ones end in an error, and soon. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Keyring, Manifest, MemoryStore, Vault } from "../lib/node/ts/index.js";
import { alice, scratch } from "./support.mjs";

const CANARY = "canary-7f3a9c51e2";
const WHOLE = `
version: 1
environments: [development, production]
entries:
  - {name: POSTGRES_PORT, kind: plain, type: int, default: 5432}
  - {name: POSTGRES_SSL_MODE, kind: plain}
  - name: POSTGRES_PASSWORD
    environments: [production]
    minimum_length: 16
    classes: [lower, upper, digit, symbol]
    sensitivity: critical
    generator: {kind: password, length: 24}
    note: Sundays
  - {name: API_KEY, pattern: sk_*}
`;

const open = (options = {}) =>
  new Vault({ keyring: Keyring.generate(), store: new MemoryStore(), ...options });
const states = ({ entries }) => entries.map(({ name, state, weaknesses }) => [name, state, weaknesses]);

/** The error of something that must fail. */
function refusal(run) {
  try {
    run();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

test("a manifest is read alike from every format", () => {
  const manifest = Manifest.parse(WHOLE);
  assert.deepEqual(manifest.environments, ["development", "production"]);
  const [port, , password, key] = manifest.entries;
  assert.deepEqual([port.kind, port.type, port.default, port.required], ["plain", "int", "5432", true]);
  assert.deepEqual(
    [password.minimumLength, password.environments, key.pattern],
    [16, ["production"], "sk_*"],
  );
  assert.equal(password.generator.kind, "password");
  assert.equal(key.environments, undefined);
  const json = '{"version": 1, "entries": [{"name": "A", "minimum_length": 16}]}';
  const toml = 'version = 1\n[[entries]]\nname = "A"\nminimum_length = 16\n';
  assert.deepEqual(
    Manifest.parse(json, { format: "json" }).entries,
    Manifest.parse(toml, { format: "toml" }).entries,
  );
  assert.equal(refusal(() => Manifest.parse("", { format: "ini" })).code, "INVALID_ARGUMENT");
  assert.equal(refusal(() => Manifest.parse(7)).code, "INVALID_ARGUMENT");
});

test("a manifest is read from a file by how its name ends", (t) => {
  const folder = scratch(t);
  for (const [name, text] of [
    ["m.yml", WHOLE],
    ["m.json", '{"version": 1, "entries": []}'],
    [".env.example", "A_KEY=\n"],
  ]) {
    writeFileSync(join(folder, name), text);
    assert.ok(Manifest.read(join(folder, name)) instanceof Manifest);
  }
  assert.equal(refusal(() => Manifest.read(join(folder, "m.txt"))).code, "INVALID_ARGUMENT");
  assert.equal(refusal(() => Manifest.read(join(folder, "none.yml"))).code, "ENOENT");
  writeFileSync(join(folder, "long.yml"), "#".repeat(11 << 20));
  assert.equal(refusal(() => Manifest.read(join(folder, "long.yml"))).code, "LIMIT_EXCEEDED");
});

test("an example file is written and read", () => {
  const text = Manifest.parse(WHOLE).toDotenvExample({ environment: "production" });
  assert.match(text, /\nPOSTGRES_PORT=5432\n/);
  assert.match(text, /# Sundays\nPOSTGRES_PASSWORD=\n/);
  assert.deepEqual(
    Manifest.parse(text, { format: "dotenv" }).entries.map(({ name, kind, type }) => [name, kind, type]),
    [
      ["POSTGRES_PORT", "plain", "int"],
      ["POSTGRES_SSL_MODE", "plain", "text"],
      ["POSTGRES_PASSWORD", "secret", "text"],
      ["API_KEY", "secret", "text"],
    ],
  );
  const staging = { environment: "staging" };
  assert.equal(refusal(() => Manifest.parse(WHOLE).toDotenvExample(staging)).code, "INVALID_ARGUMENT");
});

test("provision makes what is missing, and check tells how all stands", async (t) => {
  const vault = open();
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  process.env.POSTGRES_SSL_MODE = "prefer";
  const manifest = Manifest.parse(WHOLE);
  const options = { ...alice, environment: "production" };
  await vault.set("API_KEY", "your_api_key_here", alice);
  const found = await vault.check(manifest, options);
  assert.deepEqual(states(found), [
    ["POSTGRES_PORT", "ok", []],
    ["POSTGRES_SSL_MODE", "weak", ["weak_ssl_mode"]],
    ["POSTGRES_PASSWORD", "missing", []],
    ["API_KEY", "placeholder", ["pattern_not_met", "placeholder"]],
  ]);
  assert.deepEqual([found.ok, found.environment], [false, "production"]);
  const made = await vault.provision(manifest, options);
  assert.deepEqual(
    made.entries.filter(({ created }) => created).map(({ name }) => name),
    ["POSTGRES_PASSWORD"],
  );
  assert.equal((await vault.get("POSTGRES_PASSWORD", alice)).reveal().length, 24);
  process.env.POSTGRES_SSL_MODE = "require";
  await vault.rotate("API_KEY", "sk_live_51H", alice);
  assert.equal((await vault.check(manifest, options)).ok, true);
  for (const environment of ["staging", undefined])
    await assert.rejects(vault.check(manifest, { ...alice, environment }), { code: "INVALID_ARGUMENT" });
  await assert.rejects(vault.check(WHOLE, alice), { code: "INVALID_ARGUMENT" });
});

test("what is wrong is told, and nothing of it repeated", () => {
  for (const [format, text, said] of [
    ["yaml", `version: 1\nentries: [{name: A, default: ${CANARY}}]`, /a secret has none/],
    [
      "yaml",
      `version: 1\nentries: [{name: A, generator: ${CANARY}}]`,
      /`generator`: the generator is not known/,
    ],
    ["yaml", `version: 1\nentries:\n- name: A\n  name: ${CANARY}\n`, /line 3: .* a key twice/],
    ["yaml", `a: &a ${CANARY}\nb: *a\n`, /anchors are not read/],
    ["yaml", `!!js/function ${CANARY}`, /tags are not read/],
    ["yaml", `a: '${CANARY}`, /a quote is not closed/],
    ["json", `{"version": 1, "version": "${CANARY}"}`, /a key twice/],
    ["toml", `version = 1\nversion = '${CANARY}'`, /a key is there twice/],
    ["dotenv", `A=1\nA=${CANARY}`, /line 2: the name is there already/],
  ]) {
    for (const given of [text, `\ufeff${text}`, text.replaceAll("\n", "\r\n")]) {
      const error = refusal(() => Manifest.parse(given, { format }));
      assert.equal(error.code, "MANIFEST_INVALID", given);
      assert.match(error.message, said);
      assert.ok(!error.message.includes(CANARY), error.message);
    }
  }
});

test("hostile texts end in an error in bounded time and memory", () => {
  const began = performance.now();
  const before = process.memoryUsage().rss;
  const many = 1 << 20;
  const bomb = `a: &a [${"x,".repeat(1000)}]\n${"b: [*a,*a,*a]\n".repeat(1000)}`;
  const texts = [
    ["yaml", "[".repeat(many)],
    ["yaml", "- ".repeat(many)],
    ["yaml", "- x\n".repeat(many)],
    ["yaml", bomb],
    ["json", "[".repeat(many)],
    ["json", `[${"1,".repeat(many)}`],
    ["toml", "[".repeat(many)],
    ["toml", `${"a.".repeat(many)}b = 1`],
    ["dotenv", "A=1\n".repeat(many)],
    ...["yaml", "json", "toml", "dotenv"].map((format) => [format, "x".repeat(10 << 20)]),
    ...["yaml", "json", "toml", "dotenv"].map((format) => [format, "#".repeat(11 << 20)]),
  ];
  for (const [format, text] of texts) {
    const { code } = refusal(() => Manifest.parse(text, { format }));
    assert.ok(
      ["MANIFEST_INVALID", "LIMIT_EXCEEDED"].includes(code),
      `${format} ${text.slice(0, 10)}: ${code}`,
    );
  }
  assert.ok(performance.now() - began < 60_000);
  assert.ok(process.memoryUsage().rss - before < 1 << 30);
});
