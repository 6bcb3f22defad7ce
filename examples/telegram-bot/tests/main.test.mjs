/** The bot as a process: how it starts, waits and ends, and that neither its token nor its key is ever printed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Canaries } from "./leaks.mjs";
import { ADA, BOT_INFO } from "./telegram.mjs";

const MAIN = fileURLToPath(new URL("../main.mjs", import.meta.url));
const OUT_OF_REACH = /^Telegram is out of reach \(.*\): trying again until it answers\.$/m;
const LISTENING = /^@strongroom_example_bot is listening to 1 user\(s\)\.$/m;

/** @typedef {Awaited<ReturnType<typeof start>>} Running */

/**
 * Starts the bot, runs `play`, and gives how it ended: by itself, or by the signal that `play` sent.
 *
 * @param {string} apiRoot
 * @param {(bot: Running) => unknown} play
 * @param {string} [before]  a program that the process runs before the bot
 */
async function run(apiRoot, play, before) {
  const bot = start(apiRoot, before);
  const closed = once(bot.child, "close");
  try {
    await play(bot);
    const [code, signal] = await Promise.race([closed, wait(15_000, ["still running"], { ref: false })]);
    return { code, signal, output: bot.output(), leaks: bot.canaries.found(bot.output()) };
  } finally {
    bot.child.kill("SIGKILL");
    await closed;
    rmSync(bot.folder, { recursive: true });
  }
}

/** @param {string} apiRoot @param {string} [before] */
function start(apiRoot, before) {
  const folder = mkdtempSync(join(tmpdir(), "strongroom-main-"));
  const canaries = new Canaries();
  const random = randomBytes(26).toString("base64url");
  const env = {
    PATH: process.env.PATH,
    TELEGRAM_BOT_TOKEN: canaries.watch(`${BOT_INFO.id}:${random}`),
    ENCRYPTION_KEY: canaries.watch(randomBytes(32).toString("base64")),
    TELEGRAM_API_ROOT: apiRoot,
    ALLOWED_USERS: String(ADA.id),
    DATABASE: join(folder, "bot.db"),
    // What operators turn on when Telegram is out of reach.
    DEBUG: "grammy*",
  };
  const first =
    before === undefined ? [] : ["--import", `data:text/javascript,${encodeURIComponent(before)}`];
  const child = spawn(process.execPath, [...first, MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      output += text;
    });
  }
  return { child, canaries, folder, output: () => output, says };

  /** Waits until the bot has printed something. @param {RegExp} words */
  async function says(words) {
    const deadline = Date.now() + 10_000;
    while (output.search(words) < 0) {
      assert.ok(Date.now() < deadline && child.exitCode === null, `the bot says ${words}, not:\n${output}`);
      await wait(10);
    }
  }
}

/** Where nobody listens. */
async function closedPort() {
  const server = createSocketServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const root = rootOf(server);
  server.close();
  await once(server, "close");
  return root;
}

/** @param {import("node:net").Server} server */
function rootOf(server) {
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
}

/**
 * A Bot API server that knows the bot. Gives its address to `use`.
 *
 * @param {(response: import("node:http").ServerResponse, times: number) => unknown} getUpdates
 *   answers, or does not; `times` it was called
 * @param {(apiRoot: string) => Promise<void>} use
 */
async function withServer(getUpdates, use) {
  let times = 0;
  const server = createServer((request, response) => {
    const method = request.url?.split("/").at(-1);
    if (method === "getUpdates") getUpdates(response, ++times);
    else answer(response, 200, { ok: true, result: method === "getMe" ? BOT_INFO : true });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use(rootOf(server));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** @param {import("node:http").ServerResponse} response @param {number} status @param {object} body */
function answer(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** @param {Awaited<ReturnType<typeof run>>} ended */
function assertStopped({ code, signal, output, leaks }) {
  assert.deepEqual({ code, signal, leaks }, { code: 0, signal: null, leaks: [] }, output);
  assert.match(output, /^The bot has stopped\.$/m);
}

for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"])) {
  test(`${signal} stops a bot that never reached Telegram, and nothing leaks`, async () => {
    const ended = await run(await closedPort(), async ({ child, says }) => {
      await says(OUT_OF_REACH);
      await wait(1000);
      child.kill(signal);
    });
    assertStopped(ended);
    assert.deepEqual(
      ended.output.split("\n").filter((line) => OUT_OF_REACH.test(line)),
      [
        "Telegram is out of reach (Network request for 'getMe' failed: ECONNREFUSED): trying again until it answers.",
      ],
      "once, however often it tries",
    );
  });
}

test("SIGTERM stops a bot that listens, and Telegram is asked a last time", async () => {
  let asked = 0;
  const getUpdates = (
    /** @type {import("node:http").ServerResponse} */ response,
    /** @type {number} */ times,
  ) => {
    asked = times;
    if (times > 1) answer(response, 200, { ok: true, result: [] });
  };
  await withServer(getUpdates, async (apiRoot) => {
    const ended = await run(apiRoot, async ({ child, says }) => {
      await says(LISTENING);
      while (asked === 0) await wait(10);
      child.kill("SIGTERM");
    });
    assertStopped(ended);
    assert.equal(asked, 2);
    assert.doesNotMatch(ended.output, OUT_OF_REACH);
  });
});

test("SIGTERM stops a bot that has lost Telegram, and nothing leaks", async () => {
  await withServer(
    (response) => response.destroy(),
    async (apiRoot) => {
      const ended = await run(apiRoot, async ({ child, says }) => {
        await says(OUT_OF_REACH);
        child.kill("SIGTERM");
      });
      assertStopped(ended);
      assert.match(ended.output, /'getUpdates' failed: ECONNRESET/);
    },
  );
});

test("SIGTERM stops a bot that Telegram leaves without an answer", async () => {
  await withServer(
    () => {},
    async (apiRoot) => {
      const ended = await run(apiRoot, async ({ child, says }) => {
        await says(LISTENING);
        child.kill("SIGTERM");
      });
      assertStopped(ended);
    },
  );
});

test("the bot says when Telegram is back", async () => {
  const getUpdates = (
    /** @type {import("node:http").ServerResponse} */ response,
    /** @type {number} */ times,
  ) =>
    times === 1
      ? answer(response, 502, { ok: false, error_code: 502, description: "Bad Gateway" })
      : setTimeout(() => answer(response, 200, { ok: true, result: [] }), 100);
  await withServer(getUpdates, async (apiRoot) => {
    const ended = await run(apiRoot, async ({ child, says }) => {
      await says(/^Telegram is back\.$/m);
      child.kill("SIGTERM");
    });
    assertStopped(ended);
    assert.match(ended.output, /^Telegram is out of reach \(getUpdates: 502\): trying again/m);
  });
});

test("a refused token ends the bot with a sentence, without the token", async () => {
  const getUpdates = (/** @type {import("node:http").ServerResponse} */ response) =>
    answer(response, 401, { ok: false, error_code: 401, description: "Unauthorized" });
  await withServer(getUpdates, async (apiRoot) => {
    const { code, output, leaks } = await run(apiRoot, () => {});
    assert.deepEqual({ code, leaks }, { code: 1, leaks: [] }, output);
    assert.match(output, /^The bot can't run\. Telegram refused getUpdates: 401 Unauthorized$/m);
  });
});

const LEAKY = `Object.assign(new TypeError(process.env.TELEGRAM_BOT_TOKEN), { key: process.env.ENCRYPTION_KEY })`;

for (const [what, thrown] of [
  ["a rejection that nobody handles", `Promise.reject(${LEAKY})`],
  ["an exception that nobody catches", `throw ${LEAKY}`],
]) {
  test(`${what} ends the bot, and is not printed as it is`, async () => {
    const before = `setTimeout(() => { ${thrown} }, 1000)`;
    const { code, output, leaks } = await run(await closedPort(), () => {}, before);
    assert.deepEqual({ code, leaks }, { code: 1, leaks: [] }, output);
    assert.match(output, /^The bot stops: TypeError$/m);
  });
}

for (const name of ["TELEGRAM_BOT_TOKEN", "ENCRYPTION_KEY"]) {
  for (const stream of ["stdout", "stderr"]) {
    test(`a leak would be found: ${name} on ${stream}`, async () => {
      const before = `process.${stream}.write(\`request to http://host/bot\${process.env.${name}}/getMe failed\\n\`)`;
      const ended = await run(
        await closedPort(),
        async ({ child, says }) => {
          await says(OUT_OF_REACH);
          child.kill("SIGTERM");
        },
        before,
      );
      assert.ok(ended.leaks.length > 0);
    });
  }
}

test("the address of a Bot API server must be one", async () => {
  const { code, output, leaks } = await run("example.org", () => {});
  assert.deepEqual({ code, leaks }, { code: 1, leaks: [] }, output);
  assert.match(output, /^The bot can't run\. TELEGRAM_API_ROOT takes the address of a Bot API server/m);
});
