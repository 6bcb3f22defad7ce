/** What a scenario has: a bot on a vault, Telegram around it, and an eye on everything that leaves. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { Keyring, MemoryStore } from "strongroom";
import { createBot, openVault } from "../bot.mjs";
import { Canaries } from "./leaks.mjs";
import { ADA, BOT_INFO, Telegram } from "./telegram.mjs";

/** @typedef {import("./telegram.mjs").Call} Call */
/** @typedef {import("strongroom").Store} Store */

export const ADA_ACTOR = { id: String(ADA.id), platform: "telegram" };

export const DELETED = "\n\nI deleted your message, because it may hold a value.";
export const NOT_DELETED =
  "\n\nI could not delete your message, and it may hold a value: delete it yourself.";

/**
 * A test in which no value may leave the bot: not in a call, not on the console, not in its log; and nothing may touch
 * the network.
 *
 * @param {string} name
 * @param {(world: World) => Promise<void>} play
 * @param {Record<string, any>} [vaultOptions]
 */
export function scenario(name, play, vaultOptions = {}) {
  test(name, async () => {
    const eye = watch();
    const world = new World(vaultOptions);
    try {
      await play(world);
    } finally {
      eye.close();
    }
    assert.deepEqual(eye.network, [], "nothing touches the network");
    assert.deepEqual(world.leaks(eye.printed()), [], "no value left the bot");
  });
}

export class World {
  canaries = new Canaries();
  telegram = new Telegram();
  /** @type {Keyring} */
  keyring = Keyring.generate();
  /** What the bot logged. @type {string[]} */
  logged = [];

  /** @param {Record<string, any>} vaultOptions */
  constructor({ store = new MemoryStore(), ...vaultOptions } = {}) {
    this.canaries.watch(this.keyring.dangerousExport());
    /** @type {Store} */
    this.store = store;
    this.vaultOptions = vaultOptions;
    /** @type {import("strongroom").Vault} */
    this.vault = this.start();
  }

  /** Starts the bot, again if it ran before: with nothing kept but the store. @param {Store} [store] */
  start(store = this.store) {
    const options = { keyring: this.keyring, store, allowed: [String(ADA.id)], ...this.vaultOptions };
    this.vault = openVault(options);
    const log = (/** @type {string} */ line) => void this.logged.push(line);
    this.telegram.attach(
      createBot({ token: "7700112233:recorded", vault: this.vault, botInfo: BOT_INFO, log }),
    );
    return this.vault;
  }

  /** Stores a secret without the bot, and gives its value. @param {string} name */
  async given(name) {
    const value = this.canaries.make("sk_test_");
    await this.vault.set(name, value, { actor: ADA_ACTOR });
    return value;
  }

  /** The value of a secret, read without the bot. @param {string} name */
  async value(name) {
    return (await this.vault.get(name, { actor: ADA_ACTOR })).reveal();
  }

  /** The vault's latest events, without those that tests make. @param {number} limit */
  async latest(limit) {
    const events = await this.vault.audit({ actor: ADA_ACTOR, limit });
    return events.map(({ action, actor, platform, outcome, code, name }) => ({
      action,
      actor,
      platform,
      outcome,
      code,
      name,
    }));
  }

  /** Where values are that should not have left. @param {string} printed */
  leaks(printed) {
    const calls = JSON.stringify(this.telegram.calls);
    const places = { calls, log: this.logged.join("\n"), console: printed };
    return Object.entries(places).flatMap(([place, text]) =>
      this.canaries.found(text).map((leak) => `${place}: ${leak}`),
    );
  }
}

/** Watches the console and the network until it is closed. @param {{ mute?: boolean }} [how]  `mute`: shows nothing */
export function watch({ mute = false } = {}) {
  /** @type {string[]} */
  const printed = [];
  /** @type {string[]} */
  const network = [];
  const { fetch } = globalThis;
  globalThis.fetch = () => {
    network.push("fetch");
    throw new Error("a test used fetch");
  };
  const onSocket = () => void network.push("a socket");
  const onRequest = () => void network.push("an HTTP request");
  subscribe("net.client.socket", onSocket);
  subscribe("http.client.request.start", onRequest);
  const streams = [process.stdout, process.stderr].map((stream) => {
    const { write } = stream;
    stream.write = (/** @type {any[]} */ ...args) => {
      printed.push(typeof args[0] === "string" ? args[0] : Buffer.from(args[0]).toString("latin1"));
      return mute || write.apply(stream, /** @type {any} */ (args));
    };
    return () => {
      stream.write = write;
    };
  });
  return {
    network,
    printed: () => printed.join(""),
    close() {
      globalThis.fetch = fetch;
      unsubscribe("net.client.socket", onSocket);
      unsubscribe("http.client.request.start", onRequest);
      for (const restore of streams) restore();
    },
  };
}

/** A call that sends words. @param {string} text @param {object} [more] @param {number} [chat_id] */
export function sent(text, more = {}, chat_id = ADA.id) {
  return { method: "sendMessage", payload: { chat_id, text, ...more } };
}

/** A call that deletes the message of an update. @param {any} update */
export function deletion(update) {
  const message = update.message ?? update.edited_message;
  return {
    method: "deleteMessage",
    payload: { chat_id: message.chat.id, message_id: message.message_id },
  };
}

/** The calls that end a press: the query is answered, and the words take the place of the buttons. @param {Telegram} telegram @param {Call} proposal @param {string} text */
export function settled(telegram, proposal, text) {
  return [
    answered(telegram),
    {
      method: "editMessageText",
      payload: { chat_id: proposal.payload.chat_id, message_id: telegram.idOf(proposal), text },
    },
  ];
}

/** The call that answers the latest press. @param {Telegram} telegram @param {string} [text]  shown as an alert */
export function answered(telegram, text) {
  const callback_query_id = telegram.updates.at(-1).callback_query.id;
  return {
    method: "answerCallbackQuery",
    payload: text === undefined ? { callback_query_id } : { callback_query_id, text, show_alert: true },
  };
}

/** The id in a proposal's buttons. @param {Call | undefined} call */
export function idIn(call) {
  const data = call?.payload.reply_markup?.inline_keyboard[0][0].callback_data ?? "";
  const [, id] = /^secret confirm ([\w-]{22})$/.exec(data) ?? [];
  assert.ok(id, "the answer has a button that confirms");
  return id;
}

/** The call that asks for a confirmation. @param {string} question @param {string} id @param {string} note @param {number} [chat] */
export function asked(question, id, note, chat) {
  const text = `${question}\nPress Confirm, or write: secret confirm ${id}\nTo drop it: secret cancel ${id}\nWithin 5 minutes.${note}`;
  const row = [
    { text: "Confirm", callback_data: `secret confirm ${id}` },
    { text: "Cancel", callback_data: `secret cancel ${id}` },
  ];
  return sent(text, { reply_markup: { inline_keyboard: [row] } }, chat);
}

/** Replaces instants of the last minute, which no test can know, with NOW. @param {string} text */
export function timeless(text) {
  return text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (instant) => {
    const age = Date.now() - Date.parse(instant);
    assert.ok(age >= 0 && age < 60_000, `${instant} is now`);
    return "NOW";
  });
}
