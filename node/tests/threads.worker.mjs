/**
 * A worker thread on a vault that others use at the same time. Its data: the file, the key, its name, what to do; tells
 * what it did.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { below } from "./support.mjs";

const { path, key, id, does, operations } = workerData;
const keyring = Keyring.parse(key);
const options = { actor: { id, platform: "test" } };
const done = { gets: {}, writes: {}, events: 0, tokens: [] };

/** On five secrets that all workers have, and on one that only this one has. */
async function works() {
  using store = new SqliteStore(path);
  const vault = new Vault({ keyring, store });
  const own = `OWN_${id}`;
  await vault.set(own, `${own}=`, options);
  done.events += 1;
  for (let number = 0; number < operations; number += 1) {
    const name = `SHARED_${below(5)}`;
    const dice = below(10);
    if (dice < 5) {
      assert.ok((await vault.get(name, options)).reveal().startsWith(`${name}=`));
      done.gets[name] = (done.gets[name] ?? 0) + 1;
      done.events += 1;
    } else if (dice < 8) {
      const { version } = await vault.rotate(name, `${name}=${id} ${number}`, options);
      done.writes[name] = [...(done.writes[name] ?? []), version];
      done.events += 1;
    } else if (dice < 9) {
      await vault.rotate(own, `${own}=${number}`, options);
      assert.equal((await vault.get(own, options)).reveal(), `${own}=${number}`);
      done.events += 2;
    } else {
      const { id: proposal } = await vault.propose("rotate", name, "never", options);
      await vault.cancel(proposal, options);
      done.events += 2;
    }
  }
}

/** Short values and long ones, in all three formats. */
function encrypts() {
  for (let number = 0; number < operations; number += 1) {
    const length = number % 50 === 0 ? 1 << 20 : 32;
    const value = Buffer.concat([Buffer.from(`${id} ${number}`), randomBytes(length)]);
    for (const format of ["sealed", "fernet", "node_gcm"]) {
      const token = keyring.encrypt(value, { format });
      assert.ok(value.equals(keyring.decryptBytes(token)));
      if (number % 50 === 1) done.tokens.push({ token, value: value.toString("hex") });
    }
  }
}

/** Until it is ended from outside; says when it is under way. */
async function endures() {
  const store = new SqliteStore(path);
  const vault = new Vault({ keyring, store });
  for (let number = 0; ; number += 1) {
    await vault.rotate(`SHARED_${number % 5}`, `SHARED_${number % 5}=${id} ${number}`, options);
    (await vault.get(`SHARED_${number % 5}`, options)).reveal();
    keyring.decrypt(keyring.encrypt("a value"));
    parentPort.postMessage("under way");
  }
}

await { works, encrypts, endures }[does]();
parentPort.postMessage(done);
