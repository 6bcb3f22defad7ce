/**
 * Rotates a secret of a SQLite file, and kills itself with -9 at a moment. Arguments: the file, the key, the file of the
 * provider, where; `nowhere` lets it live.
 */
import { Keyring, Vault } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { Provider } from "./provider.mjs";

const [path, key, values, where] = process.argv.slice(2);
const [store, provider] = [new SqliteStore(path), new Provider(values)];
const commits = {
  rotate_begin: "the begin is committed",
  rotate_create: "what was created is committed",
  rotate: "the end is committed",
};

/** Does something unless the process dies before, and is told of unless it dies after. */
async function deadly(what, run) {
  if (where === `before ${what}`) process.kill(process.pid, "SIGKILL");
  const result = await run();
  if (where === `after ${what}`) process.kill(process.pid, "SIGKILL");
  return result;
}

const vault = new Vault({
  keyring: Keyring.parse(key),
  store: {
    load: (keys) => store.load(keys),
    list: (query, cursor) => store.list(query, cursor),
    events: (query, cursor) => store.events(query, cursor),
    commit: (changeSet) => deadly(commits[changeSet.events[0].action], () => store.commit(changeSet)),
  },
});
const rotator = {
  create: (rotation) => deadly("create", () => provider.create(rotation)),
  activate: (rotation, value) => deadly("activate", () => provider.activate(rotation, value)),
};
const { version } = await vault.rotate("DB_PASSWORD", { actor: "alice", rotator });
store.close();
process.stdout.write(String(version));
