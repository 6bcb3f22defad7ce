/**
 * Works on five secrets of a SQLite file like a busy bot. Arguments: the file, the key, how many operations, how many
 * at a time, its name. Says what it did; an error of any operation ends it.
 */
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { below } from "./support.mjs";

const [path, key, operations, lanes, id] = process.argv.slice(2);
const store = new SqliteStore(path);
const vault = new Vault({ keyring: Keyring.parse(key), store });
const options = { actor: { id, platform: "test" } };
const done = { gets: {}, writes: {}, lists: 0 };
let left = Number(operations);

async function work() {
  while (left > 0) {
    left -= 1;
    const name = `SHARED_${below(5)}`;
    const dice = below(10);
    if (dice < 6) {
      const value = (await vault.get(name, options)).reveal();
      if (!value.startsWith(`${name}=`)) throw new Error(`${name} has the value of another`);
      done.gets[name] = (done.gets[name] ?? 0) + 1;
    } else if (dice < 9) {
      const { version } = await vault[dice === 8 ? "set" : "rotate"](name, `${name}=${id}-${left}`, options);
      done.writes[name] ??= [];
      done.writes[name].push(version);
    } else {
      if ((await vault.list(options)).length < 5) throw new Error("the list is not whole");
      done.lists += 1;
    }
  }
}

await Promise.all(Array.from({ length: Number(lanes) }, work));
store.close();
process.stdout.write(JSON.stringify(done));
