/** Runs the bot until it is told to stop. Everything it needs to know comes from the environment: see README.md. */
import { setTimeout as wait } from "node:timers/promises";
import { Keyring } from "strongroom";
import { SqliteStore } from "strongroom/sqlite";
import { createBot, described, openVault, UPDATES } from "./bot.mjs";

/** So long may the last calls take after a signal. */
const GRACE_MILLIS = 5000;

/** What the operator has to set right, in words that hold no value. */
class SetupError extends Error {}

// Left to Node, both would print the error as it is.
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => {
    console.error(`The bot stops: ${described(error)}`);
    process.exit(1);
  });
}

// A new database is for the bot's own user alone.
process.umask(0o077);

try {
  await main(process.env);
  console.log("The bot has stopped.");
} catch (error) {
  console.error(`The bot can't run. ${error instanceof SetupError ? error.message : described(error)}`);
  process.exitCode = 1;
}
// A call that Telegram leaves without an answer would keep the process.
process.exit();

/** @param {NodeJS.ProcessEnv} env */
async function main(env) {
  const token = needed(env, "TELEGRAM_BOT_TOKEN", "the token that BotFather gave you");
  const allowed = userIds(needed(env, "ALLOWED_USERS", "the ids of the Telegram users who may use the bot"));
  const root = apiRoot(env);
  const keyring = Keyring.fromEnv(env);
  const store = new SqliteStore(env.DATABASE ?? "bot.db");
  try {
    const vault = openVault({ keyring, store, allowed });
    const bot = createBot({ token, vault, ...(root && { apiRoot: root }) });
    await serve(bot, ({ username }) =>
      console.log(`@${username} is listening to ${allowed.length} user(s).`),
    );
  } finally {
    store.close();
  }
}

/**
 * Serves until a signal comes. What is under way then may end, but nobody waits for Telegram for long.
 *
 * @param {import("grammy").Bot} bot @param {(me: import("grammy/types").UserFromGetMe) => void} onStart
 */
async function serve(bot, onStart) {
  const signalled = new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, resolve);
  });
  // start() would look Telegram up too, but stop() can't end that.
  const stop = new AbortController();
  // grammY's types know another AbortSignal, of the same shape.
  const serving = bot.init(/** @type {any} */ (stop.signal)).then(async () => {
    if (!stop.signal.aborted) await bot.start({ allowed_updates: UPDATES, onStart });
  });
  await Promise.race([signalled, serving]);
  stop.abort();
  // Both may fail: the calls are cut off, and Telegram may be out of reach.
  const end = Promise.allSettled([bot.stop(), serving]);
  await Promise.race([end, wait(GRACE_MILLIS)]);
}

/** @param {NodeJS.ProcessEnv} env @param {string} name @param {string} what */
function needed(env, name, what) {
  const value = env[name]?.trim();
  if (!value) throw new SetupError(`Set ${name} to ${what}.`);
  return value;
}

/** @param {string} text */
function userIds(text) {
  const ids = text.split(/[\s,]+/).filter((id) => id !== "");
  if (!ids.every((id) => /^[1-9]\d*$/.test(id))) {
    throw new SetupError(
      "ALLOWED_USERS takes numeric ids, separated by commas: README.md says how to find yours.",
    );
  }
  return ids;
}

/** @param {NodeJS.ProcessEnv} env */
function apiRoot({ TELEGRAM_API_ROOT: text }) {
  if (!text?.trim()) return undefined;
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? "")) {
    throw new SetupError("TELEGRAM_API_ROOT takes the address of a Bot API server, as https://example.org.");
  }
  return text.trim().replace(/\/+$/, "");
}
