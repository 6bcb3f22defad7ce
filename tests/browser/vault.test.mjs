/** The vault in a browser: every operation in a page and in workers, over every kind of store, and what goes wrong. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { ERROR_CODES } from "../../node/lib/node/ts/index.js";
import { PLACES } from "./places.mjs";
import { openPage, serve } from "./serve.mjs";

const canary = `canary-${randomBytes(18).toString("base64url")}`;
const STORES = ["MemoryStore", "RowStore", "an object"];
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
  for (const store of STORES) {
    describe(`a vault in ${place}, over ${store}`, () => {
      test("every operation does what it says", async () => {
        const told = await does(chromium, { job: "operations", store, canary });
        const written = (name, version, created, namespace = "default") => ({
          namespace,
          name,
          version,
          created,
        });
        const without = ({ at, ...rest }) => {
          assert.ok(at instanceof Date && Math.abs(Date.now() - at) < 600_000);
          return rest;
        };
        assert.deepEqual(without(told.set), written("A", 1, true));
        assert.deepEqual(without(told.again), written("A", 2, false));
        assert.deepEqual(without(told.rotated), written("A", 3, false));
        assert.deepEqual(without(told.elsewhere), written("B", 1, true, "other"));
        assert.deepEqual([told.exists, told.missing], [true, false]);
        const { keyId, lastRotated, ...details } = told.details;
        assert.deepEqual(details, { namespace: "default", name: "A", version: 3, format: "sealed" });
        assert.match(keyId, /^[0-9a-f]{64}$/);
        assert.deepEqual(lastRotated, told.rotated.at);
        assert.deepEqual(told.revealed, [true, true]);
        assert.equal(told.masked, "****");
        assert.deepEqual(
          told.list.map(({ namespace, name, accessedCount }) => [namespace, name, accessedCount]),
          [
            ["default", "A", 1],
            ["other", "B", 0],
          ],
        );
        assert.deepEqual(told.listOther, [told.list[1]]);
        assert.deepEqual([told.proposed.change, told.proposed.exists], ["rotate", true]);
        assert.equal(told.proposed.masked, "cana****");
        assert.deepEqual([told.confirmed.repeated, told.confirmed.written.version], [false, 4]);
        assert.deepEqual(told.repeated, { ...told.confirmed, repeated: true });
        assert.equal(told.applied, true);
        assert.deepEqual(without(told.deleted), { ...written("B", undefined, false, "other") });
        assert.deepEqual(
          told.audit.map(({ action, outcome, platform }) => [action, outcome, platform]),
          told.audit.map(({ action }) => [action, "success", "page"]),
        );
        assert.equal(told.audit.length, 3);
        assert.deepEqual(Object.keys(told.census.keys), [keyId]);
        assert.equal(told.census.unreadable, 0);
        assert.deepEqual(told.adopted, { secrets: 0, events: 0 });
        assert.ok(told.report.events > 10 && told.report.streams === 2, JSON.stringify(told.report));
        assert.ok(!told.shown.includes(canary) && !told.shown.includes(canary.slice(7)), told.shown);
      });

      test("rules hold: roles and grants, grace, versions, ends, and a change of keys", async () => {
        const told = await does(chromium, { job: "rules", store, canary });
        const codes = ["denied", "revoked", "disabled", "expired", "stale", "lateIsStale"].map(
          (what) => told[what].code,
        );
        const denied = "PERMISSION_DENIED";
        const stale = "KEYRING_STALE";
        assert.deepEqual(codes, [denied, denied, "SECRET_DISABLED", "SECRET_EXPIRED", stale, stale]);
        assert.deepEqual([told.read, told.made], [true, true]);
        const [{ to, actions, until, grantedBy, grantedAt }] = told.grants;
        assert.deepEqual([to, actions, until, grantedBy], [{ user: "ann" }, ["write"], told.until, "sam"]);
        assert.ok(grantedAt instanceof Date);
        assert.deepEqual([told.rotated.version, told.rolledBack.version], [2, 3]);
        assert.deepEqual([told.previous.matches, told.previous.version], ["previous", 1]);
        assert.ok(told.previous.validUntil instanceof Date);
        assert.equal(told.over.accepted, false);
        assert.deepEqual([told.current.matches, told.current.version], ["current", 3]);
        assert.deepEqual(
          told.versions.map(({ number, reason, by }) => [number, reason, by]),
          [
            [3, "rollback", "sam"],
            [2, "rotation", "ann"],
            [1, "manual", "sam"],
          ],
        );
        const [{ standing, dueAt, lastRotated, notify }] = told.status.secrets;
        assert.deepEqual([standing, notify, dueAt - lastRotated], ["compliant", ["ops"], 30 * 86_400_000]);
        assert.deepEqual(told.purged, { secrets: 1, proposals: 0 });
        assert.deepEqual(told.rekeyed, { examined: 1, changed: 1, unreadable: 0 });
        assert.deepEqual([told.retired, told.keys], [["disabled", "destroyed"], 1]);
        assert.deepEqual([told.kept.fixed, told.kept.policy.rules[0].users], [false, ["alice"]]);
        assert.ok(told.report.events > 10);
        assert.ok(!told.shown.includes(canary.slice(7)), told.shown);
      });

      test("references in a tree are resolved; there are variables and files only where the vault is given some", async () => {
        const told = await does(chromium, { job: "resolve", store, canary });
        assert.deepEqual([told.revealed, told.rest], [true, ["INFO", "secret:A", 7]]);
        assert.deepEqual(told.given, [true, true]);
        assert.deepEqual([told.without.code, told.without.ours], ["REFERENCE_UNRESOLVED", true]);
        assert.match(told.without.message, /no environment here.*no files are read here/);
      });

      test("commands propose, and their buttons confirm and cancel", async () => {
        const { replies, kept, shown } = await does(chromium, { job: "commands", store, canary });
        assert.equal(kept, true);
        assert.deepEqual(
          replies.map(({ code, carriedValue }) => [code, carriedValue]),
          [
            [undefined, true],
            [undefined, false],
            [undefined, false],
            [undefined, true],
            ["CONFIRMATION_MISMATCH", false],
            [undefined, false],
            [undefined, false],
            [undefined, false],
            ["SECRET_NOT_FOUND", false],
            [undefined, false],
            ["COMMAND_INVALID", true],
          ],
        );
        assert.equal(replies[2].text, "C: cana****");
        assert.ok(replies.every(({ buttons }) => buttons.every(({ command }) => command.length <= 64)));
        assert.ok(!shown.includes(canary.slice(7)), shown);
      });

      test("errors carry their code and no value, and leave the vault as it was", async () => {
        const { refused, kept, report } = await does(chromium, { job: "errors", store, canary });
        assert.deepEqual(
          Object.entries(refused).map(([what, { code, message }]) => [
            what,
            code,
            code === undefined && message,
          ]),
          Object.keys(refused).map((what) => [what, what.split(":")[0], false]),
        );
        for (const { code, number, retryable, ours, shown } of Object.values(refused)) {
          assert.ok(ours, code);
          assert.deepEqual([number, retryable], [ERROR_CODES[code].number, ERROR_CODES[code].retryable]);
          assert.ok(!shown.includes(canary.slice(7)), shown);
        }
        assert.equal(refused.SECRET_NOT_FOUND.operation, "get");
        assert.equal(kept, true);
        assert.ok(report.events > 0);
      });

      test("a hundred operations at once give the right answers, and an unbroken history", async () => {
        const { right, versions, listed, report } = await does(chromium, { job: "together", store, canary });
        assert.equal(right, 100);
        const expected = listed.flatMap(({ name }) =>
          Array.from({ length: 10 }, (_, index) => `${name} ${index + 2}`),
        );
        assert.deepEqual(versions.sort(), expected.sort(), "each write made one version of its own");
        assert.deepEqual(
          listed.map(({ version, accessedCount }) => [version, accessedCount]),
          Array.from({ length: 10 }, () => [11, 10]),
        );
        assert.ok(report.events >= 210);
      });
    });
  }

  test(`a failing store in ${place}: its own exception is the cause, and nothing is half done`, async () => {
    const refused = await does(chromium, { job: "failures", canary });
    assert.equal(refused.length, 40);
    for (const { where, code, ours, operation, caused, kept, verified, shown } of refused) {
      assert.deepEqual(
        { code, ours, kept, verified },
        { code: "STORAGE_FAILED", ours: true, kept: true, verified: true },
        where,
      );
      assert.equal(operation, where.split(",")[0].replace("verifyAudit", "verify_audit"));
      assert.notEqual(caused, false, `${where}: the cause is another one`);
      assert.ok(!shown.includes(canary.slice(7)), where);
    }
    assert.equal(refused.filter(({ caused }) => caused).length, 24);
  });
}

test("nothing that was printed or sent holds the value", () => {
  const everything = () => JSON.stringify([chromium.printed, chromium.requests]);
  assert.ok(chromium.printed.length > 100);
  assert.ok(!everything().includes(canary.slice(7)));
});
