/**
 * A Node process that works with a secret which no line of its JavaScript ever sees, for its memory to be searched.
 *
 * Arguments: the scenario, the path of a vault that holds the secret as `A`. The key is in the file that
 * `ENCRYPTION_KEY_FILE` names. Runs with --expose-gc.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { Keyring, Vault } from "../../node/lib/node/ts/index.js";
import { SqliteStore } from "../../node/lib/node/ts/sqlite.js";

const [scenario, path] = process.argv.slice(2);
const alice = { actor: "alice" };
/** What a scenario has when it is done, beyond what the process cannot do without. */
const kept = [];
/** A process that takes so long hangs. The time starts anew whenever it may be looked at. */
const guard = setTimeout(() => process.exit(1), 240_000).unref();

/** A store with two moments at each request, before it is done and after; at the `nth` it does something else. */
function withMoments(store, nth, happens) {
  const watched = { came: false };
  let left = nth;
  const moment = () => {
    left -= 1;
    if (left !== 0) return undefined;
    watched.came = true;
    return happens();
  };
  for (const method of ["load", "list", "commit", "events"]) {
    watched[method] = async (...given) => {
      await moment();
      const answer = store[method](...given);
      await moment();
      return answer;
    };
  }
  return watched;
}

const OPERATIONS = [
  async (vault) => (await vault.get("A", alice)).wipe(),
  (vault, secret) => vault.set("B", secret, alice),
  (vault, secret) => vault.rotate("B", secret, alice),
  (vault, secret) => vault.propose("rotate", "B", secret, alice),
  (vault, _, proposal) => vault.confirm(proposal, alice),
  (vault) => vault.command("secret get A", alice),
];

async function mayBeLookedAt() {
  guard.refresh();
  process.stdout.write("LOOK\n");
  await once(process.stdin, "data");
}

/** What native objects held is let go of in turns of the event loop after the one in which they were collected. */
async function collected() {
  for (let turn = 0; turn < 5; turn += 1) {
    await setImmediate();
    globalThis.gc();
  }
  await setImmediate();
}

/** Every way of a value through a vault; gives the handles that came of it. */
async function everything(vault) {
  const first = await vault.get("A", alice);
  await vault.set("B", first, alice);
  await vault.rotate("A", first, alice);
  for (const change of ["set", "rotate"]) {
    const { id } = await vault.propose(change, "A", first, alice);
    await vault.confirm(id, alice);
  }
  const second = await vault.get("B", alice);
  assert.ok(first.equals(second));
  await vault.command("secret get A", alice);
  return [first, second];
}

/**
 * Every operation, given up at its first moment, its second, and so on, until it ends before it is given up. The process
 * may be looked at each time, before anything else could use the memory again.
 */
async function atEveryMoment(attempt) {
  using store = new SqliteStore(path);
  const vault = new Vault({ keyring: Keyring.fromEnv(), store });
  const value = await vault.get("A", alice);
  await vault.set("B", value, alice);
  value.wipe();
  for (const operation of OPERATIONS) {
    for (let [nth, isGivenUp] = [1, true]; isGivenUp; nth += 1) {
      {
        using secret = await vault.get("A", alice);
        const { id } = await vault.propose("rotate", "B", secret, alice);
        isGivenUp = await attempt(store, (own) => operation(own, secret, id), nth);
        assert.ok(isGivenUp || nth > 2, "nothing was given up");
      }
      await mayBeLookedAt();
    }
  }
}

async function withVault(use) {
  using store = new SqliteStore(path);
  return await use(new Vault({ keyring: Keyring.fromEnv(), store }));
}

async function usesAKeyring() {
  const keyring = Keyring.fromEnv();
  for (const format of ["sealed", "fernet", "node_gcm"])
    assert.equal(keyring.decrypt(keyring.encrypt("other", { format })), "other");
  using store = new SqliteStore(path);
  for (const secret of await everything(new Vault({ keyring, store }))) secret.wipe();
  return keyring;
}

const scenarios = {
  holds_a_secret: () => withVault(async (vault) => kept.push(await vault.get("A", alice))),

  reveals_a_secret: () =>
    withVault(async (vault) => {
      using secret = await vault.get("A", alice);
      kept.push(secret.reveal());
    }),

  has_a_secret_in_other_encodings: () =>
    withVault(async (vault) => {
      using secret = await vault.get("A", alice);
      const octets = Buffer.from(secret.revealBytes());
      for (const before of ["", "?", "??"])
        kept.push(Buffer.concat([Buffer.from(before), octets]).toString("base64url"));
      kept.push(octets.toString("hex"));
    }),

  wipes_what_it_had: () =>
    withVault(async (vault) => {
      for (const secret of await everything(vault)) secret.wipe();
    }),

  lets_go_of_what_it_had: () => withVault(async (vault) => void (await everything(vault))),

  /** Left where it is, with its session: what a cancellation has to wipe is there to be found. */
  waits_in_the_middle: async () => {
    const store = new SqliteStore(path);
    using secret = await new Vault({ keyring: Keyring.fromEnv(), store }).get("A", alice);
    const never = withMoments(store, 0);
    const committing = new Promise((resolve) => {
      never.commit = () => {
        resolve();
        return new Promise((done) => kept.push(done));
      };
    });
    kept.push(new Vault({ keyring: Keyring.fromEnv(), store: never }).rotate("A", secret, alice));
    await committing;
  },

  /** By a store that never answers, which nobody holds any longer. */
  is_dropped_in_the_middle: () =>
    atEveryMoment(async (store, operate, nth) => {
      const { promise: reached, resolve } = Promise.withResolvers();
      const never = withMoments(store, nth, () => {
        resolve();
        return new Promise(() => {});
      });
      await Promise.race([operate(new Vault({ keyring: Keyring.fromEnv(), store: never })), reached]);
      await collected();
      return never.came;
    }),

  /** By a store that throws. */
  is_failed_in_the_middle: () =>
    atEveryMoment(async (store, operate, nth) => {
      const throws = withMoments(store, nth, () => Promise.reject(new Error("the store failed")));
      await operate(new Vault({ keyring: Keyring.fromEnv(), store: throws })).catch((error) =>
        assert.equal(error.code, "STORAGE_FAILED"),
      );
      return throws.came;
    }),

  keeps_a_keyring: async () => kept.push(await usesAKeyring()),
  lets_go_of_a_keyring: async () => void (await usesAKeyring()),
  exports_a_keyring: async () => kept.push((await usesAKeyring()).dangerousExport()),

  hangs: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
};

await scenarios[scenario]();
await collected();
guard.refresh();
process.stdout.write("READY\n");
process.stdin.resume();
