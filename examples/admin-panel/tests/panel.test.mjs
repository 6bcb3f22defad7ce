/** What the panel shows: rows and secrets, masked and revealed; locking; what a page owes to its users. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
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
  settled,
  shows,
  signIn,
  unlock,
} from "./panel.mjs";
import { startWorld, TOKENS } from "./world.mjs";

/** @type {{ stripe: string, openai: string, old: string, smtp: string }} */
let values;
/** @type {import("./world.mjs").World} */
let world;

before(async () => {
  world = await startWorld();
  const make = (/** @type {string} */ prefix) => world.canaries.make(prefix);
  values = { stripe: make("sk_t"), openai: make("sk_o"), old: make("old_"), smtp: make("smtp") };
});

after(() => world?.stop());

test("an empty backend: both tables say so", async () => {
  await inPanel(world, {}, async (page) => {
    await page.getByText("No user has stored a key yet.").waitFor();
    await page.getByText("No secret is shared yet.").waitFor();
    await press(page.locator("#shared"), "Verify audit");
    await page.getByText("The history is whole").waitFor();
  });
});

describe("with what users stored", () => {
  /** @type {{ stripe: string, openai: string, old: string }} */
  let ids;

  before(async () => {
    const { id: stripe } = await world.api("alice", "/keys", { provider: "stripe", key: values.stripe });
    const { id: openai } = await world.api("bob", "/keys", { provider: "openai", key: values.openai });
    await world.api("alice", `/keys/${stripe}/sign`, { payload: "x" });
    await world.api("alice", "/shared/SMTP_PASSWORD", { value: values.smtp });
    const token = world.python(
      "print(json.dumps(Fernet(os.environ['KEY']).encrypt(os.environ['VALUE'].encode()).decode()))",
      { KEY: world.keys.fernet, VALUE: values.old },
    );
    ids = { stripe, openai, old: "0".repeat(32) };
    world.sql(
      "INSERT INTO api_keys (id, owner, provider, encrypted_key, created_at) VALUES (?, 'bob', 'mailgun', ?, '2025-03-01 10:00:00.000000')",
      ids.old,
      token,
    );
  });

  test("locked, it lists what can be known without a key", async () => {
    await inPanel(world, { locked: true }, async (page) => {
      await signIn(page);
      const row = rowOf(page, KEYS, "stripe");
      assert.match(await row.innerText(), /alice\s+stripe\s+.*2026|20\d\d.*sealed\s+[0-9a-f]{8}\s+locked/s);
      assert.match(
        await rowOf(page, KEYS, "mailgun").innerText(),
        /bob\s+mailgun.*2025.*never.*old format\s+locked/s,
      );
      assert.match(await rowOf(page, SHARED, "SMTP_PASSWORD").innerText(), /locked/);
      assert.ok(await page.getByRole("button", { name: "Set a secret" }).isDisabled());
      assert.equal(await row.getByRole("button").count(), 0);
      assert.equal(await page.evaluate(() => document.activeElement?.id), "key");
    });
  });

  test("unlocked, it decrypts users' keys: masked, revealed, copied", async () => {
    await inPanel(world, {}, async (page) => {
      for (const [provider, value] of /** @type {const} */ ([
        ["stripe", values.stripe],
        ["openai", values.openai],
        ["mailgun", values.old],
      ])) {
        const row = rowOf(page, KEYS, provider);
        await shows(row, `${value.slice(0, 4)}****`);
        await press(row, "Reveal");
        await shows(row, value);
        await press(row, "Hide");
        await shows(row, `${value.slice(0, 4)}****`);
        await press(row, "Copy");
        await page.getByRole("status").filter({ hasText: "Copied" }).waitFor();
        assert.ok(
          (await page.evaluate(() => navigator.clipboard.readText())) === value,
          "copied another value",
        );
      }
      assert.deepEqual(world.canaries.found(await everything(page)), []);
      await page.evaluate(() => navigator.clipboard.writeText(""));
    });
  });

  test("a shared secret is read when it is asked for, and its history says so", async () => {
    await inPanel(world, {}, async (page) => {
      const row = rowOf(page, SHARED, "SMTP_PASSWORD");
      assert.match(await row.innerText(), /••••/);
      await press(row, "Reveal");
      await shows(row, values.smtp);
      await press(row, "Hide");
      await shows(row, "smtp****");
      await press(row, "History");
      const history = page.getByRole("dialog");
      const latest = history.getByRole("row").nth(1);
      assert.match(await latest.innerText(), /get\s+SMTP_PASSWORD\s+carol \(panel\)\s+success/);
      await page.keyboard.press("Escape");
      await history.waitFor({ state: "hidden" });
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), "History");
    });
  });

  test("a revealed value hides after 30 seconds, when the window loses its focus, and when the page is hidden", async () => {
    await inPanel(world, { clock: "faked" }, async (page, { context }) => {
      const row = rowOf(page, KEYS, "stripe");
      const reveal = async () => {
        await press(row, "Reveal");
        await shows(row, values.stripe);
      };
      await reveal();
      await page.clock.fastForward(29_000);
      await shows(row, values.stripe);
      await page.clock.fastForward(1_500);
      await shows(row, "sk_t****");
      await page.getByRole("status").filter({ hasText: "Hidden again" }).waitFor();

      await reveal();
      const devtools = await context.newCDPSession(page);
      await devtools.send("Emulation.setFocusEmulationEnabled", { enabled: false });
      const other = await context.newPage();
      await other.bringToFront();
      await shows(row, "sk_t****");
      await other.close();
      await devtools.send("Emulation.setFocusEmulationEnabled", { enabled: true });
      await page.bringToFront();

      await reveal();
      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await shows(row, "sk_t****");
      assert.deepEqual(world.canaries.found(await everything(page)), []);
    });
  });

  test("it filters both tables", async () => {
    await inPanel(world, {}, async (page) => {
      await page.getByLabel("Filter").fill("ALICE");
      await page.getByText("1 of 3").waitFor();
      assert.equal(await rowOf(page, KEYS, "openai").isVisible(), false);
      assert.equal(await rowOf(page, SHARED, "SMTP_PASSWORD").isVisible(), true, "alice created it");
      await page.getByLabel("Filter").fill("nobody's");
      await page.getByText("None of 3 matches the filter.").waitFor();
      await page.getByLabel("Filter").fill("");
      assert.equal(await rowOf(page, KEYS, "openai").isVisible(), true);
    });
  });

  test("a wrong token is refused, and the field is empty again", async () => {
    await inPanel(world, { locked: true, expect: REQUEST_FAILED }, async (page) => {
      for (const token of ["nobody-0123456789-abcdef", "no header: \u{1F511}"]) {
        await signIn(page, token);
        await page.getByRole("alert").filter({ hasText: "UNAUTHORIZED" }).waitFor();
      }
      assert.equal(await page.getByLabel("Panel token").inputValue(), "");
      assert.equal(await page.evaluate(() => document.activeElement?.id), "token");
      await signIn(page);
      await page.getByLabel("Encryption key").waitFor();
    });
  });

  test("a wrong key is refused, and told which one is needed", async () => {
    const wrong = world.canaries.watch(Buffer.alloc(32, "wrong key").toString("base64"));
    await inPanel(world, { locked: true }, async (page) => {
      await signIn(page);
      const alert = page.getByRole("alert");
      for (const [text, code] of /** @type {const} */ ([
        ["a passphrase", "KEY_INVALID"],
        [wrong, "KEY_UNKNOWN"],
      ])) {
        await unlock(page, text);
        await alert.filter({ hasText: code }).waitFor();
        assert.equal(await page.getByLabel("Encryption key").inputValue(), "");
        assert.ok(!(await alert.innerText()).includes(text));
      }
      const [wanted] = world.python("print(json.dumps([key.id for key in keyring.keys]))");
      assert.ok((await alert.innerText()).includes(wanted.slice(0, 8)), "it names the key");
      await page.getByText("Locked", { exact: true }).waitFor();
      await unlock(page, world.keys.all);
      await page.getByText("Unlocked with").waitFor();
      assert.equal(await alert.filter({ hasText: "KEY" }).count(), 0);
    });
  });

  test("a value in another row does not open, whatever the backend says of it", async () => {
    world.sql(
      "INSERT INTO api_keys (id, owner, provider, encrypted_key, created_at) SELECT ?, 'bob', 'moved', encrypted_key, created_at FROM api_keys WHERE id = ?",
      "1".repeat(32),
      ids.stripe,
    );
    try {
      await inPanel(world, { locked: true }, async (page, { context }) => {
        // A backend that lies: it shows alice's row as bob's, with the words that it is bound to.
        await context.route("**/panel/api/secrets", async (route) => {
          const response = await route.fetch();
          const rows = await response.json();
          const lie = {
            ...rows.find((/** @type {any} */ row) => row.id === ids.stripe),
            owner: "bob",
            provider: "lie",
          };
          await route.fulfill({ response, json: [...rows, lie] });
        });
        await signIn(page);
        await unlock(page, world.keys.all);
        for (const provider of ["moved", "lie"]) {
          const row = rowOf(page, KEYS, provider);
          await row.getByText("NOT_AUTHENTIC").waitFor();
          assert.equal(await row.getByRole("button").count(), 0);
        }
        await shows(rowOf(page, KEYS, "stripe"), "sk_t****");
      });
    } finally {
      world.sql("DELETE FROM api_keys WHERE provider = 'moved'");
    }
  });

  test("names that are markup stay text", async () => {
    const hostile = `<img src=x onerror="globalThis.owned=1"><script>globalThis.owned=1</script>\u202E"'&lt;`;
    world.sql(
      "INSERT INTO api_keys (id, owner, provider, encrypted_key, created_at) SELECT ?, ?, ?, encrypted_key, created_at FROM api_keys WHERE id = ?",
      hostile,
      hostile,
      hostile,
      ids.stripe,
    );
    world.sql("INSERT INTO secrets (namespace, name) VALUES ('default', ?)", hostile);
    try {
      await inPanel(world, { locked: true }, async (page) => {
        await signIn(page, TOKENS.panel, hostile.slice(0, 64));
        const owner = rowOf(page, KEYS, "onerror").getByRole("cell").first();
        assert.equal(await owner.innerText(), hostile);
        assert.equal(await rowOf(page, SHARED, "onerror").getByRole("cell").first().innerText(), hostile);
        await unlock(page, world.keys.all);
        // The vault does not take a row that it did not write.
        await page.locator("#unlock").getByRole("alert").filter({ hasText: "RECORD_TAMPERED" }).waitFor();
        world.sql("DELETE FROM secrets WHERE name = ?", hostile);
        await unlock(page, world.keys.all);
        await page.getByText("Unlocked with").waitFor();
        await rowOf(page, KEYS, "onerror").getByText("NOT_AUTHENTIC").waitFor();
        assert.equal(await page.locator("main img, main script").count(), 0);
        assert.equal(await page.evaluate("globalThis.owned"), undefined);
      });
    } finally {
      world.sql("DELETE FROM api_keys WHERE owner = ?", hostile);
      world.sql("DELETE FROM secrets WHERE name = ?", hostile);
    }
  });

  test("locking ends the worker, and takes every value and open dialog from the page", async () => {
    await inPanel(world, {}, async (page) => {
      const row = rowOf(page, KEYS, "stripe");
      await press(row, "Reveal");
      await shows(row, values.stripe);
      assert.equal(page.workers().length, 1);
      await page.getByRole("button", { name: "Lock", exact: true }).click();
      await page.getByText("Locked", { exact: true }).waitFor();
      await row.getByText("locked").waitFor();
      assert.equal(page.workers().length, 0);
      assert.deepEqual(world.canaries.found(await everything(page)), []);
      assert.equal(await page.evaluate(() => document.activeElement?.id), "key");
      await unlock(page, world.keys.all);
      await shows(row, "sk_t****");
      await page.getByRole("button", { name: "Sign out" }).click();
      assert.equal(page.workers().length, 0);
      assert.equal(await rowOf(page, KEYS, "stripe").count(), 0);
      assert.equal(await page.evaluate(() => document.activeElement?.id), "token");
    });
  });

  test("it locks itself after 5 minutes without use, and use puts that off", async () => {
    await inPanel(world, { clock: "faked" }, async (page) => {
      await page.clock.fastForward(4 * 60_000);
      await page.keyboard.press("Shift");
      await page.clock.fastForward(4 * 60_000);
      await page.getByText("Unlocked with").waitFor();
      await press(rowOf(page, SHARED, "SMTP_PASSWORD"), "Rotate");
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("New value").fill(values.smtp);
      await page.clock.fastForward(5 * 60_000 + 1_000);
      await page.getByRole("status").filter({ hasText: "Locked, after 5 minutes without use." }).waitFor();
      assert.equal(await dialog.count(), 0);
      assert.equal(page.workers().length, 0);
      assert.deepEqual(world.canaries.found(await everything(page)), []);
    });
  });

  test("a key that a stalled backend keeps from unlocking is locked away like any other", async () => {
    await inPanel(world, { locked: true, clock: "faked" }, async (page, { context }) => {
      const alert = page.locator("#unlock").getByRole("alert");
      const locked = () => page.getByText("Locked", { exact: true }).waitFor();
      const signedOut = () => page.getByLabel("Panel token").waitFor();
      /** @type {[string, () => Promise<unknown>, () => Promise<void>][]} */
      const ways = [
        ["Lock", () => page.getByRole("button", { name: "Lock", exact: true }).click(), locked],
        ["5 minutes without use", () => page.clock.fastForward(5 * 60_000 + 1_000), locked],
        ["Sign out", () => page.getByRole("button", { name: "Sign out" }).click(), signedOut],
        ["leaving the page", () => page.evaluate("dispatchEvent(new Event('pagehide'))"), signedOut],
      ];
      for (const [way, act, isDone] of ways) {
        if (await page.getByLabel("Panel token").isVisible()) await signIn(page);
        await settled(page);
        let stalled = () => {};
        /** @type {Promise<void>} */
        const isStalled = new Promise((resolve) => {
          stalled = resolve;
        });
        await context.route("**/panel/api/store/*", () => stalled());
        await unlock(page, world.keys.all);
        await isStalled;
        await page.getByText("Unlocking", { exact: true }).waitFor();
        assert.equal(page.workers().length, 1, way);
        await act();
        await isDone();
        assert.equal(page.workers().length, 0, `${way}: the worker that has the key goes on`);
        assert.equal(await alert.isVisible(), false, way);
        assert.equal(await page.getByRole("button", { name: "Lock", exact: true }).isVisible(), false, way);
        await context.unrouteAll({ behavior: "ignoreErrors" });
        if (isDone === locked) await page.locator("#shared").getByRole("button", { name: "Refresh" }).click();
      }
      await signIn(page);
      await settled(page);
      await unlock(page, world.keys.all);
      await page.getByText("Unlocked with").waitFor();
    });
  });

  test("the keyboard is enough", async () => {
    const value = world.canaries.make("kbrd");
    await inPanel(world, { locked: true }, async (page) => {
      const { keyboard } = page;
      const focused = () =>
        page.evaluate(
          () =>
            document.activeElement?.ariaLabel ||
            document.activeElement?.id ||
            document.activeElement?.textContent,
        );
      /** Tabs on until this has the focus. @param {string} wanted */
      const tabTo = async (wanted) => {
        /** @type {unknown[]} */
        const passed = [];
        for (let times = 0; times < 60; times += 1) {
          await keyboard.press("Tab");
          const at = await focused();
          if (at === wanted) return;
          passed.push(at);
        }
        assert.fail(`no way to ${wanted}: ${passed.join(", ")}`);
      };
      await tabTo("token");
      await keyboard.type(TOKENS.panel);
      await tabTo("actor");
      await keyboard.type("carol");
      await keyboard.press("Enter");
      await page.getByLabel("Encryption key").waitFor();
      assert.equal(await focused(), "key");
      await keyboard.insertText(world.keys.all);
      await keyboard.press("Enter");
      await page.getByText("Unlocked with").waitFor();
      await settled(page);
      assert.equal(await focused(), "filter");
      const what = `the key of alice for stripe (${ids.stripe.slice(0, 8)})`;
      await tabTo(`Reveal ${what}`);
      await keyboard.press("Enter");
      await shows(rowOf(page, KEYS, "stripe"), values.stripe);
      assert.equal(await focused(), `Hide ${what}`);
      await keyboard.press("Space");
      await shows(rowOf(page, KEYS, "stripe"), "sk_t****");
      await tabTo("set");
      await keyboard.press("Enter");
      assert.equal(await focused(), "change-name");
      await keyboard.type("BY_KEYBOARD");
      await tabTo("change-value");
      await keyboard.type(value);
      await keyboard.press("Enter");
      await page.getByRole("button", { name: "Set it" }).waitFor();
      assert.equal(await focused(), "change-go");
      await keyboard.press("Enter");
      await rowOf(page, SHARED, "BY_KEYBOARD").waitFor();
      assert.equal(await focused(), "set");
      await tabTo("Delete BY_KEYBOARD");
      await keyboard.press("Enter");
      await page.getByRole("button", { name: "Delete it" }).waitFor();
      await keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      assert.equal(await focused(), "Delete BY_KEYBOARD");
      assert.ok(inPython(world, "BY_KEYBOARD").value === value);
    });
  });

  test("a narrow screen, light or dark, needs no sideways scrolling, and every field has its label", async () => {
    /** @type {string[]} */
    const backgrounds = [];
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await inPanel(world, { colorScheme, viewport: { width: 360, height: 740 } }, async (page) => {
        const row = rowOf(page, KEYS, "stripe");
        await press(row, "Reveal");
        const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.deepEqual(widths, [360, 360]);
        const labels = await page
          .locator("input")
          .evaluateAll((inputs) =>
            inputs.map((input) => /** @type {HTMLInputElement} */ (input).labels?.length),
          );
        assert.ok(labels.length > 0 && labels.every((count) => count === 1));
        backgrounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      });
    }
    assert.notEqual(backgrounds[0], backgrounds[1]);
  });
});

test("no key, no value and no token went where they do not belong", () => {
  assertNothingLeaked(world);
});
