/** The Node host: `node node_host.mjs FOLDER`, where FOLDER holds the built package. */
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { Host } from "./host.js";

const folder = resolve(process.argv[2], "lib");
const [library, native, archives, { SqliteStore }] = await Promise.all(
  ["node/ts/index.js", "bindings/js/native.js", "bindings/js/archives.js", "node/ts/sqlite.js"].map(
    (file) => import(`${folder}/${file}`),
  ),
);
const host = new Host(library, native, archives, (path) => new SqliteStore(path));
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${await host.answer(line)}\n`);
}
