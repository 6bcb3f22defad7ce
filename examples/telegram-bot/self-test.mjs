/**
 * Checks that the bot's key works, without the bot, its database or the network.
 * Usage: ENCRYPTION_KEY=... node self-test.mjs
 */
import { isStrongroomError, Keyring, MemoryStore, Secret } from "strongroom";
import { openVault } from "./bot.mjs";

const SAMPLE = "a value with ünïcödé";

/** @param {unknown} condition @param {string} wrong */
function expect(condition, wrong) {
  if (!condition) throw new Error(wrong);
}

/** @param {Keyring} keyring @param {import("strongroom").Format} format */
function roundTrip(keyring, format) {
  const token = keyring.encrypt(SAMPLE, { format });
  expect(
    !token.includes(SAMPLE) && token !== keyring.encrypt(SAMPLE, { format }),
    "encryption is not random",
  );
  expect(keyring.decrypt(token) === SAMPLE, "what was encrypted does not decrypt to the same");
}

/** @param {Keyring} keyring */
function refusesAltered(keyring) {
  const token = keyring.encrypt(SAMPLE);
  const middle = token.length >> 1;
  const altered = token.slice(0, middle) + (token[middle] === "A" ? "B" : "A") + token.slice(middle + 1);
  try {
    keyring.decrypt(altered);
  } catch (error) {
    if (isStrongroomError(error, "NOT_AUTHENTIC")) return;
    throw error;
  }
  throw new Error("an altered value was decrypted");
}

/** @param {Keyring} keyring */
async function vaultWorks(keyring) {
  const vault = openVault({ keyring, store: new MemoryStore(), allowed: ["self-test"] });
  const options = { actor: { id: "self-test", platform: "terminal" } };
  await vault.set("SELF_TEST", SAMPLE, options);
  expect(
    (await vault.get("SELF_TEST", options)).equals(Secret.of(SAMPLE)),
    "the vault gave back another value",
  );
  const report = await vault.verifyAudit(options);
  expect(report.events > 0, "the vault recorded nothing");
}

/** @type {[string, (keyring: Keyring) => void | Promise<void>][]} */
const CHECKS = [
  ["encrypts and decrypts (sealed v1)", (keyring) => roundTrip(keyring, "sealed")],
  ["encrypts and decrypts (the old bot's AES-256-GCM)", (keyring) => roundTrip(keyring, "node_gcm")],
  ["refuses an altered value", refusesAltered],
  ["stores, reads and records in a vault", vaultWorks],
];

let step = "the key";
try {
  const keyring = Keyring.fromEnv();
  console.log(
    `ok   ${step}: ${keyring.keys.map(({ id, state }) => `${id.slice(0, 8)} (${state})`).join(", ")}`,
  );
  for (const [name, check] of CHECKS) {
    step = name;
    await check(keyring);
    console.log(`ok   ${step}`);
  }
  console.log("OK: the bot can use this key.");
} catch (error) {
  const code = isStrongroomError(error) ? `${error.code}: ` : "";
  console.log(`FAIL ${step}\n     ${code}${error instanceof Error ? error.message : "something was thrown"}`);
  process.exitCode = 1;
}
