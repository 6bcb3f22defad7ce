/** One vault, two hosts: rows that a page wrote open in Node, and rows that Node wrote open in a page. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import * as node from "../../node/lib/node/ts/index.js";
import { behaviour } from "../../node/tests/behaviour.mjs";
import { inPage, inWorker } from "./places.mjs";
import { RowStore } from "./rows.js";
import { openPage, serve } from "./serve.mjs";

const alice = { actor: { id: "alice", platform: "page" } };
const key = randomBytes(32).toString("base64");
const values = { A: "sk_test_abc123", B: "z\u00fcrich \u{1F511}\n", "C.d/e-f_g": "x".repeat(65_536) };
let server;
let chromium;

before(async () => {
  server = await serve(resolve(import.meta.dirname, "../.."));
  chromium = await openPage(server.origin, "/tests/browser/page.html");
  await chromium.page.evaluate(() => window.strongroom.init());
});

after(async () => {
  await chromium?.close();
  server?.close();
});

behaviour("the rows that these tests keep", () => new RowStore());
behaviour("a MemoryStore in a page", storeInPage);

/** A store whose callbacks are those of a store in the page. */
async function storeInPage() {
  const handle = await chromium.page.evaluateHandle(() => new window.strongroom.MemoryStore());
  const call =
    (method) =>
    async (...given) =>
      JSON.parse(
        await handle.evaluate(
          async (store, { method, given }) => JSON.stringify(await store[method](...JSON.parse(given))),
          { method, given: JSON.stringify(given) },
        ),
      );
  return { load: call("load"), list: call("list"), commit: call("commit"), events: call("events") };
}

/** The same job in Node, with Node's package. */
async function inNode(_, given) {
  const { run } = await import("./work.js");
  return await run({ ...node, init: async () => {} }, given);
}

const PAIRS = [
  ["a page", inPage, "Node", inNode],
  ["Node", inNode, "a page", inPage],
  ["a module worker", inWorker, "Node", inNode],
  ["Node", inNode, "a module worker", inWorker],
];

for (const [writer, writes, reader, reads] of PAIRS) {
  describe(`rows from ${writer} to ${reader}`, () => {
    test("every value, the history and a waiting proposal", async () => {
      const { rows, id, report } = await writes(chromium, { job: "write", key, values });
      const read = await reads(chromium, { job: "read", key, rows, values, id });
      // The verification is an event itself.
      assert.deepEqual(read.report, { ...report, events: report.events + 1 });
      assert.deepEqual(read.same, Object.keys(values));
      assert.equal(read.confirmed, true);
      assert.equal(read.written.version, 2);
      assert.equal(read.after.vaultId, report.vaultId);
      assert.ok(read.after.events > read.report.events);
      const back = new node.Vault({ keyring: node.Keyring.parse(key), store: RowStore.from(read.rows) });
      assert.equal((await back.get("A", alice)).reveal(), "proposed there");
      assert.equal((await back.verifyAudit(alice)).events, read.after.events + 2);
    });

    test("a row that was altered, moved or dropped on the way is refused", async () => {
      const { rows } = await writes(chromium, { job: "write", key, values });
      const secretOf = (copy, name) =>
        copy.records.find((each) => each.key.kind === "secret" && each.key.name === name);
      const alterations = {
        "an altered value": [
          (copy) => {
            const { columns } = secretOf(copy, "A");
            columns.value_encrypted = `${columns.value_encrypted.slice(0, -2)}${columns.value_encrypted.endsWith("AA") ? "BB" : "AA"}`;
          },
          "RECORD_TAMPERED",
          "RECORD_TAMPERED",
        ],
        "a value from another secret": [
          (copy) => {
            secretOf(copy, "A").columns.value_encrypted = secretOf(copy, "B").columns.value_encrypted;
          },
          "RECORD_TAMPERED",
          "RECORD_TAMPERED",
        ],
        "an event with another actor": [
          (copy) => {
            copy.events.find((event) => event.name === "A").actor = "mallory";
          },
          undefined,
          "AUDIT_TAMPERED",
        ],
        "a dropped event": [
          (copy) => {
            copy.events.splice(1, 1);
          },
          undefined,
          "AUDIT_TAMPERED",
        ],
        "no head": [
          (copy) => {
            copy.records = copy.records.filter((record) => record.key.kind !== "head");
          },
          "VAULT_HEAD_MISSING",
          "VAULT_HEAD_MISSING",
        ],
      };
      for (const [what, [alter, onGet, onVerify]] of Object.entries(alterations)) {
        const copy = structuredClone(rows);
        alter(copy);
        const [get, verify] = await reads(chromium, { job: "examine", key, rows: copy });
        assert.equal(verify.code, onVerify, what);
        assert.equal(get.code, onGet ?? "nothing was thrown", what);
      }
    });
  });
}

test("another key opens nothing, in the page and in Node", async () => {
  const { rows } = await inPage(chromium, { job: "write", key, values });
  for (const reads of [inPage, inNode]) {
    const [get, verify] = await reads(chromium, {
      job: "examine",
      key: randomBytes(32).toString("base64"),
      rows,
    });
    assert.deepEqual([get.code, verify.code], ["KEY_UNKNOWN", "KEY_UNKNOWN"]);
  }
});
