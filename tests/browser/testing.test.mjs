/** The conformance kit in a browser: `strongroom-web/testing` passes right stores and catches a broken one. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
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

/** What the kit says of a store, in the page. */
async function checked(kind) {
  return await chromium.page.evaluate(async (kind) => {
    const [{ init, MemoryStore, StrongroomError }, { checkStore, StoreContractError }, { RowStore }] =
      await Promise.all([
        import("/wasm/lib/wasm/ts/index.js"),
        import("/wasm/lib/wasm/ts/testing.js"),
        import("/tests/browser/rows.js"),
      ]);
    await init();
    const replaced = (methods) => {
      const store = new MemoryStore();
      const right = ["load", "list", "commit", "events"].map((name) => [name, store[name].bind(store)]);
      return { ...Object.fromEntries(right), ...methods(store) };
    };
    const gone = new Error("the tab was closed");
    const stores = {
      "in memory": () => new MemoryStore(),
      "of rows": () => new RowStore(),
      "without a cursor": () => replaced((store) => ({ list: (query) => store.list(query, null) })),
      "that rejects": () => replaced(() => ({ commit: () => Promise.reject(gone) })),
    };
    try {
      return { passed: await checkStore(stores[kind]()) };
    } catch (error) {
      const { code, failures, passed, message } = error;
      const is = { broken: error instanceof StoreContractError, failed: error instanceof StrongroomError };
      return { ...is, code, failures, passed, message, caused: error.cause === gone };
    }
  }, kind);
}

for (const kind of ["in memory", "of rows"]) {
  test(`a store ${kind} passes`, async () => {
    const { passed, message } = await checked(kind);
    assert.equal(new Set(passed).size, 15, message);
  });
}

test("a store that loses the cursor of a list is told so", async () => {
  const { broken, failures, passed, message } = await checked("without a cursor");
  assert.equal(broken, true, message);
  assert.deepEqual(
    failures.map(({ check }) => check),
    ["cursors", "lookups"],
  );
  assert.match(failures[0].says, /^the pages of `list` do not give every record once: a cursor was lost$/);
  const lines = failures.map(({ check, says }) => `\n  ${check}: ${says}`);
  assert.equal(message, `the store breaks the storage contract:${lines.join("")}`);
  assert.equal(passed.length, 13);
});

test("what a store rejects with is the cause", async () => {
  const { failed, code, caused, message } = await checked("that rejects");
  assert.deepEqual([failed, code, caused], [true, "STORAGE_FAILED", true], message);
});
