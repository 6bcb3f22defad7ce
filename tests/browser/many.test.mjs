/** Many secrets at once, imports and manifests in a browser, which has no environment. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { PLACES } from "./places.mjs";
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

for (const [place, does] of Object.entries(PLACES)) {
  test(`many secrets, imports and manifests in ${place}`, async () => {
    const told = await does(chromium, { job: "many", canary });
    assert.deepEqual(
      told.set.written.map(({ name, created }) => [name, created]),
      [
        ["A", true],
        ["B", true],
        ["C", true],
      ],
    );
    assert.deepEqual(
      [told.names, told.revealed],
      [
        ["C", "A"],
        [true, true],
      ],
    );
    assert.equal(told.missing.code, "SECRET_NOT_FOUND");
    assert.match(told.missing.message, /^2 problems, and nothing was done: \[1\]: /);
    assert.deepEqual(
      told.imported.written.map(({ namespace, name }) => [namespace, name]),
      [
        ["app", "D"],
        ["app", "E"],
      ],
    );
    assert.deepEqual([told.unreadable.code, told.unreadable.ours], ["INVALID_ARGUMENT", true]);
    assert.match(told.unreadable.message, /line 2: the quote is not closed/);
    assert.equal(told.environment.code, "UNSUPPORTED");
    assert.deepEqual(
      told.provided.entries.map(({ name, state, created }) => [name, state, created]),
      [
        ["A", "weak", false],
        ["MADE", "ok", true],
        ["LOG_LEVEL", "unchecked", false],
      ],
    );
    assert.deepEqual([told.checked.ok, told.checked.entries[0].weaknesses], [false, ["too_short"]]);
    assert.match(told.example, /\nLOG_LEVEL=info\n/);
    assert.deepEqual(told.again, [
      ["A", "secret"],
      ["MADE", "secret"],
      ["LOG_LEVEL", "plain"],
    ]);
    assert.equal(told.yaml.code, "UNSUPPORTED");
    for (const { code } of told.hostile)
      assert.ok(["MANIFEST_INVALID", "LIMIT_EXCEEDED"].includes(code), code);
    assert.ok(told.report.events > 10);
    assert.ok(!JSON.stringify([told, chromium.printed, chromium.requests]).includes(canary.slice(7)));
  });
}
