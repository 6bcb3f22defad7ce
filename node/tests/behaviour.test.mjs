/** Every store that this package has, through the behaviour suite. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { MemoryStore } from "../lib/node/ts/index.js";
import { SqliteStore } from "../lib/node/ts/sqlite.js";
import { behaviour } from "./behaviour.mjs";
import { closing, scratch } from "./support.mjs";

behaviour("MemoryStore", () => new MemoryStore());
behaviour("SqliteStore over a file", (t) => closing(t, new SqliteStore(join(scratch(t), "vault.db"))));
behaviour("SqliteStore in memory", (t) => closing(t, new SqliteStore(":memory:")));
behaviour("SqliteStore over better-sqlite3", (t) => {
  return closing(t, new SqliteStore(new Database(join(scratch(t), "vault.db"))));
});
