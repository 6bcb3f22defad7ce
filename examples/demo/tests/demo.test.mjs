/** The demonstration runs, shows no value, and fails when one of the three did not do what it should. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Keyring, mask } from "../../../node/lib/node/ts/index.js";
import { SqliteStore } from "../../../node/lib/node/ts/sqlite.js";
import { openVault } from "../../telegram-bot/bot.mjs";
import { Canaries } from "../../telegram-bot/tests/leaks.mjs";
import { decryptInBrowser } from "../browser.mjs";
import { chat } from "../chat.mjs";
import { DemoError, demo, STEPS } from "../demo.mjs";
import { readWithPython } from "../python.mjs";

const RUN = fileURLToPath(new URL("../run.mjs", import.meta.url));

/** Runs the program as `make demo` does. @param {Record<string, string>} env */
function run(env = {}) {
  return /** @type {Promise<{ status: number | null, output: string }>} */ (
    new Promise((done) => {
      const child = execFile(
        process.execPath,
        [RUN],
        { env: { ...process.env, ...env } },
        (_, stdout, stderr) => done({ status: child.exitCode, output: stdout + stderr }),
      );
    })
  );
}

test("make demo runs to its end", async () => {
  const { status, output } = await run();
  assert.equal(status, 0, output);
  assert.match(output, /All three did what they should/);
});

test("make demo fails, with a sentence, when there is no browser", async () => {
  const { status, output } = await run({ CHROMIUM: "/nonexistent/chromium" });
  assert.equal(status, 1, output);
  assert.match(output, /The demonstration failed\. browser: /);
  assert.doesNotMatch(output, /All three/);
});

test("all three really run; no value or key is printed, and nothing stays on the disk", async () => {
  /** @type {string[]} */
  const lines = [];
  const { world, bot, python, browser } = await demo({ print: (line) => void lines.push(line) });
  const canaries = new Canaries();
  for (const value of [...Object.values(world.secrets), world.forPage.value, world.key.toString("base64")]) {
    canaries.watch(value);
  }
  assert.deepEqual(canaries.found(lines.join("\n")), []);
  assert.equal(bot.masked, "STRIPE_API_KEY: sk_t****");
  const history = bot.history.split("\n");
  assert.equal(history.filter((/** @type {string} */ line) => / ADOPTED unknown ok$/.test(line)).length, 1);
  const old = history.filter((/** @type {string} */ line) => line.endsWith(" (from before)"));
  assert.equal(old.length, 15, "all rows that the old code wrote about it");
  assert.deepEqual(bot.formats, { before: { node_gcm: 4 }, after: { node_gcm: 4, sealed: 1 } });
  assert.deepEqual(python.values, world.secrets);
  assert.equal(browser.value, world.forPage.value);
  assert.equal(existsSync(dirname(world.path)), false);
});

test("no two runs have a value in common", async () => {
  const [one, two] = [await demo(quick()), await demo(quick())];
  const values = [one, two].flatMap(({ world }) => [
    ...Object.values(world.secrets),
    world.forPage.value,
    world.key.toString("base64"),
  ]);
  assert.equal(new Set(values).size, values.length);
});

/** What Python and the browser tell when all is well, told without them: so that one thing at a time can go wrong. */
const FAKES = {
  async python(/** @type {import("../demo.mjs").World} */ { path, key, secrets }) {
    const store = new SqliteStore(path);
    const keyring = Keyring.fromEnv({ ENCRYPTION_KEY: key.toString("base64") });
    const vault = openVault({ keyring, store, allowed: ["read.py"] });
    for (const name of Object.keys(secrets)) await vault.get(name, { actor: "read.py" });
    store.close();
    return { values: { ...secrets }, events: 9, unchained: 60, strongroom: "0", python: "0" };
  },
  async browser(/** @type {import("../demo.mjs").World} */ { forPage }) {
    const requests = ["GET http://127.0.0.1:1/page.js ", "GET http://127.0.0.1:1/strongroom.wasm "];
    return { value: forPage.value, shown: mask(forPage.value), agent: "HeadlessChrome", requests };
  },
};

/** @param {Partial<Record<keyof typeof STEPS, (...args: any[]) => any>>} [steps] */
function quick(steps = {}) {
  return { print: () => {}, steps: { ...FAKES, ...steps } };
}

/** @typedef {(told: any, world: any) => any} Spoil */

/** @type {[keyof typeof STEPS, string, RegExp, Spoil][]} */
const SPOILED = [
  ["bot", "tells nothing", /^bot: /, () => undefined],
  [
    "bot",
    "shows the value in full",
    /^bot: did not show the secret masked/,
    (told, world) => ({ ...told, masked: `A: ${world.rotatedTo}` }),
  ],
  ["bot", "does not rotate", /^bot: did not rotate/, (told) => ({ ...told, confirmed: "Cancelled." })],
  [
    "bot",
    "leaves the rotation out of the history",
    /^bot: did not show the rotation/,
    (told) => ({ ...told, history: "" }),
  ],
  [
    "bot",
    "leaves the adoption out of the history",
    /^bot: did not show the adoption/,
    (told) => ({ ...told, history: told.history.replace(/^.* ADOPTED .*\n/m, "") }),
  ],
  [
    "bot",
    "shows old rows as its own",
    /^bot: did not show the old rows/,
    (told) => ({ ...told, history: told.history.replaceAll(" (from before)", "") }),
  ],
  [
    "bot",
    "loses an old row",
    /^bot: did not chain/,
    (told) => ({ ...told, report: { ...told.report, unchained: 59 } }),
  ],
  [
    "bot",
    "finds no old values",
    /^bot: found no old/,
    (told) => ({ ...told, formats: { before: {}, after: {} } }),
  ],
  [
    "bot",
    "seals nothing",
    /^bot: sealed nothing/,
    (told) => ({ ...told, formats: { ...told.formats, after: { node_gcm: 5 } } }),
  ],
  ["bot", "writes no token", /^bot: encrypted nothing/, (told) => ({ ...told, token: undefined })],
  ["python", "tells nothing", /^Python: did not read/, () => undefined],
  ["python", "reads nothing", /^Python: did not read STRIPE/, (told) => ({ ...told, values: {} })],
  [
    "python",
    "reads an old value",
    /^Python: read another value of STRIPE/,
    (told) => ({ ...told, values: { ...told.values, STRIPE_API_KEY: "sk_test_old" } }),
  ],
  ["python", "verifies nothing", /^Python: did not verify/, (told) => ({ ...told, events: 0 })],
  ["browser", "tells nothing", /^browser: decrypted nothing/, () => undefined],
  [
    "browser",
    "decrypts nothing",
    /^browser: decrypted nothing; the page showed: Decryption failed/,
    (told) => ({ ...told, value: undefined, shown: "Decryption failed" }),
  ],
  [
    "browser",
    "decrypts another value",
    /^browser: decrypted another/,
    (told) => ({ ...told, value: "whsec_other" }),
  ],
  [
    "browser",
    "shows the value in full",
    /^browser: did not show/,
    (told) => ({ ...told, shown: told.value }),
  ],
  ["browser", "is another program", /^browser: is no Chromium/, (told) => ({ ...told, agent: "curl" })],
  ["browser", "works without wasm", /^browser: loaded no wasm/, (told) => ({ ...told, requests: [] })],
  [
    "browser",
    "sends the value",
    /^browser: sent what/,
    (told) => ({ ...told, requests: [...told.requests, `GET http://127.0.0.1:1/?${told.value} `] }),
  ],
  [
    "browser",
    "posts",
    /^browser: sent something/,
    (told) => ({ ...told, requests: [...told.requests, "POST http://127.0.0.1:1/ x"] }),
  ],
];

for (const [who, what, words, spoil] of SPOILED) {
  test(`it fails when ${who === "python" ? "Python" : `the ${who}`} ${what}`, async () => {
    const steps = { ...STEPS, ...FAKES };
    const spoiled = async (/** @type {any} */ world) => spoil(await steps[who](world), world);
    await assert.rejects(demo(quick({ [who]: spoiled })), (error) => {
      assert.ok(error instanceof DemoError, String(error));
      assert.match(error.message, words);
      return true;
    });
  });
}

test("it fails when Python's values come from elsewhere: the history knows nothing of it", async () => {
  const python = (/** @type {any} */ { secrets }) => ({ values: { ...secrets }, events: 9, unchained: 60 });
  await assert.rejects(demo(quick({ python })), /Python: left no trace in the history/);
});

for (const who of /** @type {const} */ (["bot", "python", "browser"])) {
  test(`it fails when a step throws: ${who}`, async () => {
    const step = () => {
      throw new Error("out of order");
    };
    await assert.rejects(demo(quick({ [who]: step })), { name: "DemoError", message: /: out of order$/ });
  });
}

test("it fails when Python is not there, can't run the program, or tells nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "strongroom-demo-test-"));
  const silent = join(folder, "silent.py");
  writeFileSync(silent, "");
  const broken = join(folder, "broken.py");
  writeFileSync(broken, "import no_such_module\n");
  /** @type {[object, RegExp][]} */
  const cases = [
    [{ python: "/nonexistent/python" }, /^Python: .*ENOENT/],
    [{ program: broken }, /^Python: .*no_such_module/s],
    [{ program: silent }, /^Python: .*JSON/],
  ];
  for (const [how, words] of cases) {
    const python = (/** @type {any} */ world) => readWithPython(world, how);
    await assert.rejects(demo(quick({ python })), { message: words });
  }
  rmSync(folder, { recursive: true });
});

test("it fails when the page can't load the library, and the page keeps its key to itself", async () => {
  const root = mkdtempSync(join(tmpdir(), "strongroom-demo-test-"));
  const page = "examples/demo/page";
  cpSync(fileURLToPath(new URL("../page", import.meta.url)), join(root, page), { recursive: true });
  const browser = (/** @type {any} */ world) => decryptInBrowser(world, { root });
  await assert.rejects(demo(quick({ browser })), { message: /^browser: the page said: .*404/ });
  rmSync(root, { recursive: true });
});

test("it fails when an old row is changed on the way", async () => {
  const bot = async (/** @type {import("../demo.mjs").World} */ world) => {
    const { DatabaseSync } = await import("node:sqlite");
    const print = (/** @type {string} */ line) => {
      if (!line.includes("adopted")) return;
      const database = new DatabaseSync(world.path);
      database.exec("DELETE FROM reminders WHERE id = 2");
      database.close();
    };
    return chat({ ...world, print });
  };
  await assert.rejects(demo(quick({ bot })), { message: /^bot: the other table is untouched/ });
});
