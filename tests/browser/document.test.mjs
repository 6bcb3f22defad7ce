/** A vault in one text, in a browser: the kit passes it, and what one tab wrote, Node reads. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { DocumentStore, Keyring, Vault } from "../../node/lib/node/ts/index.js";
import { openPage, serve } from "./serve.mjs";

let server;
let chromium;

before(async () => {
  server = await serve(resolve(import.meta.dirname, "../.."));
  chromium = await openPage(server.origin, "/tests/browser/page.html");
});

after(async () => {
  await chromium?.close();
  server?.close();
});

test("the kit passes a document in the browser, and Node opens what was written there", async () => {
  const key = Keyring.generate().dangerousExport();
  const { passed, content } = await chromium.page.evaluate(async (key) => {
    const [{ init, DocumentStore, Keyring, Vault }, { checkStore }] = await Promise.all([
      import("/wasm/lib/wasm/ts/index.js"),
      import("/wasm/lib/wasm/ts/testing.js"),
    ]);
    await init();
    const place = () => {
      let kept;
      return {
        read: () => kept,
        write(content, tag) {
          if (tag !== kept?.tag) return "conflict";
          kept = { content, tag: (tag ?? 0) + 1 };
          return "written";
        },
      };
    };
    const passed = await checkStore(new DocumentStore(place()));
    const kept = place();
    const vault = new Vault({ keyring: Keyring.parse(key), store: new DocumentStore(kept) });
    await vault.set("A", "sk_test_abc123", { actor: "alice" });
    return { passed, content: new TextDecoder().decode(kept.read().content) };
  }, key);
  assert.equal(passed.length, 15);
  let written = { content: new TextEncoder().encode(content), tag: 1 };
  const store = new DocumentStore({
    read: () => written,
    write: (content, tag) => {
      written = { content, tag: tag + 1 };
      return "written";
    },
  });
  const vault = new Vault({ keyring: Keyring.parse(key), store });
  assert.equal((await vault.get("A", { actor: "alice" })).reveal(), "sk_test_abc123");
});
