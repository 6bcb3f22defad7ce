/** What the panel changes, and what happens when the backend, the history or the package is not as it should be. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  assertNothingLeaked,
  everything,
  inPanel,
  inPython,
  KEYS,
  press,
  REQUEST_FAILED,
  rowOf,
  SHARED,
  setSecret,
  shows,
  signIn,
  unlock,
} from "./panel.mjs";
import { startWorld, TOKENS } from "./world.mjs";

/** @type {import("./world.mjs").World} */
let world;

before(async () => {
  world = await startWorld();
  await world.api("alice", "/keys", { provider: "stripe", key: world.canaries.make("sk_t") });
});

after(() => world?.stop());

test("set, rotate, cancel and delete from the page are what the Python vault finds, and both verify the history", async () => {
  const [first, second] = [world.canaries.make("frst"), world.canaries.make("scnd")];
  await inPanel(world, {}, async (page) => {
    await setSecret(page, "FROM_PAGE", first);
    assert.equal(inPython(world, "FROM_PAGE").value === first, true);
    const row = rowOf(page, SHARED, "FROM_PAGE");
    const dialog = page.getByRole("dialog");

    await press(row, "Rotate");
    await dialog.getByLabel("New value").fill(second);
    await press(dialog, "Continue");
    await dialog.getByText("Set FROM_PAGE to scnd****? It replaces the current value.").waitFor();
    assert.deepEqual(world.canaries.found(await everything(page)), []);
    await press(dialog, "Cancel");
    await page.getByRole("status").filter({ hasText: "nothing was changed" }).waitFor();
    assert.equal(inPython(world, "FROM_PAGE").value === first, true);

    await press(row, "Rotate");
    await dialog.getByLabel("New value").fill(second);
    await press(dialog, "Continue");
    await press(dialog, "Rotate it");
    await page.getByRole("status").filter({ hasText: "Rotated: FROM_PAGE." }).waitFor();
    await row.locator("[data-label=Version]").getByText("2", { exact: true }).waitFor();
    const rotated = inPython(world, "FROM_PAGE");
    assert.deepEqual([rotated.value === second, rotated.version], [true, 2]);

    await press(row, "Delete");
    await dialog.getByText("Delete FROM_PAGE?").waitFor();
    await press(dialog, "Delete it");
    await row.waitFor({ state: "detached" });
    const deleted = inPython(world, "FROM_PAGE");
    assert.equal(deleted.value, null);
    const actions = deleted.history.map((/** @type {string[]} */ event) => event.join(" "));
    for (const action of ["set", "rotate", "delete"])
      assert.ok(actions.includes(`${action} carol panel`), actions.join());

    await press(page.locator("#shared"), "Verify audit");
    await page.getByText(`of the vault ${deleted.verified}`).waitFor();
  });
  const verified = await world.api("alice", "/audit/verified");
  assert.equal(verified.vault_id, inPython(world, "FROM_PAGE").verified);
});

test("a name that no secret can have is refused in the dialog, and can be mended there", async () => {
  await inPanel(world, {}, async (page) => {
    await press(page.locator("#shared"), "Set a secret");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("two words");
    await dialog.getByLabel("New value").fill(world.canaries.make());
    await press(dialog, "Continue");
    await dialog.getByRole("alert").filter({ hasText: "NAME_INVALID" }).waitFor();
    await dialog.getByLabel("Name").fill("ONE_WORD");
    await press(dialog, "Continue");
    await press(dialog, "Set it");
    await rowOf(page, SHARED, "ONE_WORD").waitFor();
  });
});

test("a secret that changed since it was proposed is not overwritten", async () => {
  await world.api("alice", "/shared/CONTESTED", { value: world.canaries.make() });
  await inPanel(world, {}, async (page) => {
    const row = rowOf(page, SHARED, "CONTESTED");
    await press(row, "Rotate");
    const dialog = page.getByRole("dialog");
    const mine = world.canaries.make();
    await dialog.getByLabel("New value").fill(mine);
    await press(dialog, "Continue");
    await dialog.getByRole("button", { name: "Rotate it" }).waitFor();
    const theirs = world.canaries.make();
    await world.api("alice", "/shared/CONTESTED", { value: theirs });
    await press(dialog, "Rotate it");
    await dialog.getByRole("alert").filter({ hasText: "CHANGED_SINCE_PROPOSED" }).waitFor();
    assert.ok(inPython(world, "CONTESTED").value === theirs);
    await dialog.getByLabel("New value").fill(mine);
    await press(dialog, "Continue");
    await press(dialog, "Rotate it");
    await dialog.waitFor({ state: "hidden" });
    assert.ok(inPython(world, "CONTESTED").value === mine);
  });
});

test("a form that is submitted twice is done once", async () => {
  await inPanel(world, {}, async (page) => {
    const proposed = () =>
      world.sql("SELECT count(*) AS n FROM secrets_audit WHERE action = 'propose'")[0]?.n;
    const before = Number(proposed());
    await press(page.locator("#shared"), "Set a secret");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("TWICE");
    await dialog.getByLabel("New value").fill(world.canaries.make());
    await dialog.locator("form").evaluate((form) => {
      for (let times = 0; times < 3; times += 1) /** @type {HTMLFormElement} */ (form).requestSubmit();
    });
    await press(dialog, "Set it");
    await dialog.waitFor({ state: "hidden" });
    await rowOf(page, SHARED, "TWICE").waitFor();
    assert.equal(proposed(), before + 1);
  });
});

test("an altered history is found, and a sound one is not", async () => {
  await inPanel(world, {}, async (page) => {
    const [event] = world.sql("SELECT id, user_id FROM secrets_audit WHERE action = 'set' LIMIT 1");
    const alter = (/** @type {string} */ actor) =>
      world.sql("UPDATE secrets_audit SET user_id = ? WHERE id = ?", actor, Number(event?.id));
    alter("mallory");
    try {
      await press(page.locator("#shared"), "Verify audit");
      await page.getByRole("alert").filter({ hasText: "AUDIT_TAMPERED" }).waitFor();
    } finally {
      alter(String(event?.user_id));
    }
    await press(page.locator("#shared"), "Verify audit");
    await page.getByText("The history is whole").waitFor();
    assert.equal(await page.getByText("AUDIT_TAMPERED").count(), 0);
  });
});

test("a forged event without a stream is shown as outside the chain, and verifying finds it", async () => {
  await inPanel(world, { expect: REQUEST_FAILED }, async (page) => {
    await setSecret(page, "WATCHED", world.canaries.make());
    const event = { namespace: "default", name: "WATCHED", action: "get", actor: "mallory" };
    const changeSet = {
      ...{ operation_id: "f".repeat(32), puts: [], deletes: [], checks: [], counters: [] },
      events: [{ ...event, outcome: "success", success: true }],
    };
    // The panel's token is enough for it; the key is not.
    const response = await fetch(`http://127.0.0.1:${world.backend.port}/panel/api/store/commit`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKENS.panel}`, "content-type": "application/json" },
      body: JSON.stringify({ change_set: changeSet }),
    });
    assert.equal(await response.json(), "committed");
    try {
      await press(rowOf(page, SHARED, "WATCHED"), "History");
      const rows = page.getByRole("dialog").getByRole("row");
      const forged = rows.filter({ hasText: "mallory" });
      assert.match(await forged.innerText(), /get\s+WATCHED\s+mallory\s+success\s+outside the chain/);
      assert.equal(await forged.locator(".badge.good").count(), 0, "it looks as if it were vouched for");
      const own = rows.filter({ hasText: "carol" });
      assert.ok((await own.count()) > 0);
      assert.equal(await own.filter({ hasText: "outside the chain" }).count(), 0);
      await page.keyboard.press("Escape");
      await press(page.locator("#shared"), "Verify audit");
      await page.getByRole("alert").filter({ hasText: "AUDIT_TAMPERED" }).waitFor();
    } finally {
      world.sql("DELETE FROM secrets_audit WHERE user_id = 'mallory'");
    }
    await press(page.locator("#shared"), "Verify audit");
    await page.getByText("The history is whole").waitFor();
  });
});

test("a backend that goes away: every part says so, nothing is lost, and trying again works when it is back", async () => {
  await inPanel(world, { expect: REQUEST_FAILED }, async (page) => {
    const value = world.canaries.make("aftr");
    await press(page.locator("#shared"), "Set a secret");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("AFTER_CRASH");
    await dialog.getByLabel("New value").fill(value);
    await press(dialog, "Continue");
    await dialog.getByRole("button", { name: "Set it" }).waitFor();
    await world.backend.stop();
    try {
      await press(dialog, "Set it");
      const alert = dialog.getByRole("alert");
      await alert.filter({ hasText: "STORAGE_FAILED" }).filter({ hasText: "UNREACHABLE" }).waitFor();
      await world.backend.start();
      await press(dialog, "Set it");
      await dialog.waitFor({ state: "hidden" });
      await rowOf(page, SHARED, "AFTER_CRASH").waitFor();
      const kept = inPython(world, "AFTER_CRASH");
      assert.deepEqual([kept.value === value, kept.version], [true, 1]);

      await world.backend.stop();
      const keys = page.locator("#keys");
      await press(keys, "Refresh");
      await keys.getByRole("alert").filter({ hasText: "UNREACHABLE" }).waitFor();
      const row = rowOf(page, SHARED, "AFTER_CRASH");
      await press(row, "Reveal");
      await row.getByRole("alert").filter({ hasText: "STORAGE_FAILED" }).waitFor();
      assert.equal(await rowOf(page, KEYS, "stripe").isVisible(), true, "what was there stays");
    } finally {
      await world.backend.stop();
      await world.backend.start();
    }
    await press(page.locator("#keys"), "Try again");
    await page.locator("#keys").getByRole("alert").waitFor({ state: "hidden" });
    const row = rowOf(page, SHARED, "AFTER_CRASH");
    await press(row, "Reveal");
    await shows(row, value);
    await row.getByRole("alert").waitFor({ state: "hidden" });
  });
});

test("a package that does not load is an error that can be tried again", async () => {
  for (const missing of ["**/strongroom-web/wasm/ts/index.js", "**/*.wasm"]) {
    await inPanel(world, { locked: true, expect: REQUEST_FAILED }, async (page, { context }) => {
      await context.route(missing, (route) => route.fulfill({ status: 404 }));
      await signIn(page);
      await unlock(page, world.keys.all);
      await page.getByRole("alert").filter({ hasText: "PACKAGE_MISSING" }).waitFor();
      await context.unrouteAll();
      await unlock(page, world.keys.all);
      await page.getByText("Unlocked with").waitFor();
    });
  }
});

test("no key, no value and no token went where they do not belong", () => {
  assertNothingLeaked(world);
});
