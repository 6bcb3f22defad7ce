/** What a vault in a browser has seen, and what is unusual of it. */
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
  test(`metrics and rules of access in ${place}`, async () => {
    const { found, page, misspelled } = await does(chromium, { job: "metrics", canary });
    assert.deepEqual(found, [
      ["first_reader", "alice", "A", 1, true],
      ["denied_burst", "mallory", "A", 2, true],
    ]);
    const lines = page.split("\n");
    for (const sample of [
      'secret_access_total{result="success"} 3',
      'secret_access_total{result="denied"} 3',
      'events_total{action="get",result="success"} 2',
      'access_findings_total{rule="denied_burst"} 1',
    ])
      assert.ok(lines.includes(`strongroom_${sample}`), page);
    assert.deepEqual([misspelled.code, misspelled.ours], ["INVALID_ARGUMENT", true]);
    assert.ok(!page.includes(canary));
  });
}
