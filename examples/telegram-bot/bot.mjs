/**
 * A Telegram bot that keeps secrets in strongroom.
 *
 * It carries words between a chat and a vault, and takes messages that hold a value out of the chat. Everything else is
 * the vault's: who may do what, what asks for a confirmation, how values are masked, what goes into the history.
 */
import { Bot, GrammyError, HttpError, InlineKeyboard } from "grammy";
import { isStrongroomError, Vault } from "strongroom";

/** @typedef {import("grammy").Context} Context */
/** @typedef {import("strongroom").CommandReply} CommandReply */

/** What the bot asks Telegram for. Edits too: an edited message may hold a value. */
export const UPDATES = /** @type {const} */ (["message", "edited_message", "callback_query"]);

const FAILED =
  "That failed on my side, and I can't tell whether it was done: look at `secret list` or `secret audit <name>` before you try again. My log says what happened.";
const NO_COMMAND = "I take commands as new text messages only: no edits, captions or files.";
const ONLY_PRIVATE = "I keep secrets in private chats only: write to me there.";
const DELETED = "I deleted your message, because it may hold a value.";
const NOT_DELETED = "I could not delete your message, and it may hold a value: delete it yourself.";
const SEEN = "If it held a value, everybody here has seen it: rotate it.";

/** After these, somebody can still press the button with success. */
const STILL_OPEN = new Set([
  "PERMISSION_DENIED",
  "CONFIRMATION_MISMATCH",
  "SESSION_EXPIRED",
  "CONFLICT",
  "FAILED",
]);

/** The limits of Telegram's texts, in UTF-16 units. */
const LONGEST_MESSAGE = 4096;
const LONGEST_ALERT = 200;

/**
 * The vault of a bot: only the allowed users are let in, and whoever else tries is recorded; changes are confirmed.
 *
 * @param {Omit<import("strongroom").VaultOptions, "actors" | "confirm"> & { allowed: string[] }} options
 *   `allowed`: the ids of Telegram users
 */
export function openVault({ allowed, ...options }) {
  return new Vault({ ...options, actors: allowed, confirm: ["set", "rotate", "delete"] });
}

/**
 * The bot, not yet started.
 *
 * @param {object} options
 * @param {string} options.token  from BotFather
 * @param {Vault} options.vault  as `openVault` makes it
 * @param {(line: string) => void} [options.log]  takes what the operator should read; never a value
 * @param {import("grammy/types").UserFromGetMe} [options.botInfo]  asked of Telegram when absent
 * @param {string} [options.apiRoot]  of a Bot API server; Telegram's own when absent
 */
export function createBot({ token, vault, log = console.error, botInfo, apiRoot }) {
  const bot = new Bot(token, {
    ...(botInfo && { botInfo }),
    ...(apiRoot && { client: { apiRoot } }),
  });
  bot.api.config.use(withoutAddresses);
  bot.api.config.use(watchingReach(log));

  bot.use(async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      log(`update ${ctx.update.update_id}: ${described(error)}`);
    }
  });

  const chat = bot.chatType("private");
  chat.command(["start", "help"], (ctx) => answer(ctx, "secret help"));
  chat.on("message:text", (ctx) => answer(ctx, ctx.msg.text));
  chat.on(
    ["message:caption", "message:file", "edited_message:text", "edited_message:caption"],
    async (ctx) => {
      await say(ctx, `${NO_COMMAND}\n${(await deleted(ctx)) ? DELETED : NOT_DELETED}`);
    },
  );
  chat.on("callback_query:data", pressed);

  // A group may hold other talk: the bot meddles only with what is meant for it.
  const group = bot.chatType(["group", "supergroup"]);
  group.on(["message", "edited_message"]).filter(isForMe, async (ctx) => {
    await say(ctx, `${ONLY_PRIVATE}\n${(await deleted(ctx)) ? DELETED : NOT_DELETED} ${SEEN}`);
  });

  bot.on("callback_query", (ctx) => alert(ctx, ONLY_PRIVATE));

  return bot;

  /** @param {Context} ctx @param {string} text */
  async function answer(ctx, text) {
    const reply = await run(ctx, text);
    const note = !reply.carriedValue ? "" : (await deleted(ctx)) ? `\n\n${DELETED}` : `\n\n${NOT_DELETED}`;
    const keyboard = new InlineKeyboard();
    for (const { label, command } of reply.buttons) keyboard.text(label, command);
    const who = reply.code === "PERMISSION_DENIED" ? `\nYour id here is ${ctx.from?.id}.` : "";
    await say(ctx, reply.text + who + note, reply.buttons.length > 0 ? keyboard : undefined);
  }

  /** @param {Context & { callbackQuery: { data: string } }} ctx */
  async function pressed(ctx) {
    const reply = await run(ctx, ctx.callbackQuery.data);
    if (reply.code !== undefined && STILL_OPEN.has(reply.code)) return alert(ctx, reply.text);
    await attempt("answerCallbackQuery", () => ctx.answerCallbackQuery());
    try {
      // Without a keyboard among the options, Telegram takes the buttons away.
      await ctx.editMessageText(reply.text);
    } catch (error) {
      if (isUnmodified(error)) return;
      log(`editing failed: ${described(error)}`);
      await say(ctx, reply.text);
    }
  }

  /**
   * Runs a command as the sender of an update. Failures that are not the sender's are logged, and answered in general.
   *
   * @param {Context} ctx @param {string} text
   * @returns {Promise<CommandReply>}
   */
  async function run(ctx, text) {
    try {
      return await vault.command(text, { actor: { id: String(ctx.from?.id), platform: "telegram" } });
    } catch (error) {
      log(`command failed: ${described(error)}`);
      // What failed may have been a command with a value.
      return { text: FAILED, buttons: [], carriedValue: ctx.message !== undefined, code: "FAILED" };
    }
  }

  /** Takes the sender's message out of the chat, if Telegram lets us. @param {Context} ctx */
  function deleted(ctx) {
    return attempt("deleteMessage", () => ctx.deleteMessage());
  }

  /** @param {Context} ctx @param {string} text */
  async function alert(ctx, text) {
    const short = text.length > LONGEST_ALERT ? `${text.slice(0, LONGEST_ALERT - 1)}…` : text;
    await attempt("answerCallbackQuery", () => ctx.answerCallbackQuery({ text: short, show_alert: true }));
  }

  /**
   * Whether it worked. For what the bot can go on without.
   *
   * @param {string} what @param {() => Promise<true>} call
   */
  async function attempt(what, call) {
    try {
      return await call();
    } catch (error) {
      log(`${what} failed: ${described(error)}`);
      return false;
    }
  }
}

/**
 * Takes the cause from errors of the network: its message holds the address of the call, and the address the bot's
 * token. Nobody can print what is not there, neither Node nor grammY's own debugging.
 *
 * @type {import("grammy").Transformer}
 */
async function withoutAddresses(call, method, payload, signal) {
  try {
    return await call(method, payload, signal);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new HttpError(`Network request for '${method}' failed: ${reason(error)}`, undefined);
  }
}

/**
 * Logs when Telegram goes out of reach, and when it is back: grammY tries again without a word.
 *
 * @param {(line: string) => void} log
 * @returns {import("grammy").Transformer}
 */
function watchingReach(log) {
  let isOut = false;
  return async (call, method, payload, signal) => {
    // grammY's own calls can be aborted. Those of handlers cannot: where they fail, the handlers say so.
    if (signal === undefined) return call(method, payload, signal);
    try {
      const answer = await call(method, payload, signal);
      note(answer.ok || answer.error_code < 500 ? undefined : `${method}: ${answer.error_code}`);
      return answer;
    } catch (error) {
      if (!signal.aborted) note(described(error));
      throw error;
    }
  };

  /** @param {string | undefined} why */
  function note(why) {
    if (why !== undefined && !isOut) log(`Telegram is out of reach (${why}): trying again until it answers.`);
    if (why === undefined && isOut) log("Telegram is back.");
    isOut = why !== undefined;
  }
}

/** Why a call failed, in a word that holds no address. @param {HttpError} error */
function reason({ error: cause }) {
  if (!(cause instanceof Error)) return "no reason given";
  const code = "code" in cause ? cause.code : undefined;
  return typeof code === "string" && /^[A-Z][A-Z0-9_]*$/.test(code) ? code : cause.name;
}

/** @param {Context} ctx @param {string} text @param {InlineKeyboard} [keyboard] */
async function say(ctx, text, keyboard) {
  const parts = pieces(text);
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    await ctx.reply(part, isLast && keyboard !== undefined ? { reply_markup: keyboard } : {});
  }
}

/** A text in parts that Telegram takes, cut at line ends where there are any. @param {string} text */
function pieces(text) {
  const parts = [];
  let rest = text;
  while (rest.length > LONGEST_MESSAGE) {
    const lineEnd = rest.lastIndexOf("\n", LONGEST_MESSAGE);
    const end = lineEnd > 0 ? lineEnd : LONGEST_MESSAGE;
    parts.push(rest.slice(0, end));
    rest = rest.slice(lineEnd > 0 ? end + 1 : end);
  }
  return [...parts, rest];
}

/** @param {Context} ctx */
function isForMe(ctx) {
  return /^\s*\/?secret(@\w+)?(\s|$)/i.test(ctx.msg?.text ?? ctx.msg?.caption ?? "");
}

/** A press that came twice, or whose first answer got lost. @param {unknown} error */
function isUnmodified(error) {
  return error instanceof GrammyError && error.description.includes("message is not modified");
}

/**
 * An error as a line for the log. Never the error as it is: those of grammY hold the update or the call, and other
 * messages may quote what they stumbled over. strongroom's own are safe, and a store sees no values.
 *
 * @param {unknown} error
 */
export function described(error) {
  if (error instanceof GrammyError)
    return `Telegram refused ${error.method}: ${error.error_code} ${error.description}`;
  if (error instanceof HttpError) return error.message;
  if (isStrongroomError(error)) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
    return `${error.code}: ${error.message}${cause}`;
  }
  if (!(error instanceof Error)) return `a ${typeof error} was thrown`;
  return [error.name, ...(error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))].join("\n");
}
