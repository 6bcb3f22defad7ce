/**
 * strongroom for Node against node:crypto as bots use it by hand, and against npm's fernet: prints the raw rounds as JSON.
 *
 * Run by `scripts/bench.sh`. Argument: the folder whose node_modules hold the packages, built for release.
 */
import { createSecretKey, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { loadavg } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fernet from "fernet";
import { decrypt, encrypt } from "../examples/demo/old-bot.mjs";
import { run } from "./rounds.mjs";

/** @import { Contest, Side } from "./rounds.mjs" */
/** @import { Keyring } from "../bindings/js/keyring.js" */

const PEER = "node:crypto";
const KEY_OBJECT = "node:crypto, KeyObject";
const KEYRING = "Keyring";
const BOUND = "Keyring, associated data";
const SAME_FORMAT = "Keyring, node_gcm";
const FERNET = "npm fernet";

// npm's fernet is so slow that it makes fewer calls, and none with large values.
const SIZES = [
  { size: "32 B", length: 32, calls: 5_000, fernetCalls: 160, target: 3 },
  { size: "1 KiB", length: 1024, calls: 4_000, fernetCalls: 80, target: null },
  { size: "1 MiB", length: 2 ** 20, calls: 8, fernetCalls: 0, target: null },
];

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: node --expose-gc bench/peers.mjs FOLDER");
const entry = createRequire(join(folder, "package.json")).resolve("strongroom");
/** @type {typeof import("../node/ts/index.js")} */
const strongroom = await import(pathToFileURL(entry).href);

const results = [];
for (const contest of contests()) results.push(run(contest));
const versions = {
  Node: process.versions.node,
  OpenSSL: process.versions.openssl,
  "npm fernet": createRequire(import.meta.url)("fernet/package.json").version,
};
process.stdout.write(JSON.stringify({ language: "Node", versions, load: loadavg()[1], contests: results }));

/** Every contest, its inputs made when it is its turn. @returns {Generator<Contest>} */
function* contests() {
  for (const { size, length, calls, fernetCalls, target } of SIZES) {
    const key = randomBytes(32);
    // The hand-written code names a Buffer; node:crypto takes either.
    const keyObject = /** @type {Buffer} */ (/** @type {unknown} */ (createSecretKey(key)));
    const keyring = strongroom.Keyring.parse(key.toString("base64"));
    const secret = new fernet.Secret(key.toString("base64url").padEnd(44, "="));
    const values = Array.from({ length: calls }, () => randomText(length));
    if (new Set(values).size !== calls) throw new Error("two inputs are the same");
    const rows = values.map((_, row) => `user:${row}`);
    const comparisons = [
      { ours: KEYRING, peer: PEER, target },
      { ours: KEYRING, peer: KEY_OBJECT, target },
      { ours: BOUND, peer: KEY_OBJECT, target },
      { ours: SAME_FORMAT, peer: KEY_OBJECT, target: null },
      { ours: KEYRING, peer: FERNET, target: null },
    ].filter(({ peer }) => peer !== FERNET || fernetCalls > 0);

    /** @type {((index: number) => string)[]} */
    const encrypting = [
      (index) => encrypt(at(values, index), key),
      (index) => encrypt(at(values, index), keyObject),
      (index) => keyring.encrypt(at(values, index)),
      (index) => keyring.encrypt(at(values, index), { associatedData: at(rows, index) }),
      (index) => keyring.encrypt(at(values, index), { format: "node_gcm" }),
      (index) => new fernet.Token({ secret }).encode(at(values, index)),
    ];
    yield { operation: "encrypt", size, comparisons, sides: sides(encrypting) };

    const [byHand, byKeyObject, sealed, bound, sameFormat, theirs] = encrypting.map((call) => inputs(call));
    /** @type {((index: number) => string)[]} */
    const decrypting = [
      (index) => decrypt(at(byHand, index), key),
      (index) => decrypt(at(byKeyObject, index), keyObject),
      (index) => keyring.decrypt(at(sealed, index)),
      (index) => keyring.decrypt(at(bound, index), { associatedData: at(rows, index) }),
      (index) => keyring.decrypt(at(sameFormat, index)),
      (index) => new fernet.Token({ secret, token: at(theirs, index), ttl: 0 }).decode(),
    ];
    for (const { name, calls, call } of sides(decrypting)) {
      const wrong = values.slice(0, calls).findIndex((value, index) => call(index) !== value);
      if (wrong !== -1) throw new Error(`${name}: a token does not open to its value`);
    }
    yield { operation: "decrypt", size, comparisons, sides: sides(decrypting) };

    /** @param {(index: number) => string} call */
    function inputs(call) {
      return values.slice(0, call === encrypting.at(-1) ? fernetCalls : calls).map((_, index) => call(index));
    }

    /** @param {((index: number) => string)[]} implementations @returns {Side[]} */
    function sides(implementations) {
      return [PEER, KEY_OBJECT, KEYRING, BOUND, SAME_FORMAT, FERNET]
        .map((name, index) => ({
          name,
          calls: name === FERNET ? fernetCalls : calls,
          call: at(implementations, index),
        }))
        .filter((side) => side.calls > 0);
    }
  }
}

/** @template {{}} T @param {T[] | undefined} list @param {number} index @returns {T} */
function at(list, index) {
  const found = list?.[index];
  if (found === undefined) throw new Error(`there is no input ${index}`);
  return found;
}

/** Random text of this many ASCII characters, in one piece. @param {number} length */
function randomText(length) {
  const text = randomBytes(Math.ceil((length * 3) / 4)).toString("base64url");
  return Buffer.from(text).toString("utf8", 0, length);
}
