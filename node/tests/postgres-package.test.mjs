/** `strongroom/postgres` where it is installed without `pg`, and its types where a program is strict. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { scratch } from "./support.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A folder with the package as it is packed, and with those others of this tree. */
function installed(t, others = []) {
  const folder = scratch(t);
  const package_ = join(folder, "node_modules/strongroom");
  mkdirSync(package_, { recursive: true });
  for (const part of ["package.json", "lib", "strongroom.linux-x64-gnu.node"])
    cpSync(here(`../${part}`), join(package_, part), { recursive: true });
  for (const other of others) {
    mkdirSync(join(folder, "node_modules", other, ".."), { recursive: true });
    symlinkSync(here(`../../node_modules/${other}`), join(folder, "node_modules", other));
  }
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  return folder;
}

function ran(command, args, cwd) {
  return new Promise((resolve) => {
    execFile(command, args, { cwd }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });
}

test("without pg it imports, and says what to install when a store is made of a URL", async (t) => {
  const program = `
    import { PostgresStore } from "strongroom/postgres";
    try { new PostgresStore("postgresql://localhost/d"); }
    catch (error) { console.log(error.code, error.message); }
  `;
  const { output } = await ran(process.execPath, ["--input-type=module", "--eval", program], installed(t));
  assert.match(output, /^UNSUPPORTED the package pg is missing: npm install pg\n$/);
});

for (const [what, others, program] of [
  [
    "without the types of pg",
    [],
    `export async function made(): Promise<Store> {
       await using store = await PostgresStore.open({ host: "/run/postgresql", ssl: { ca: "..." }, max: 4 }, { schema: "app" });
       return store;
     }`,
  ],
  [
    "with a Pool, a Client and a config that have them",
    ["pg", "@types/pg", "pg-types", "pg-protocol"],
    `import pg from "pg";
     const config: pg.PoolConfig = { host: "localhost", password: async () => "..." };
     export const stores: Store[] = [
       new PostgresStore(new pg.Pool(config)),
       new PostgresStore(new pg.Client()),
       new PostgresStore(config),
       new PostgresStore({ host: "localhost", password: async () => "..." }),
     ];`,
  ],
]) {
  test(`its types compile in a strict program ${what}`, async (t) => {
    const folder = installed(t, ["@types/node", ...others]);
    const imports = `import type { Store } from "strongroom";\nimport { PostgresStore } from "strongroom/postgres";\n`;
    writeFileSync(join(folder, "user.ts"), imports + program);
    const flags =
      "--strict --exactOptionalPropertyTypes --noEmit --module nodenext --target es2022 --types node --lib es2023,esnext.disposable";
    const { code, output } = await ran(
      here("../../node_modules/.bin/tsc"),
      [...flags.split(" "), "user.ts"],
      folder,
    );
    assert.equal(code, 0, output);
  });
}
