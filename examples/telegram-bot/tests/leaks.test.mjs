/** The detector of leaks proves itself: what it is used for in every scenario is worth nothing otherwise. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { Api } from "grammy";
import { Canaries } from "./leaks.mjs";
import { World, watch } from "./world.mjs";

const PLANTS = {
  plain: (/** @type {Buffer} */ value) => `text ${value} more`,
  "in part": (/** @type {Buffer} */ value) => `${value}`.slice(5, 13),
  "in JSON": (/** @type {Buffer} */ value) => JSON.stringify({ a: [`${value}`] }),
  hex: (/** @type {Buffer} */ value) => value.toString("hex"),
  "upper-case hex": (/** @type {Buffer} */ value) => value.toString("hex").toUpperCase(),
  base64: (/** @type {Buffer} */ value) => value.toString("base64"),
  "base64, 1 byte in": (/** @type {Buffer} */ value) => Buffer.from(`x${value}yz`).toString("base64"),
  "base64, 2 bytes in": (/** @type {Buffer} */ value) => Buffer.from(`xx${value}y`).toString("base64"),
  "base64, 300 bytes in": (/** @type {Buffer} */ value) =>
    Buffer.from(`${"x".repeat(300)}${value}`).toString("base64url"),
};

for (const [how, plant] of Object.entries(PLANTS)) {
  test(`a value is found: ${how}`, () => {
    const canaries = new Canaries();
    const value = Buffer.from(canaries.make());
    assert.notDeepEqual(canaries.found(plant(value)), []);
    assert.notDeepEqual(canaries.found(Buffer.from(plant(value))), []);
    assert.deepEqual(canaries.found(plant(Buffer.from(new Canaries().make()))), []);
  });
}

test("a leak is found in a call, in the log and on the console", async () => {
  const eye = watch({ mute: true });
  const world = new World();
  const value = await world.given("STRIPE_API_KEY");
  assert.deepEqual(world.leaks(eye.printed()), []);

  const call = { method: "sendMessage", payload: { chat_id: 1, text: `it is ${value}` } };
  world.telegram.calls.push(call);
  assert.deepEqual(world.leaks(eye.printed()), ["calls: canary 1 in plain"]);
  world.telegram.calls.pop();

  world.logged.push(Buffer.from(value).toString("base64"));
  assert.deepEqual(world.leaks(eye.printed()), ["log: canary 1 in base64, 0 bytes in"]);
  world.logged.pop();

  console.error(value);
  console.log(world.keyring.dangerousExport());
  eye.close();
  assert.deepEqual(world.leaks(eye.printed()), ["console: canary 0 in plain", "console: canary 1 in plain"]);
});

test("use of the network is found", async () => {
  const eye = watch();
  assert.throws(() => fetch("http://127.0.0.1:1/"));
  await new Promise((resolve) => request("http://127.0.0.1:1/").on("error", resolve).end());
  eye.close();
  assert.deepEqual([...new Set(eye.network)].sort(), ["a socket", "an HTTP request", "fetch"]);
});

test("the watch is where grammY's calls would go", async () => {
  const eye = watch();
  await assert.rejects(new Api("1:recorded", { apiRoot: "http://127.0.0.1:1" }).getMe());
  eye.close();
  assert.deepEqual([...new Set(eye.network)].sort(), ["a socket", "an HTTP request"]);
});
