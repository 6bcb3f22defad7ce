/** Opens a PostgreSQL schema at a given instant, when others do the same, and uses it once. Arguments: URL, schema, key, instant. */
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { PostgresStore } from "../lib/node/ts/postgres.js";

const [url, schema, key, instant] = process.argv.slice(2);
while (Date.now() < Number(instant));
const store = await PostgresStore.open(url, { schema });
const vault = new Vault({ keyring: Keyring.parse(key), store });
await vault.set(`OF_${process.pid}`, "value", { actor: "alice" });
await store.close();
