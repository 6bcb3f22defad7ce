/** The example bot on the old database: recorded updates go in, its calls to Telegram are captured and shown as a chat. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { Keyring, mask } from "../../node/lib/node/ts/index.js";
import { SqliteStore } from "../../node/lib/node/ts/sqlite.js";
import { createBot, openVault } from "../telegram-bot/bot.mjs";
import { ADA, BOT_INFO, Telegram } from "../telegram-bot/tests/telegram.mjs";
import { decrypt, oldView } from "./old-bot.mjs";

/** @typedef {import("../telegram-bot/tests/telegram.mjs").Call} Call */
/** @typedef {import("./demo.mjs").World} World */

const ACTOR = { id: String(ADA.id), platform: "telegram" };

/** Of one message in the printed chat. */
const LINES_SHOWN = 8;

/**
 * Lets Ada talk to the bot. Gives what the bot answered and did, and a value that it encrypted for a page.
 *
 * @param {World} world
 */
export async function chat({ path, key, secrets, rotated, rotatedTo, forPage, print }) {
  const before = oldView(path);
  const keyring = Keyring.fromEnv({ ENCRYPTION_KEY: key.toString("base64") });
  const store = new SqliteStore(path);
  try {
    const vault = openVault({ keyring, store, allowed: [ACTOR.id] });
    const telegram = new Telegram();
    telegram.attach(createBot({ token: "7700112233:demo", vault, botInfo: BOT_INFO, log: print }));
    const talk = new Talk(telegram, [rotatedTo, ...Object.values(secrets)], print);

    const counted = { before: await vault.census({ actor: ACTOR }) };
    assert.ok(existsSync(`${path}.before-strongroom`), "the old file was copied before it was adopted");
    print("    The database is adopted in place, after a copy beside it.");
    print("");
    const masked = await talk.says(`secret get ${rotated}`);
    const proposal = await talk.says(`secret rotate ${rotated} ${rotatedTo}`);
    const confirmed = await talk.presses(proposal, "Confirm");
    const history = await talk.says(`secret audit ${rotated}`);

    const after = oldView(path);
    checkOldSelects(before, after, rotated);
    const token = /** @type {string} */ (after.secret[0].value_encrypted);
    assert.equal(
      decrypt(token, key),
      secrets[after.secret[0].name],
      "the old code still reads what was not rotated",
    );
    print("");
    print(
      "    Statements written for the old tables still run: nothing is lost, and the old code reads what it wrote.",
    );

    const census = await vault.census({ actor: ACTOR });
    print(
      `    Values and earlier versions by format: before ${formats(counted.before)}; now ${formats(census)}`,
    );
    const report = await vault.verifyAudit({ actor: ACTOR });
    print(
      `    History verified: ${report.events} events in ${report.streams} chains, ${report.unchained} old rows vouched for by the first.`,
    );
    return {
      masked: masked.payload.text,
      confirmed: confirmed.payload.text,
      history: history.payload.text,
      report,
      formats: { before: counted.before.formats, after: census.formats },
      token: keyring.encrypt(forPage.value, { associatedData: forPage.boundTo }),
    };
  } finally {
    store.close();
  }
}

/**
 * Verifies the whole history again, and gives who read a secret last: what other languages did is in it, too.
 *
 * @param {World} world
 */
export async function lastReader({ path, key, rotated }) {
  const store = new SqliteStore(path);
  try {
    const keyring = Keyring.fromEnv({ ENCRYPTION_KEY: key.toString("base64") });
    const vault = openVault({ keyring, store, allowed: [ACTOR.id] });
    await vault.verifyAudit({ actor: ACTOR });
    const events = await vault.audit({ actor: ACTOR, name: rotated });
    return events.find(({ action, outcome }) => action === "get" && outcome === "success")?.actor;
  } finally {
    store.close();
  }
}

/** @param {any} before @param {any} after @param {string} rotated */
function checkOldSelects(before, after, rotated) {
  const others = (/** @type {any} */ view) =>
    view.list.filter((/** @type {any} */ { name }) => name !== rotated);
  assert.deepEqual(others(after), others(before), "the old list of secrets shows the same");
  const counts = [before, after].map((view) =>
    view.list.find((/** @type {any} */ { name }) => name === rotated),
  );
  assert.equal(counts[1].accessed_count, counts[0].accessed_count + 1, "the old list shows the new access");
  assert.deepEqual(after.history, before.history, "the old history shows the same");
  assert.deepEqual(after.reminders, before.reminders, "the other table is untouched");
}

/** @param {import("../../node/lib/node/ts/index.js").Census} census */
function formats({ formats }) {
  return JSON.stringify(formats).replaceAll(/["{}]/g, "").replaceAll(",", ", ");
}

/** A chat, printed as both sides see it. */
class Talk {
  /** @param {Telegram} telegram @param {string[]} values  shown masked @param {(line: string) => void} print */
  constructor(telegram, values, print) {
    this.telegram = telegram;
    this.values = values;
    this.print = print;
  }

  /** @param {string} text */
  async says(text) {
    this.#show("Ada", text);
    return this.#answered(await this.telegram.send(text));
  }

  /** @param {Call} message @param {string} label */
  async presses(message, label) {
    this.#show("Ada", `( presses ${label} )`);
    return this.#answered(await this.telegram.press(message, label));
  }

  /** @param {Call[]} calls */
  #answered(calls) {
    for (const { method, payload } of calls) {
      if (method === "deleteMessage") this.#show("", "( the bot deletes this message )");
      if (payload.text !== undefined) this.#show("Bot", payload.text);
      const buttons = payload.reply_markup?.inline_keyboard.flat() ?? [];
      if (buttons.length > 0)
        this.#show("", buttons.map((/** @type {any} */ { text }) => `[ ${text} ]`).join(" "));
    }
    const last = calls.findLast(({ payload }) => payload.text !== undefined);
    if (last === undefined) throw new Error("the bot gave no answer");
    return last;
  }

  /** @param {string} who @param {string} text */
  #show(who, text) {
    const shown = this.values.reduce((text, value) => text.replaceAll(value, mask(value)), text);
    const lines = shown.split("\n");
    const more = lines.length - LINES_SHOWN;
    if (more > 0) lines.splice(LINES_SHOWN, more, `( and ${more} lines more )`);
    for (const [index, line] of lines.entries()) {
      this.print(`      ${(index === 0 ? who : "").padEnd(5)} ${line}`.trimEnd());
    }
  }
}
