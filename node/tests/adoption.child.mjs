/**
 * Adopts a database and reads a secret from it; kills itself with SIGKILL right before its nth statement, or says at the
 * end how many there were. Arguments: the file, the key in hex, n.
 */
import { DatabaseSync, StatementSync } from "node:sqlite";
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";

const [path, key, limit] = process.argv.slice(2);
let count = 0;

for (const [prototype, names] of [
  [DatabaseSync.prototype, ["exec"]],
  [StatementSync.prototype, ["run", "get", "all"]],
]) {
  for (const name of names) {
    const original = prototype[name];
    prototype[name] = function counted(...args) {
      count += 1;
      if (count === Number(limit)) process.kill(process.pid, "SIGKILL");
      return original.apply(this, args);
    };
  }
}

const vault = new Vault({ keyring: Keyring.parse(key), store: new SqliteStore(path) });
const secret = await vault.get("SECRET_0", { actor: "alice" });
process.stdout.write(JSON.stringify({ count, value: secret.reveal() }));
