/**
 * The demonstration: a bot goes on with the database that it has used for a year, a Python program reads the same file,
 * and a page in Chromium decrypts what the bot wrote. All values are random, and what each of the three tells is
 * compared with them: a step that did not really run makes the demonstration fail.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mask } from "../../node/lib/node/ts/index.js";
import { ADA } from "../telegram-bot/tests/telegram.mjs";
import { decryptInBrowser } from "./browser.mjs";
import { chat, lastReader } from "./chat.mjs";
import { decrypt, makeOldDatabase, oldView } from "./old-bot.mjs";
import { readWithPython } from "./python.mjs";

/**
 * What a run is about.
 *
 * @typedef {object} World
 * @property {string} path  of the bot's database
 * @property {Buffer} key
 * @property {Record<string, string>} secrets  the values in the database, as they should be at the end
 * @property {string} rotated  the name of the secret that is rotated
 * @property {string} rotatedTo  its new value
 * @property {{ value: string, boundTo: string }} forPage  what the bot encrypts for the page
 * @property {(line: string) => void} print
 */

/** The three who have to show that they can. */
export const STEPS = { bot: chat, python: readWithPython, browser: decryptInBrowser };

/** Why the demonstration failed. */
export class DemoError extends Error {
  /** @override */
  name = "DemoError";
}

/**
 * Runs the demonstration. Throws `DemoError` when one of the three did not do what it should.
 *
 * @param {{ print?: (line: string) => void, steps?: Partial<Record<keyof typeof STEPS, (...args: any[]) => any>> }} [how]
 */
export async function demo({ print = console.log, steps: replaced = {} } = {}) {
  const steps = { ...STEPS, ...replaced };
  const folder = mkdtempSync(join(tmpdir(), "strongroom-demo-"));
  try {
    const world = makeWorld(join(folder, "bot.db"), print);
    const { path, key, secrets, rotated, rotatedTo } = world;

    print("1 · A bot's database, filled for a year by hand-written code");
    makeOldDatabase({ path, key, user: String(ADA.id), values: secrets });
    const { list, history, reminders, secret } = oldView(path);
    check(
      "old database",
      decrypt(secret[0].value_encrypted, key) === secrets[secret[0].name],
      "is not readable",
    );
    check("old database", history.length === 60, "has no history");
    print(
      `    ${list.length} secrets, ${history.length} audit rows, ${reminders.length} reminders; values by node:crypto as`,
    );
    print(`    base64(IV, tag, ciphertext): ${secret[0].value_encrypted.slice(0, 24)}...`);

    print("\n2 · The bot with strongroom, on that database");
    secrets[rotated] = rotatedTo;
    const bot = await took("bot", () => steps.bot(world));
    checkBot(bot, world);

    print("\n3 · A Python program, on the same file");
    const python = await took("Python", () => steps.python(world));
    await checkPython(python, world);
    print(
      `    Python ${python.python}, strongroom ${python.strongroom}: ${Object.keys(secrets).length} values, all as they should be:`,
    );
    for (const [name, value] of Object.entries(python.values))
      print(`      ${name.padEnd(24)} ${mask(value)}`);
    print(
      `    It verified ${python.events} events; its own reads are in the history, which the bot verifies again.`,
    );

    print("\n4 · A page in headless Chromium, with the wasm build");
    const browser = await took("browser", () => steps.browser({ ...world, token: bot.token }));
    checkBrowser(browser, { ...world, token: bot.token });
    print(`    The bot encrypted a value for ${world.forPage.boundTo}: ${bot.token.slice(0, 24)}...`);
    print(
      `    The page shows ${browser.shown}. It loaded ${browser.requests.length} files, and sent nothing.`,
    );
    return { world, bot, python, browser };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {string} path @param {(line: string) => void} print @returns {World} */
function makeWorld(path, print) {
  return {
    path,
    key: randomBytes(32),
    secrets: {
      STRIPE_API_KEY: randomValue("sk_test_"),
      TELEGRAM_WEBHOOK_SECRET: randomValue("hook_"),
      OPENWEATHER_TOKEN: randomValue("owm_"),
      BACKUP_PASSPHRASE: randomValue("päss "),
    },
    rotated: "STRIPE_API_KEY",
    rotatedTo: randomValue("sk_live_"),
    forPage: { value: randomValue("whsec_"), boundTo: `page:${randomBytes(3).toString("hex")}` },
    print,
  };
}

/** @param {string} prefix */
function randomValue(prefix) {
  return prefix + randomBytes(18).toString("base64url");
}

/** Runs a step; what it throws becomes a sentence. @template T @param {string} who @param {() => T} step */
async function took(who, step) {
  try {
    return await step();
  } catch (error) {
    throw new DemoError(`${who}: ${error instanceof Error ? error.message : "something was thrown"}`);
  }
}

/** @param {string} who @param {boolean} isTrue @param {string} wrong @returns {asserts isTrue} */
function check(who, isTrue, wrong) {
  if (!isTrue) throw new DemoError(`${who}: ${wrong}`);
}

/** @param {any} bot @param {World} world */
function checkBot(bot, { rotated, forPage }) {
  const masked = bot?.masked?.startsWith(`${rotated}: `) && bot.masked.endsWith("****");
  check("bot", masked, "did not show the secret masked");
  check("bot", bot.confirmed?.startsWith(`${rotated} is rotated`), "did not rotate the secret");
  check(
    "bot",
    /ROTATE \d+ \(telegram\) ok$/m.test(bot.history ?? ""),
    "did not show the rotation in the history",
  );
  check("bot", / ADOPTED unknown ok$/m.test(bot.history), "did not show the adoption in the history");
  check("bot", / ok \(from before\)$/m.test(bot.history), "did not show the old rows in the history");
  check("bot", bot.report?.unchained === 60 && bot.report.events > 0, "did not chain the history");
  check("bot", bot.formats?.before?.node_gcm > 0 && !bot.formats.before.sealed, "found no old values");
  check("bot", bot.formats.after?.sealed > 0, "sealed nothing");
  check(
    "bot",
    bot.token?.startsWith("sr1.") && !bot.token.includes(forPage.value),
    "encrypted nothing for the page",
  );
}

/** @param {any} python @param {World} world */
async function checkPython(python, world) {
  const { values = {} } = python ?? {};
  for (const [name, value] of Object.entries(world.secrets)) {
    check("Python", values[name] !== undefined, `did not read ${name}`);
    check("Python", values[name] === value, `read another value of ${name}`);
  }
  check("Python", python.events > 0 && python.unchained === 60, "did not verify the history");
  const reader = await took("Python", () => lastReader(world));
  check("Python", reader === "read.py", "left no trace in the history: it did not read this file");
}

/** @param {any} browser @param {World & { token: string }} world */
function checkBrowser(browser, { key, token, forPage }) {
  const { value, shown, agent = "", requests = [] } = browser ?? {};
  check("browser", value !== undefined, `decrypted nothing; the page showed: ${shown ?? "nothing"}`);
  check("browser", value === forPage.value, "decrypted another value");
  check("browser", shown === mask(forPage.value), "did not show the value masked");
  check("browser", /Chrom/.test(agent), "is no Chromium");
  check(
    "browser",
    requests.some((/** @type {string} */ line) => /\.wasm $/.test(line)),
    "loaded no wasm",
  );
  const sent = requests.join("\n");
  const kept = [key.toString("base64"), encodeURIComponent(key.toString("base64")), token, forPage.value];
  check("browser", !kept.some((text) => sent.includes(text)), "sent what should have stayed in the page");
  check(
    "browser",
    requests.every((/** @type {string} */ line) => /^GET http:\/\/127\.0\.0\.1:\d+\/\S+ $/.test(line)),
    "sent something",
  );
}
