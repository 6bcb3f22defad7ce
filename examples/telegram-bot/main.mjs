/** Runs the bot until it is told to stop. Everything it needs to know comes from the environment: see README.md. */
import { isStrongroomError, Keyring } from "strongroom";
import { SqliteStore } from "strongroom/sqlite";
import { createBot, openVault, UPDATES } from "./bot.mjs";

// A new database is for the bot's own user alone.
process.umask(0o077);

try {
  await main(process.env);
} catch (error) {
  // Telegram's errors and strongroom's hold no value; a stack would only hide the sentence that says what to do.
  const code = isStrongroomError(error) ? `${error.code}: ` : "";
  console.error(
    `The bot can't run. ${code}${error instanceof Error ? error.message : "Something was thrown."}`,
  );
  process.exitCode = 1;
}

/** @param {NodeJS.ProcessEnv} env */
async function main(env) {
  const token = needed(env, "TELEGRAM_BOT_TOKEN", "the token that BotFather gave you");
  const allowed = userIds(needed(env, "ALLOWED_USERS", "the ids of the Telegram users who may use the bot"));
  const keyring = Keyring.fromEnv(env);
  const store = new SqliteStore(env.DATABASE ?? "bot.db");
  try {
    const bot = createBot({ token, vault: openVault({ keyring, store, allowed }) });
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void bot.stop());
    await bot.start({
      allowed_updates: UPDATES,
      onStart: ({ username }) => console.log(`@${username} is listening to ${allowed.length} user(s).`),
    });
  } finally {
    store.close();
  }
}

/** @param {NodeJS.ProcessEnv} env @param {string} name @param {string} what */
function needed(env, name, what) {
  const value = env[name]?.trim();
  if (!value) throw new Error(`Set ${name} to ${what}.`);
  return value;
}

/** @param {string} text */
function userIds(text) {
  const ids = text.split(/[\s,]+/).filter((id) => id !== "");
  if (!ids.every((id) => /^[1-9]\d*$/.test(id))) {
    throw new Error(
      "ALLOWED_USERS takes numeric ids, separated by commas: README.md says how to find yours.",
    );
  }
  return ids;
}
