/**
 * The README's browser block in headless Chromium, in a page that has what the block speaks of: a key, a token, a store.
 *
 * Usage: node tests/readme_page.mjs FOLDER. The folder holds `readme.js`, and strongroom-web in its node_modules.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { openPage, serve } from "./browser/serve.mjs";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: node tests/readme_page.mjs FOLDER");

const PACKAGE = "/node_modules/strongroom-web";
const { exports } = JSON.parse(readFileSync(join(folder, PACKAGE, "package.json"), "utf8"));
const imports = { "strongroom-web": posix.join(PACKAGE, exports["."].default) };

const SETTING = `
import { init, Keyring, MemoryStore, Vault } from "strongroom-web";

try {
  await init();
  const keyring = Keyring.generate();
  const store = new MemoryStore();
  await new Vault({ keyring, store }).set("STRIPE_API_KEY", "sk_test_abc123", { actor: "alice" });
  const token = keyring.encrypt("hunter2", { associatedData: "user:42" });
  Object.assign(globalThis, { keyText: keyring.dangerousExport(), token, store });
  await import("/readme.js");
} catch (error) {
  window.failed = String(error);
}
window.loaded = true;
`;

writeFileSync(
  join(folder, "readme.html"),
  `<!doctype html><meta charset="utf-8"><title>README</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">${SETTING}</script>
`,
);

const server = await serve(folder);
try {
  const chromium = await openPage(server.origin, "/readme.html");
  const failed = await chromium.page.evaluate(() => window.failed);
  await chromium.close();
  if (failed !== undefined) throw new Error(failed);
  if (chromium.printed.length > 0) console.log(chromium.printed.join("\n"));
} finally {
  server.close();
}
