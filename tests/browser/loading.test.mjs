/** How the package is loaded, what it keeps in its memory, and what is left of a worker that was ended. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { needles, scan } from "../../node/tests/canary.mjs";
import { inInlinedWorker, inPage, inWorker } from "./places.mjs";
import { openPage, serve } from "./serve.mjs";

const canary = `canary-${randomBytes(18).toString("base64url")}`;
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

test("before init everything says what to do", async () => {
  const said = await chromium.page.evaluate((canary) => {
    const { Keyring, Secret, Vault, mask } = window.strongroom;
    const store = { load() {}, list() {}, commit() {}, events() {} };
    const calls = [
      () => Keyring.generate(),
      () => Keyring.parse(canary),
      () => Secret.of(canary),
      () => mask(canary),
      () => new Vault({ keyring: undefined, store }),
    ];
    return calls.map((call) => {
      try {
        return [`${call()}`];
      } catch (error) {
        return [error.code, error.message];
      }
    });
  }, canary);
  for (const [code, message] of said) {
    assert.equal(code, "UNSUPPORTED");
    assert.match(message, /await init\(\)/);
  }
});

test("a store in memory needs no init", async () => {
  const page = await chromium.page.evaluate(() =>
    new window.strongroom.MemoryStore().list({ kind: "secret", namespace: null, limit: 1 }, null),
  );
  assert.deepEqual(page, { items: [], cursor: null });
});

test("init again changes nothing: what was made before goes on", async () => {
  const same = await chromium.page.evaluate(async (canary) => {
    const { init, Keyring, MemoryStore, Vault } = window.strongroom;
    await Promise.all([init(), init(), init()]);
    const vault = new Vault({ keyring: Keyring.generate(), store: new MemoryStore() });
    await vault.set("A", canary, { actor: "alice" });
    const under = vault.get("A", { actor: "alice" });
    await Promise.all([init(), init("/missing.wasm")]);
    const before = (await under).reveal() === canary;
    return [before, (await vault.get("A", { actor: "alice" })).reveal() === canary];
  }, canary);
  assert.deepEqual(same, [true, true]);
});

test("a worker is given the module that the page has compiled", async () => {
  const { done, fetched } = await chromium.page.evaluate(async (canary) => {
    const source = await WebAssembly.compileStreaming(fetch("/wasm/lib/wasm/pkg/strongroom_wasm_bg.wasm"));
    const worker = new Worker("/tests/browser/worker.js", { type: "module" });
    return await window.answered(worker, { job: "commands", canary, source });
  }, canary);
  assert.equal(done.kept, true);
  assert.equal(fetched, 0);
});

test("a forged object is no Secret and no Keyring, and what is no text and no bytes is no value", async () => {
  const codes = await chromium.page.evaluate(async () => {
    const { Keyring, MemoryStore, Secret, Vault } = window.strongroom;
    const [keyring, store] = [Keyring.generate(), new MemoryStore()];
    const vault = new Vault({ keyring, store });
    const code = async (call) => {
      try {
        await call();
      } catch (error) {
        return error.code;
      }
    };
    return [
      await code(() => new Vault({ keyring: Object.create(Keyring.prototype), store })),
      await code(() => vault.set("A", Object.create(Secret.prototype), { actor: "alice" })),
      await code(() => vault.set("A", new String("text"), { actor: "alice" })),
      await code(() => vault.set("A", new ArrayBuffer(8), { actor: "alice" })),
    ];
  });
  assert.deepEqual(codes, Array(4).fill("INVALID_ARGUMENT"));
});

for (const [place, does] of [
  ["a module worker", inWorker],
  ["an inlined worker", inInlinedWorker],
]) {
  test(`the memory of ${place} holds a value only while something holds it`, async () => {
    const found = await does(chromium, { job: "memory", canary });
    const { "while a secret is held": held, ...others } = found;
    assert.ok(held > 0, "the search finds what is there");
    assert.deepEqual(
      Object.entries(others).filter(([, count]) => count > 0),
      [],
    );
    assert.equal(Object.keys(others).length, 8);
  });
}

/**
 * Rotates in a worker whose store is in the page, and ends the worker at its n-th request: before the store has answered, or after.
 * Gives what is there afterwards, or nothing when there was no such request.
 */
async function endedAt({ page }, request, when) {
  return await page.evaluate(
    async ({ request, when, canary }) => {
      const { RowStore } = await import("/tests/browser/rows.js");
      const { init, Keyring, Vault } = window.strongroom;
      await init();
      const [store, alice] = [new RowStore(), { actor: "alice" }];
      const key = Keyring.generate().dangerousExport();
      const vault = new Vault({ keyring: Keyring.parse(key), store });
      await vault.set("A", canary, alice);
      const script = `
        import { init, Keyring, Vault } from "${location.origin}/wasm/lib/wasm/ts/index.js";
        const waiting = [];
        const call = (method) => (...given) => new Promise((resolve) => {
          waiting.push(resolve);
          postMessage({ method, given });
        });
        addEventListener("message", async ({ data }) => {
          if ("answer" in data) return waiting.shift()(data.answer);
          await init();
          const store = { load: call("load"), list: call("list"), commit: call("commit"), events: call("events") };
          const vault = new Vault({ keyring: Keyring.parse(data.key), store });
          await vault.rotate("A", data.value, { actor: "alice" });
          postMessage({ done: true });
        });`;
      const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })), {
        type: "module",
      });
      const ended = await new Promise((resolve, reject) => {
        let requests = 0;
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = async ({ data }) => {
          if (data.done) return resolve("by itself");
          requests += 1;
          if (requests === request && when === "before") return resolve(data.method);
          const answer = await store[data.method](...data.given);
          if (requests === request) return resolve(data.method);
          worker.postMessage({ answer });
        };
        worker.postMessage({ key, value: `${canary}2` });
      });
      worker.terminate();
      const value = (await vault.get("A", alice)).reveal();
      const { version } = await vault.rotate("A", `${canary}3`, alice);
      const { events } = await vault.verifyAudit(alice);
      return { ended, which: [canary, `${canary}2`].indexOf(value), version, events };
    },
    { request, when, canary },
  );
}

for (const when of ["before", "after"]) {
  test(`a worker ended ${when} any of its requests leaves the old value or the new one, and the page goes on`, async () => {
    const ends = [];
    for (let request = 1; ends.at(-1)?.ended !== "by itself"; request += 1) {
      ends.push(await endedAt(chromium, request, when));
    }
    const commit = ends.findIndex(({ ended }) => ended === "commit");
    assert.ok(commit > 0 && ends.length > commit + 1, JSON.stringify(ends));
    for (const [at, { which, version, events }] of ends.entries()) {
      const isNew = at > commit || (at === commit && when === "after");
      assert.deepEqual([which, version], isNew ? [1, 3] : [0, 2], JSON.stringify(ends));
      assert.ok(events >= 4);
    }
  });
}

test("nothing that was printed or sent holds the value in any encoding, and the search finds a planted leak", async () => {
  for (const place of [inPage, inWorker, inInlinedWorker]) {
    for (const job of ["operations", "commands", "errors"]) await place(chromium, { job, canary });
  }
  const everything = () => Buffer.from(JSON.stringify([chromium.printed, chromium.requests]));
  assert.deepEqual(scan(everything(), canary), []);
  assert.ok(
    chromium.printed.some((text) => text.includes("SECRET_NOT_FOUND") || text.includes("StrongroomError")),
  );
  assert.ok(
    chromium.requests.every(({ url, body }) => new URL(url).origin === server.origin && body === null),
  );
  for (const [encoding, needle] of needles(canary)) {
    const printed = chromium.page.waitForEvent("console");
    await chromium.page.evaluate((text) => {
      const script = new Blob([`console.log(${JSON.stringify(text)})`], { type: "text/javascript" });
      new Worker(URL.createObjectURL(script));
    }, needle.toString("latin1"));
    await printed;
    assert.ok(scan(Buffer.from(chromium.printed.join("\n"), "latin1"), canary).includes(encoding), encoding);
  }
});
