/** Export and import in a browser: `strongroom-web/archive`, to Node and to the stock `age` and back. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { Keyring, MemoryStore, Vault } from "../../node/lib/node/ts/index.js";
import { openPage, serve } from "./serve.mjs";

const CANARY = "canary-7f3a9c51e2-plaintext";
const folder = mkdtempSync(join(tmpdir(), "strongroom-archives-"));
const keyFile = join(folder, "key.txt");
const passphrase = "correct horse battery staple";
let server;
let chromium;
let recipients;
let identities;

before(async () => {
  execFileSync("age-keygen", ["-o", keyFile], { stdio: "ignore" });
  recipients = [execFileSync("age-keygen", ["-y", keyFile], { encoding: "utf8" }).trim()];
  identities = [readFileSync(keyFile, "utf8")];
  server = await serve(resolve(import.meta.dirname, "../.."));
  chromium = await openPage(server.origin, "/tests/browser/page.html");
});

after(async () => {
  await chromium?.close();
  server?.close();
  rmSync(folder, { recursive: true });
});

/** What comes of an export or an import in the page; a file as numbers. */
async function inPage(given) {
  return await chromium.page.evaluate(
    async ({ loads, value, data, ...options }) => {
      const [{ init, Keyring, MemoryStore, Vault }, { initArchives }] = await Promise.all([
        import("/wasm/lib/wasm/ts/index.js"),
        import("/wasm/lib/wasm/ts/archive.js"),
      ]);
      await init();
      if (loads) await initArchives();
      const vault = new Vault({ keyring: Keyring.generate(), store: new MemoryStore() });
      try {
        if (data === undefined) {
          await vault.set("A", value, { actor: "alice" });
          return { file: [...(await vault.export({ actor: "alice", ...options }))] };
        }
        const { secrets } = await vault.import(new Uint8Array(data), { actor: "bob", ...options });
        await vault.verifyAudit({ actor: "bob" });
        return { secrets, value: (await vault.get("A", { actor: "bob" })).reveal() };
      } catch ({ code, message }) {
        const [event] = await vault.audit({ actor: "bob" });
        return { code, message, recorded: `${event?.action} ${event?.code}` };
      }
    },
    { loads: true, value: CANARY, ...given },
  );
}

test("without its module an export says how to load it", async () => {
  const { code, message } = await inPage({ loads: false, recipients });
  assert.equal(code, "UNSUPPORTED");
  assert.match(message, /initArchives/);
});

test("what a page exports, the stock age and Node open", async () => {
  const { file } = await inPage({ recipients });
  const archive = execFileSync("age", ["-d", "-i", keyFile], { input: Buffer.from(file) });
  assert.ok(archive.includes(Buffer.from(CANARY).toString("base64")));
  const vault = new Vault({ keyring: Keyring.generate(), store: new MemoryStore() });
  await vault.import(Buffer.from(file), { actor: "bob", identities });
  assert.equal((await vault.get("A", { actor: "bob" })).reveal(), CANARY);
});

test("what Node exports for a passphrase, a page opens with that and with no other", async () => {
  const vault = new Vault({ keyring: Keyring.generate(), store: new MemoryStore() });
  await vault.set("A", CANARY, { actor: "alice" });
  const data = [...(await vault.export({ actor: "alice", passphrase }))];
  const { secrets, value } = await inPage({ data, passphrase });
  assert.deepEqual([value, secrets[0].outcome], [CANARY, "created"]);
  const { code, message, recorded } = await inPage({ data, passphrase: `${passphrase}!` });
  assert.deepEqual([code, recorded], ["BACKUP_INVALID", "import BACKUP_INVALID"]);
  assert.match(message, /passphrase is wrong/);
});
