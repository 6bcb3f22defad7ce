/**
 * Telegram as a bot sees it, without a network: recorded updates go through the bot's real handlers, and its calls to
 * the Bot API end here, are recorded, and are answered as Telegram answers them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** @typedef {import("grammy").Bot} Bot */
/** @typedef {{ method: string, payload: Record<string, any> }} Call */
/** @typedef {{ id: number, is_bot: boolean, first_name: string, username: string, language_code?: string }} Person */

/** Who the bot is: what `getMe` answers. @type {import("grammy/types").UserFromGetMe} */
export const BOT_INFO = {
  id: 7700112233,
  is_bot: true,
  first_name: "Strongroom",
  username: "strongroom_example_bot",
  can_join_groups: false,
  can_read_all_group_messages: false,
  can_manage_bots: false,
  supports_inline_queries: false,
  supports_join_request_queries: false,
  can_connect_to_business: false,
  has_main_web_app: false,
  has_topics_enabled: false,
  allows_users_to_create_topics: false,
};

/** @type {Person} */
export const ADA = {
  id: 5318008,
  is_bot: false,
  first_name: "Ada",
  username: "ada_ops",
  language_code: "en",
};

/** @type {Person} */
export const EVE = {
  id: 6661337,
  is_bot: false,
  first_name: "Eve",
  username: "eve_was_here",
  language_code: "en",
};

const NOT_MODIFIED =
  "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message";

/** An update as it was recorded. @param {string} name */
export function recorded(name) {
  return JSON.parse(readFileSync(new URL(`updates/${name}.json`, import.meta.url), "utf8"));
}

export class Telegram {
  /** Every call of every bot, in order. @type {Call[]} */
  calls = [];
  /** Every update that was delivered. @type {any[]} */
  updates = [];
  /** What the chats show: messages by chat and id. @type {Map<string, any>} */
  #shown = new Map();
  /** The ids of the messages that calls sent. @type {WeakMap<Call, number>} */
  #sentAs = new WeakMap();
  /** @type {{ method: string, error_code: number, description: string }[]} */
  #refusals = [];
  #nextMessage = 1000;
  #nextUpdate = 731846201;
  /** @type {Bot | undefined} */
  #bot;

  /** Takes over a bot's calls, and gives it the updates from now on. @param {Bot} bot */
  attach(bot) {
    this.#bot = bot;
    // The types of the answers differ by method; what is answered here is what Telegram answers.
    bot.api.config.use((_network, method, payload) => Promise.resolve(this.#answer(method, payload)));
  }

  /** Makes Telegram refuse the next call of a method. @param {string} method @param {number} error_code @param {string} description */
  refuseNext(method, error_code, description) {
    this.#refusals.push({ method, error_code, description });
  }

  /**
   * Sends a message as somebody does, and gives the calls that the bot made of it.
   *
   * @param {string | undefined} text  in place of the recorded text or caption
   * @param {{ from?: Person, as?: string }} [how]  `as`: the recorded update
   */
  async send(text, { from = ADA, as = "private-text" } = {}) {
    const update = recorded(as);
    const message = update.message ?? update.edited_message;
    this.#relabel(message, from);
    message.message_id = this.#nextMessage++;
    if (text !== undefined) message["caption" in message ? "caption" : "text"] = text;
    this.#show(message);
    return this.#deliver(update);
  }

  /**
   * Presses a button under a message of the bot, and gives the calls that the bot made of it.
   *
   * @param {Call} sent  the call that sent the message
   * @param {string} label
   * @param {{ from?: Person, as?: string }} [how]
   */
  async press(sent, label, { from = ADA, as = "button" } = {}) {
    const buttons = sent.payload.reply_markup.inline_keyboard.flat();
    const button = buttons.find((/** @type {any} */ { text }) => text === label);
    assert.ok(button, `there is a button ${label}`);
    const update = recorded(as);
    const query = update.callback_query;
    query.from = from;
    query.data = button.callback_data;
    query.id = `${BigInt(query.id) + BigInt(this.#nextUpdate)}`;
    query.message.message_id = this.#sentAs.get(sent);
    if (query.message.chat.type === "private") query.message.chat.id = sent.payload.chat_id;
    const shown = this.message(query.message.chat.id, query.message.message_id);
    if (query.message.date !== 0 && shown !== undefined) query.message = shown;
    return this.#deliver(update);
  }

  /** The id of the message that a call sent. @param {Call} sent */
  idOf(sent) {
    return this.#sentAs.get(sent);
  }

  /** A message that a chat shows now. @param {number} chat @param {number} id */
  message(chat, id) {
    return this.#shown.get(`${chat}/${id}`);
  }

  /** The texts that a chat shows now, oldest first. @param {number} [chat] */
  shown(chat = ADA.id) {
    return [...this.#shown.values()].filter((message) => message.chat.id === chat).map(({ text }) => text);
  }

  /** @param {any} message @param {Person} from */
  #relabel(message, from) {
    message.from = from;
    if (message.chat.type !== "private") return;
    message.chat = { id: from.id, first_name: from.first_name, username: from.username, type: "private" };
  }

  /** @param {any} message */
  #show(message) {
    this.#shown.set(`${message.chat.id}/${message.message_id}`, structuredClone(message));
  }

  /** @param {any} update */
  async #deliver(update) {
    assert.ok(this.#bot, "a bot is attached");
    update.update_id = this.#nextUpdate++;
    this.updates.push(update);
    const before = this.calls.length;
    await this.#bot.handleUpdate(update);
    return this.calls.slice(before);
  }

  /** @param {string} method @param {any} payload @returns {any} */
  #answer(method, payload) {
    const call = { method, payload: JSON.parse(JSON.stringify(payload)) };
    this.calls.push(call);
    const refusal = this.#refusals.findIndex((refusal) => refusal.method === method);
    if (refusal >= 0) {
      const [{ error_code, description }] = /** @type {[any]} */ (this.#refusals.splice(refusal, 1));
      return { ok: false, error_code, description };
    }
    try {
      const result = this.#perform(call);
      if (method === "sendMessage") this.#sentAs.set(call, result.message_id);
      return { ok: true, result };
    } catch (error) {
      return { ok: false, error_code: 400, description: /** @type {Error} */ (error).message };
    }
  }

  /** @param {Call} call */
  #perform({ method, payload }) {
    const key = `${payload.chat_id}/${payload.message_id}`;
    switch (method) {
      case "sendMessage": {
        checkText(payload);
        const message = {
          message_id: this.#nextMessage++,
          from: BOT_INFO,
          chat: { id: payload.chat_id, type: payload.chat_id < 0 ? "supergroup" : "private" },
          date: Math.floor(Date.now() / 1000),
          text: payload.text,
          ...(payload.reply_markup && { reply_markup: payload.reply_markup }),
        };
        this.#show(message);
        return structuredClone(message);
      }
      case "editMessageText": {
        checkText(payload);
        const message = this.#shown.get(key);
        if (message === undefined) throw new Error("Bad Request: message to edit not found");
        const { text, reply_markup } = payload;
        const same = JSON.stringify(message.reply_markup) === JSON.stringify(reply_markup);
        if (message.text === text && same) throw new Error(NOT_MODIFIED);
        const { reply_markup: _, ...rest } = message;
        this.#show({ ...rest, text, ...(reply_markup && { reply_markup }) });
        return structuredClone(this.#shown.get(key));
      }
      case "deleteMessage":
        if (!this.#shown.delete(key)) throw new Error("Bad Request: message to delete not found");
        return true;
      case "answerCallbackQuery":
        if ((payload.text ?? "").length > 200) throw new Error("Bad Request: MESSAGE_TOO_LONG");
        return true;
      default:
        throw new Error(`Not Found: method ${method} not found`);
    }
  }
}

/** Telegram's limits. @param {any} payload */
function checkText({ text, reply_markup }) {
  if (text.length === 0) throw new Error("Bad Request: message text is empty");
  if (text.length > 4096) throw new Error("Bad Request: message is too long");
  for (const { callback_data } of (reply_markup?.inline_keyboard ?? []).flat()) {
    const bytes = Buffer.byteLength(callback_data);
    if (bytes < 1 || bytes > 64) throw new Error("Bad Request: BUTTON_DATA_INVALID");
  }
}
