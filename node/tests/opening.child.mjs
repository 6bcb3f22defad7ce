/** Opens a SQLite file at a given instant, when others do the same, and uses it once. Arguments: file, key, instant. */
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";

const [path, key, instant] = process.argv.slice(2);
while (Date.now() < Number(instant));
const store = new SqliteStore(path);
const vault = new Vault({ keyring: Keyring.parse(key), store });
await vault.set(`OF_${process.pid}`, "value", { actor: "alice" });
store.close();
