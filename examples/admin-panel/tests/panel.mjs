/** The panel, used as people use it, with what must be true of it whatever they do. */
import assert from "node:assert/strict";
import { TOKENS } from "./world.mjs";

/** @typedef {import("./world.mjs").World} World */
/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Locator} Locator */

export const KEYS = /** @type {const} */ ("Users’ keys");
export const SHARED = /** @type {const} */ ("Shared secrets");
/** What Chromium itself prints when a request fails or is answered with an error. */
export const REQUEST_FAILED = /^Failed to load resource/;

/**
 * Opens the panel in a browser of its own, and notes whatever it complains about, also what its policy forbids.
 *
 * @param {World} world
 * @param {import("playwright-core").BrowserContextOptions & { clock?: "faked" }} [options]
 */
async function openPanel({ browser, wire }, { clock, ...options } = {}) {
  const context = await browser.newContext(options);
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: wire.origin });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) =>
      console.error(`forbidden: ${event.violatedDirective}`),
    );
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  /** @type {string[]} */
  const printed = [];
  /** @type {string[]} */
  const troubles = [];
  /** @type {string[]} */
  const urls = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    printed.push(message.text());
    if (["error", "warning"].includes(message.type())) troubles.push(message.text());
  });
  context.on("request", (request) => urls.push(request.url()));
  if (clock === "faked") await page.clock.install();
  await page.goto(`${wire.origin}/panel/`);
  return { context, page, printed, troubles, urls, close: () => context.close() };
}

/** @param {Page} page @param {string} [token] @param {string} [actor] */
export async function signIn(page, token = TOKENS.panel, actor = "carol") {
  await page.getByLabel("Panel token").fill(token);
  await page.getByLabel("Your name").fill(actor);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** @param {Page} page @param {string} key */
export async function unlock(page, key) {
  await page.getByLabel("Encryption key").fill(key);
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
}

/** The row of a table that holds this text. @param {Page} page @param {"Users’ keys" | "Shared secrets"} table @param {string} text */
export const rowOf = (page, table, text) =>
  page.getByRole("table", { name: table }).getByRole("row").filter({ hasText: text });

/**
 * Runs something in a fresh page; afterwards the page must have complained of nothing that was not expected, and
 * must have kept nothing.
 *
 * @param {World} world
 * @param {Parameters<typeof openPanel>[1] & { locked?: true, expect?: RegExp }} how
 * @param {(page: Page, panel: Awaited<ReturnType<typeof openPanel>>) => Promise<void>} use
 */
export async function inPanel(world, { locked, expect, ...options }, use) {
  const panel = await openPanel(world, options);
  const { page, context } = panel;
  try {
    if (!locked) {
      await signIn(page);
      await unlock(page, world.keys.all);
      await page.getByText("Unlocked with").waitFor();
      await settled(page);
    }
    await use(page, panel);
    assert.deepEqual(
      panel.troubles.filter((trouble) => expect === undefined || !expect.test(trouble)),
      [],
    );
    assert.deepEqual(await context.storageState({ indexedDB: true }), { cookies: [], origins: [] });
    const kept = await page.evaluate(async () => [
      localStorage.length,
      sessionStorage.length,
      (await indexedDB.databases()).length,
      (await caches.keys()).length,
      location.search + location.hash,
    ]);
    assert.deepEqual(kept, [0, 0, 0, 0, ""]);
  } finally {
    world.seen.printed += panel.printed.join("\n");
    world.seen.urls.push(...panel.urls);
    await panel.close();
  }
}

/** Both tables are there. @param {Page} page */
export async function settled(page) {
  await page.locator("#keys[aria-busy=false]").waitFor();
  await page.locator("#shared[aria-busy=false]").waitFor();
}

/** @param {Locator} place @param {string} name */
export const press = (place, name) => place.getByRole("button", { name }).click();

/** A value cell shows this. @param {Locator} row @param {string} text */
export const shows = (row, text) => row.locator(".value").filter({ hasText: text }).waitFor();

/** All that the page shows and holds. @param {Page} page */
export async function everything(page) {
  const fields = await page
    .locator("input")
    .evaluateAll((inputs) => inputs.map((input) => /** @type {HTMLInputElement} */ (input).value));
  return `${await page.content()} ${fields.join(" ")}`;
}

/** Sets a secret by the page. @param {Page} page @param {string} name @param {string} value */
export async function setSecret(page, name, value) {
  await page.getByRole("button", { name: "Set a secret" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("New value").fill(value);
  await press(dialog, "Continue");
  await press(dialog, "Set it");
  await dialog.waitFor({ state: "hidden" });
  await rowOf(page, SHARED, name).waitFor();
}

/** What the Python vault on the same database knows of a secret. @param {World} world @param {string} name */
export const inPython = (world, name) =>
  world.python(
    "n = os.environ['NAME']\nhas = vault.exists(n, actor='python')\n" +
      "print(json.dumps({'value': vault.get(n, actor='python').reveal() if has else None, " +
      "'version': next((s.version for s in vault.list(actor='python') if s.name == n), None), " +
      "'history': [(e.action, e.actor, e.platform) for e in vault.audit(n, actor='python')], " +
      "'verified': vault.verify_audit(actor='python').vault_id}))",
    { NAME: name },
  );

/**
 * Nothing that passed between browser and backend holds a key, a value, or a token outside of its header; nor does an
 * address, the console or the backend's log. The search finds planted ones.
 *
 * @param {World} world
 */
export function assertNothingLeaked({ canaries, wire, seen, backend }) {
  const passed = wire.passed();
  assert.ok(passed.includes("POST /panel/api/store/commit") && passed.includes('"change_set"'));
  assert.ok(seen.urls.length > 100 && seen.urls.every((url) => url.startsWith(`${wire.origin}/panel/`)));
  // The token is the one secret that the backend is sent, in its header.
  const withoutToken = passed.replaceAll(new RegExp(`authorization: Bearer ${TOKENS.panel}`, "gi"), "");
  assert.ok(withoutToken.length < passed.length);
  const places = { wire: withoutToken, urls: seen.urls.join("\n"), printed: seen.printed, log: backend.log };
  for (const [where, text] of Object.entries(places)) assert.deepEqual(canaries.found(text), [], where);
  const value = canaries.make();
  for (const encoding of /** @type {const} */ (["latin1", "hex", "base64", "base64url"])) {
    for (const planted of [value, `x${value}`, `xy${value}`]) {
      const leak = Buffer.from(planted, "latin1").toString(encoding);
      assert.notDeepEqual(canaries.found(`GET /panel/?v=${leak} HTTP/1.1`), [], encoding);
    }
  }
}
